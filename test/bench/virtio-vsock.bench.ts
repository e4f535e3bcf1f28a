// A stream between a client of the host and the guest, through unix sockets, the device thread and the rings, against a
// plain unix socket between two threads of Node, both with the same client in the same run.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import { threadMachine } from '../support/device-thread.js';
import type { FarEnd } from './virtio-guest.js';

const bench = suite('virtio-vsock');
const MIB = 1 << 20;
const TRANSFER = 64;
const ROUNDS = 5;
const PINGS = 2_000;
const LIMIT_MS = 120_000;
const dir = mkdtempSync(join(tmpdir(), 'nitro-vsock-bench-'));
const workers: Worker[] = [];

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

async function start(far: FarEnd): Promise<void> {
  const transferList = far.kind === 'guest' ? [far.rope.port] : [];
  const worker = new Worker(new URL('./virtio-guest.js', import.meta.url), { workerData: far, transferList });
  workers.push(worker);
  await deadline('the far end', once(worker, 'message'));
}

type Dial = () => Promise<Socket>;

const dialPlain: Dial = async () => {
  const socket = connect({ path: join(dir, 'plain'), allowHalfOpen: true });
  await deadline('connect', once(socket, 'connect'));
  return socket;
};

const dialGuest: Dial = async () => {
  const socket = connect({ path: join(dir, 'vsock'), allowHalfOpen: true });
  socket.write('CONNECT 7000\n');
  const [answer] = (await deadline('connect', once(socket, 'data'))) as [Buffer];
  assert.match(answer.toString(), /^OK \d+\n$/);
  return socket;
};

/** MiB a second to the far end. */
async function upload(dial: Dial): Promise<number> {
  const socket = await dial();
  const data = Buffer.alloc(MIB, 's');
  const started = performance.now();
  for (let i = 0; i < TRANSFER; i++) if (!socket.write(data)) await deadline('drain', once(socket, 'drain'), LIMIT_MS);
  socket.end();
  socket.resume();
  await deadline('the end', once(socket, 'end'), LIMIT_MS);
  socket.destroy();
  return TRANSFER / ((performance.now() - started) / 1000);
}

/** MiB a second from the far end. */
async function download(dial: Dial): Promise<number> {
  const socket = await dial();
  const request = Buffer.from('g\0\0\0\0');
  request.writeUInt32LE(TRANSFER, 1);
  const started = performance.now();
  let received = 0;
  socket.on('data', (data: Buffer) => {
    received += data.length;
  });
  socket.write(request);
  await deadline('the end', once(socket, 'end'), LIMIT_MS);
  assert.is(received, TRANSFER * MIB);
  socket.destroy();
  return TRANSFER / ((performance.now() - started) / 1000);
}

/** Microseconds of a byte there and back. */
async function roundTrip(dial: Dial): Promise<number> {
  const socket = await dial();
  const times: number[] = [];
  let started = 0;
  const ping = () => {
    started = performance.now();
    socket.write('x');
  };
  const done = new Promise<void>((resolve) => {
    socket.on('data', () => {
      times.push(performance.now() - started);
      if (times.length < PINGS) ping();
      else resolve();
    });
  });
  socket.write('e');
  ping();
  await deadline('pings', done, LIMIT_MS);
  socket.destroy();
  return median(times) * 1000;
}

bench('streams to a guest against a plain unix socket', async () => {
  const backend = { kind: 'unix', path: join(dir, 'vsock') } as const;
  const { thread, close, irqs, mapping, registers } = await threadMachine([
    { kind: 'vsock', guestCid: 4, backend, heartbeat: false },
  ]);
  const [first] = registers;
  if (first === undefined) throw new Error('no registers');
  await start({ kind: 'plain', path: join(dir, 'plain') });
  await start({
    ...{ kind: 'guest', address: mapping.address, size: mapping.size },
    ...{ registers: first.buffer, irqs: irqs.buffer, rope: thread.rope() },
  });
  for (const [name, unit, measure] of [
    ['host to guest', 'MiB/s', upload],
    ['guest to host', 'MiB/s', download],
    ['round trip', 'us', roundTrip],
  ] as const) {
    const [plain, guest]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round++) {
      plain.push(await measure(dialPlain));
      guest.push(await measure(dialGuest));
    }
    const [a, b] = [median(plain), median(guest)];
    console.log(`${name}: guest ${b.toFixed(0)} ${unit}, plain ${a.toFixed(0)} ${unit}, ratio ${(b / a).toFixed(2)}`);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
  await close();
  rmSync(dir, { recursive: true });
});

bench.run();

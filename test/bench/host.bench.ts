import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { socketPair } from '../../src/host/fd.js';
import { SocketStream } from '../../src/host/socket.js';
import { deadline } from '../support/deadline.js';

const test = suite('bench/host');
const fdModule = new URL('../../src/host/fd.js', import.meta.url).href;

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

/** Milliseconds of whole runs of node, each kind in turn so that noise hits all of them. */
function runTimes(kinds: string[][], rounds: number): number[] {
  const times = kinds.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, args] of kinds.entries()) {
      const start = performance.now();
      execFileSync(process.execPath, args);
      times[i]?.push(performance.now() - start);
    }
  }
  return times.map(median);
}

test('a process that does one ioctl takes at most 1.7 times node -e 0', () => {
  const ioctl = `import(${JSON.stringify(fdModule)}).then(({ eventfd, ioctl }) => ioctl(eventfd(), 0x5421, Buffer.alloc(4)))`;
  const [floor = 0, ours = 0] = runTimes(
    [
      ['-e', '0'],
      ['-e', ioctl],
    ],
    11,
  );
  console.log(
    `first ioctl: ${ours.toFixed(1)} ms, node -e 0: ${floor.toFixed(1)} ms, ratio ${(ours / floor).toFixed(2)}`,
  );
  assert.ok(ours / floor < 1.7);
});

type Wrap = (fd: number) => Duplex;
const node: Wrap = (fd) => new Socket({ fd });
const host: Wrap = (fd) => new SocketStream(fd);

/** Median microseconds of a one-byte round trip, both ends of the same kind. */
async function roundTrip(wrap: Wrap): Promise<number> {
  const [a, b] = socketPair();
  const [client, server] = [wrap(a), wrap(b)];
  server.on('data', (data: Buffer) => server.write(data));
  const times: number[] = [];
  const done = new Promise<void>((resolve) => {
    let start = 0;
    const ping = () => {
      start = performance.now();
      client.write('x');
    };
    client.on('data', () => {
      times.push((performance.now() - start) * 1000);
      if (times.length === 5000) resolve();
      else ping();
    });
    ping();
  });
  await deadline('round trips', done, 60_000);
  client.destroy();
  server.destroy();
  return median(times);
}

/** MB/s of 64 KiB writes through a socket pair, both ends of the same kind. */
async function throughput(wrap: Wrap): Promise<number> {
  const [a, b] = socketPair();
  const [source, sink] = [wrap(a), wrap(b)];
  const block = Buffer.alloc(64 * 1024, 1);
  const total = 512 * 2 ** 20;
  let received = 0;
  sink.on('data', (data: Buffer) => {
    received += data.length;
  });
  const start = performance.now();
  const send = async () => {
    for (let sent = 0; sent < total; sent += block.length) if (!source.write(block)) await once(source, 'drain');
    source.end();
  };
  await deadline('the transfer', Promise.all([send(), once(sink, 'end')]), 60_000);
  assert.is(received, total);
  return total / 1000 / (performance.now() - start);
}

test('a round trip takes at most 2.5 times that of node:net', async () => {
  const floors: number[] = [];
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    floors.push(await roundTrip(node));
    times.push(await roundTrip(host));
  }
  const [floor, ours] = [median(floors), median(times)];
  console.log(`round trip: ${ours.toFixed(1)} us, node:net ${floor.toFixed(1)} us, ratio ${(ours / floor).toFixed(2)}`);
  assert.ok(ours / floor < 2.5);
});

test('throughput is at least 0.6 of that of node:net', async () => {
  const floors: number[] = [];
  const rates: number[] = [];
  for (let i = 0; i < 3; i++) {
    floors.push(await throughput(node));
    rates.push(await throughput(host));
  }
  const [floor, ours] = [median(floors), median(rates)];
  console.log(
    `throughput: ${ours.toFixed(0)} MB/s, node:net ${floor.toFixed(0)} MB/s, ratio ${(ours / floor).toFixed(2)}`,
  );
  assert.ok(ours / floor > 0.6);
});

test('1,000 idle streams take at most 16 MiB', () => {
  const measure = `
    const { socketPair } = await import(${JSON.stringify(fdModule)});
    const { SocketStream } = await import(${JSON.stringify(fdModule.replace('fd.js', 'socket.js'))});
    const streams = [];
    const add = () => { const [a, b] = socketPair(); streams.push(new SocketStream(a).resume(), b); };
    for (let i = 0; i < 20; i++) add();
    gc();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 1000; i++) add();
    await new Promise((resolve) => setTimeout(resolve, 100));
    gc();
    console.log((process.memoryUsage.rss() - before) / 2 ** 20);
    process.exit();`;
  const output = execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', measure], {
    encoding: 'utf8',
  });
  console.log(`1,000 idle streams: ${Number(output).toFixed(1)} MiB`);
  assert.ok(Number(output) < 16);
});

test.run();

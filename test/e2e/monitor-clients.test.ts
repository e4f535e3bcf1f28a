import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import type { QmpClient } from '../../qmp/client/index.js';
import { deadline, eventually } from '../support/deadline.js';
import { freePort, MonitorProcess } from '../support/monitor-process.js';

const test = suite('e2e/monitor-clients');

/** A client that keeps what it gets as text. */
class Client {
  readonly socket: Socket;
  text = '';
  ended = false;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.setEncoding('latin1').on('data', (more: string) => {
      this.text += more;
    });
    this.socket.on('error', () => {});
    this.socket.on('close', () => {
      this.ended = true;
    });
  }

  async shows(text: string): Promise<void> {
    await eventually(`${text} (got ${this.text.slice(-200)})`, () => this.text.includes(text), 60_000);
  }
}

function many(clients: number, mode = 'control'): string[] {
  return ['-chardev', `socket,id=m,path=DIR/m,server=on,wait=off,x-clients=${clients}`, '-mon', `m,mode=${mode}`];
}

const residentKib = ({ pid }: ChildProcess): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
const descriptors = ({ pid }: ChildProcess): number => readdirSync(`/proc/${pid}/fd`).length;

async function withMonitor(
  args: readonly string[],
  work: (monitor: MonitorProcess, control: QmpClient) => Promise<void>,
): Promise<void> {
  const monitor = new MonitorProcess(args);
  try {
    await work(monitor, await monitor.ready());
  } finally {
    await monitor.stop();
  }
}

test('a thousand clients each have a session, all get events, and nothing of them stays', async () => {
  await withMonitor(many(1000), async ({ dir, process: child }, control) => {
    const before = { kib: residentKib(child), fds: descriptors(child) };
    const clients: Client[] = [];
    for (let i = 0; i < 1000; i++) {
      const client = new Client(`${dir}/m`);
      clients.push(client);
      // Each has its own ids and its own negotiation: every tenth makes none and so gets no event.
      if (i % 10 !== 0)
        client.socket.write(`{"execute": "qmp_capabilities", "id": ${i}}{"execute": "query-name", "id": 1}`);
      if (i % 100 === 99) await client.shows('"id": 1}');
    }
    for (const [i, client] of clients.entries()) {
      await client.shows('"QMP"');
      if (i % 10 === 0) continue;
      await client.shows(`"id": ${i}}`);
      await client.shows('"return": {}, "id": 1}');
    }
    const start = performance.now();
    await control.execute('stop');
    const reply = performance.now() - start;
    for (const [i, client] of clients.entries()) if (i % 10 !== 0) await client.shows('"STOP"');
    const all = performance.now() - start;
    const kib = (residentKib(child) - before.kib) / 1000;
    console.log(
      `1,000 clients: ${kib.toFixed(1)} KiB each, reply in ${reply.toFixed(0)} ms, event at all in ${all.toFixed(0)} ms`,
    );
    assert.ok(kib < 30, `${kib} KiB a client`);
    assert.not(clients.some((client, i) => i % 10 === 0 && client.text.includes('"STOP"')));
    // One more waits for a place.
    const late = new Client(`${dir}/m`);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.is(late.text, '');
    for (const [i, { socket }] of clients.entries()) {
      if (i % 2 === 0) socket.destroy();
      else socket.end();
    }
    await late.shows('"QMP"');
    late.socket.destroy();
    await eventually('closed descriptors', () => descriptors(child) <= before.fds, 30_000);
    await control.execute('cont');
  });
});

test('a client that is stopped is cut off, and delays nobody', async () => {
  if (spawnSync('python3', ['-c', '']).status !== 0) {
    console.log('SKIP no python3 here');
    return;
  }
  const program = `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
s.sendall(b'{"execute": "qmp_capabilities"}')
while b'return' not in s.recv(65536): pass
print('ready', flush=True)
sys.stdin.readline()
size = 0
while chunk := s.recv(65536): size += len(chunk)
print(size, flush=True)
`;
  await withMonitor(many(3), async ({ dir, process: child }, control) => {
    const stuck = spawn('python3', ['-c', program, `${dir}/m`], {
      stdio: ['pipe', 'pipe', 'inherit'],
      // SIGKILL ends a stopped process, too.
      timeout: 120_000,
      killSignal: 'SIGKILL',
    });
    let said = '';
    stuck.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    await eventually('the client', () => said.includes('ready'), 30_000);
    const witness = new Client(`${dir}/m`);
    witness.socket.write('{"execute": "qmp_capabilities"}');
    await witness.shows('"return"');
    stuck.kill('SIGSTOP');
    const open = descriptors(child);
    const times: number[] = [];
    for (let i = 0; i < 20_000 && descriptors(child) === open; i++) {
      const start = performance.now();
      await control.execute(i % 2 === 0 ? 'stop' : 'cont');
      times.push(performance.now() - start);
    }
    assert.is(descriptors(child), open - 1, 'the stopped client is cut off');
    times.sort((a, b) => a - b);
    const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN;
    console.log(
      `${times.length} commands before the cut; p99 ${p99.toFixed(2)} ms, most ${times.at(-1)?.toFixed(1)} ms`,
    );
    assert.ok(p99 < 100);
    await eventually('all events', () => witness.text.split('"timestamp"').length - 1 >= times.length);
    stuck.kill('SIGCONT');
    stuck.stdin.end('go on\n');
    await deadline('the end of the client', once(stuck, 'close'), 30_000);
    // What the kernel had taken by then is still there to read; the megabyte kept beyond it is not.
    assert.match(said, /ready\n\d+\n/);
    witness.socket.destroy();
  });
});

test('each HMP client has a line, a history and an end of its own', async () => {
  await withMonitor(many(2, 'readline'), async ({ dir }) => {
    const [one, other] = [new Client(`${dir}/m`), new Client(`${dir}/m`)];
    for (const client of [one, other]) await client.shows('(qemu) ');
    one.socket.write('info sta');
    other.socket.write('info name\r');
    await other.shows('info name\r\n(qemu) ');
    one.socket.write('tus\r');
    await one.shows('VM status: running');
    assert.not(other.text.includes('VM status'));
    one.socket.destroy();
    const third = new Client(`${dir}/m`);
    // Cursor up: the history of the one who left is not there.
    third.socket.write('\x1b[Ainfo status\r');
    await third.shows('VM status: running');
    assert.not(third.text.includes('info status\x1b'));
    for (const { socket } of [other, third]) socket.destroy();
  });
});

test('by default a second client waits unread until the first has left', async () => {
  await withMonitor(['-qmp', 'unix:DIR/q,server=on,wait=off'], async ({ dir }) => {
    const first = new Client(`${dir}/q`);
    await first.shows('"QMP"');
    const second = new Client(`${dir}/q`);
    second.socket.write('{"execute": "qmp_capabilities"}');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.is(second.text, '');
    first.socket.destroy();
    await second.shows('"return"');
    second.socket.destroy();
  });
});

test('WebSocket clients that are reset or flood the server leave it answering', async () => {
  const port = freePort(12);
  const chardev = `socket,id=w,host=127.0.0.1,port=${port},server=on,wait=off,websocket=on,x-clients=50`;
  await withMonitor(['-chardev', chardev, '-mon', 'w,mode=control'], async ({ process: child }, control) => {
    const before = descriptors(child);
    const sockets = await Promise.all(
      Array.from({ length: 40 }, async (_, i) => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}/`, [i % 2 === 0 ? 'jsonrpc' : 'qmp']);
        socket.on('error', () => {});
        await deadline('a handshake', once(socket, 'open'), 30_000);
        return socket;
      }),
    );
    for (const [i, socket] of sockets.entries()) {
      for (let n = 0; n < 200; n++) {
        socket.send(i % 2 === 0 ? `{"jsonrpc": "2.0", "id": ${n}, "method": "query-qmp-schema"}` : '{"execute": "x"}');
      }
      // Half of them never read.
      if (i % 4 < 2) socket.pause();
    }
    const start = performance.now();
    await control.execute('query-status');
    assert.ok(performance.now() - start < 5_000);
    for (const [i, socket] of sockets.entries()) {
      if (i % 3 === 0) socket.terminate();
      else socket.close();
    }
    for (const socket of sockets) socket.terminate();
    await eventually('closed descriptors', () => descriptors(child) <= before, 60_000);
    assert.ok(residentKib(child) < 600 * 1024);
    await control.execute('query-status');
  });
});

test.run();

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import {
  compile,
  type DoubleConfig,
  doubleProgram,
  doubleUnavailable,
  startUnderDouble,
  stopDoubles,
} from '../support/double.js';

const test = suite('device double: vsock, paths, speed');
const run = promisify(execFile);
const clients = 'test/e2e/double-clients';
const pythonMissing = await run('python3', ['-c', 'import socket; socket.AF_VSOCK']).then(
  () => undefined,
  () => 'python3 with AF_VSOCK is missing',
);
const unavailable = (await doubleUnavailable()) ?? pythonMissing;

/** A test that needs the double and python. */
function it(name: string, work: () => Promise<void>): void {
  test(name, async () => (unavailable === undefined ? await work() : console.log(`SKIP ${unavailable}`)));
}

let dir = '';
let client = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'double-'));
  if (unavailable === undefined) client = await compile('enclave-client', [`${clients}/enclave.c`]);
});
test.after.each(stopDoubles);
test.after(() => rm(dir, { recursive: true }));

/** What a mode of peers.py says, and what the double saw. */
async function peers(mode: string, argument = '', config: DoubleConfig = {}) {
  const double = await startUnderDouble({
    command: ['python3', `${clients}/peers.py`, mode, client, argument],
    config,
  });
  await double.ended();
  const said = double.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as unknown);
  assert.is(double.stderr, '');
  return { said, double };
}

it('calls that need no peer answer as the AF_VSOCK of this kernel does', async () => {
  const kernel = await deadline('python', run('python3', [`${clients}/vsock.py`])).catch(() => undefined);
  const config = { loopback: false, unanswered: true };
  const double = await startUnderDouble({ command: ['python3', `${clients}/vsock.py`], config });
  assert.equal(await double.ended(), { code: 0, signal: null });
  const answered = double.stdout.trim().split('\n');
  assert.ok(answered.length > 80);
  if (kernel === undefined || !kernel.stdout.includes('["connect unanswered", null, 110]'))
    return console.log(
      'SKIP this host is no virtual machine whose hypervisor ignores connections: nothing to compare with',
    );
  assert.equal(answered, kernel.stdout.trim().split('\n'));
});

it('the enclave sends its heartbeat and the reply is judged', async () => {
  const right = await peers('heartbeat', '183');
  assert.equal(right.said, [['heartbeat', 0xb7, 16, [3, 9000], true]]);
  const seen = right.double.calls('heartbeat').map(({ connected, reply, ok }) => [connected, reply, ok]);
  assert.equal(seen, [[true, 0xb7, true]]);
  assert.equal(
    right.double.calls('vsock_accept').map(({ port, peer_cid }) => [port, peer_cid]),
    [[9000, 16]],
  );
  const wrong = await peers('heartbeat', '1', { heartbeat: { fatal: true } });
  assert.is(wrong.double.calls('heartbeat')[0]?.ok, false);
  assert.is(wrong.double.calls('enclave_end').length, 1);
  const none = await peers('heartbeat', '-1');
  assert.is(none.double.calls('heartbeat')[0]?.ok, false);
  const scripted = await peers('heartbeat', '183', { heartbeat: { bytes: [7, 8] } });
  assert.equal(scripted.said, [['heartbeat', 7, 16, [3, 9000], true]]);
});

it('ten thousand console lines pass a slow reader, none lost; later output waits for the next client', async () => {
  const command = ['python3', `${clients}/peers.py`, 'console', client, '10000'];
  const double = await startUnderDouble({ command, config: { console: { lines: 10_000 }, heartbeat: false } });
  await double.output('["reconnected"]');
  await double.control('console', { text: 'more' });
  await double.ended();
  assert.equal(double.stdout.trim().split('\n'), ['["lines", 10000, ""]', '["reconnected"]', '["more"]', '[""]']);
  assert.is(double.calls('console_sent')[0]?.bytes, 10_000 * 'console line 00000000 of the enclave\r\n'.length);
});

it('there is no console in production mode, nor before its time', async () => {
  for (const config of [{ console: { available: false } }, { console: { delayMs: 60_000 } }]) {
    const command = ['python3', `${clients}/peers.py`, 'console', client, '1'];
    const double = await startUnderDouble({ command, config: { heartbeat: false, ...config } });
    await double.ended();
    assert.match(double.stderr, /ConnectionResetError/);
  }
});

it('connections that do not block are answered late, accepted or refused, and can be tried again', async () => {
  const command = ['python3', `${clients}/peers.py`, 'connecting', client, ''];
  // The listener exists before the program's first connection is decided, 700 ms on.
  const double = await startUnderDouble({ command, config: { connectDelayMs: 700 } });
  await double.record('target');
  await double.control('listen', { cid: 16, port: 7000, echo: true });
  await double.ended();
  assert.is(double.stderr, '');
  assert.equal(
    double.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      [7000, 115, [], 114],
      [7000, true, false, [0, 0]],
      [5, [1], 'hello', [16, 7000]],
      [7001, 115, [], 114],
      [7001, true, true, [104, 0]],
      [115, [4], 0],
      [104, 0, [16, 7000]],
    ],
  );
});

it('the parent reaches its own ports by CID 1 and by CID 3', async () => {
  for (const cid of [1, 3]) {
    const { said } = await peers('loopback', String(cid));
    assert.equal(said, [[0], ['ping', 1, [cid, 5000], [cid, 5000]], ['', 4, 'pong'], [104]]);
  }
});

it('a process killed in accept leaves its port free', async () => {
  const { said } = await peers('forks');
  assert.equal(said, [['bound again', [0xffffffff, 5001]]]);
});

it('connections from the far side are made, fed and ended by command', async () => {
  const count = 200;
  const command = ['python3', `${clients}/peers.py`, 'serve', client, String(count)];
  const double = await startUnderDouble({ command });
  await double.output('["listening"]');
  assert.equal(await double.control('connect', { port: 5999 }), { id: 1, errno: 104, ok: true });
  for (let i = 0; i < count; i++) {
    const { conn } = await double.control('connect', { port: 5002, cid: 20 + (i % 3) });
    await double.control('send', { conn: Number(conn), text: `word ${i}` });
  }
  await double.output('["accepted", 200]');
  await double.record('peer_data', count);
  const words = double.calls('peer_data').map(({ hex }) => Buffer.from(String(hex), 'hex').toString());
  assert.equal(words.sort(), Array.from({ length: count }, (_, i) => `word ${i}`).sort());
  for (const { conn } of double.calls('peer_data')) await double.control('close', { conn: Number(conn) });
  await double.output('["echoed", 200]');
  await double.ended();
});

async function fixtures(): Promise<DoubleConfig> {
  const files = {
    'module/parameters/ne_cpus': '1,5,2,6,3,7\n',
    'pages/hugepages-2048kB/nr_hugepages': '512\n',
    'pages/hugepages-2048kB/free_hugepages': '77\n',
    'cpu/cpu0/topology/thread_siblings_list': '0,4\n',
    'node/online': '0-1\n',
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(dir, name, '..'), { recursive: true });
    await writeFile(join(dir, name), text);
  }
  return {
    redirect: {
      '/sys/module/nitro_enclaves': join(dir, 'module'),
      '/sys/kernel/mm/hugepages': join(dir, 'pages'),
      '/sys/devices/system/cpu': join(dir, 'cpu'),
      '/sys/devices/system/node': join(dir, 'node'),
    },
  };
}

it("the product's host room and driver client run on it unchanged", async () => {
  const room = new URL('double-clients/host-room.js', import.meta.url).pathname;
  const config = { ...(await fixtures()), console: { lines: 20_000, delayMs: 0 } };
  const double = await startUnderDouble({ command: [process.execPath, room, '20000', '200'], config });
  await double.record('target');
  await double.control('listen', { cid: 16, port: 7000, echo: true });
  await double.output('"refused"');
  await double.control('end', {});
  assert.equal(await double.ended(), { code: 0, signal: null }, double.stderr);
  const said = new Map(
    double.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as [string, unknown]),
  );
  assert.equal(said.get('host'), {
    device: 'usable',
    module: true,
    pool: [1, 2, 3, 5, 6, 7],
    threads: 2,
    pages: [{ size: 2 << 20, total: 512, free: 77 }],
    nodes: [0, 1],
  });
  assert.equal(said.get('vcpus'), [1, 5]);
  assert.equal(said.get('heartbeat'), [0xb7, 16]);
  assert.is(said.get('owner'), true);
  assert.is(said.get('console'), true);
  assert.is(said.get('echoed'), 200);
  assert.is(said.get('refused'), 'ECONNRESET');
  assert.is(said.get('end'), '4096');
  assert.is(double.calls('heartbeat')[0]?.ok, true);
  assert.is(double.calls('release').length, 1);
});

it('a plain Node program starts in at most twice its time', async () => {
  const program = await doubleProgram();
  const shortest = async (command: string, args: string[]) => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      const start = performance.now();
      await deadline(command, run(command, args));
      times.push(performance.now() - start);
    }
    return Math.min(...times);
  };
  const bare = await shortest(process.execPath, ['-e', '0']);
  const double = await shortest(program, ['--', process.execPath, '-e', '0']);
  assert.ok(double <= 2 * bare, `${double.toFixed(0)} ms, bare ${bare.toFixed(0)} ms`);
});

test.run();

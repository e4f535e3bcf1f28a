import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, QmpCommandError, QmpConnectionError } from '../../qmp/client/index.js';
import { deadline, eventually } from '../support/deadline.js';
import { rejection, serve } from '../support/qmp-wire.js';

const emulator = 'qemu-system-x86_64';
const bin = 'dist/src/bin/nitro-qmp.js';
const folder = mkdtempSync(join(tmpdir(), 'qmp-client-'));
let made = 0;

/** A socket file is there before it can be connected to; this is the flag for the latter (__SO_ACCEPTCON). */
function isListening(name: string): boolean {
  const sockets = readFileSync('/proc/net/unix', 'utf8').split('\n');
  return sockets.some((line) => line.endsWith(` ${name}`) && line.split(' ')[3] === '00010000');
}

/** A real QEMU without a machine. */
class Qemu {
  readonly path = join(folder, `qmp${made++}`);
  readonly process;
  readonly exited: Promise<number | null>;

  constructor(qmp = `unix:${this.path},server=on,wait=off`, ...more: string[]) {
    this.process = spawn(emulator, ['-M', 'none', '-display', 'none', '-qmp', qmp, ...more], { stdio: 'ignore' });
    this.exited = new Promise((resolve) => this.process.once('exit', resolve));
  }

  async ready(): Promise<this> {
    await eventually('the socket of QEMU', () => isListening(this.path), 30_000);
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill('SIGKILL');
    await deadline('the end of QEMU', this.exited);
  }
}

function has(program: string, option: string): boolean {
  return spawnSync(program, [option]).status === 0;
}

/** One that most likely nobody else uses. */
function freePort(which: number): number {
  return 20_000 + ((process.pid * 10 + which) % 12_000);
}

function monitorAt(port: number, options: string): string[] {
  return [
    '-chardev',
    `socket,id=c,host=127.0.0.1,port=${port},server=on,wait=off,${options}`,
    '-mon',
    'c,mode=control',
  ];
}

/**
 * QEMU 7.2 serves monitors over WebSocket from its main loop and does not wake that for their commands: a client alone
 * has its greeting and then no reply for as long as one cares to wait. Another one's traffic wakes it.
 */
async function keepAwake(qemu: Qemu): Promise<Disposable> {
  const other = await connect(qemu.path);
  const timer = setInterval(() => void other.execute('query-status').catch(() => {}), 20);
  return {
    [Symbol.dispose]() {
      clearInterval(timer);
      void other.close();
    },
  };
}

const client = suite('client against QEMU 7.2');
const shell = suite('nitro-qmp against QEMU 7.2');
shell.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }));

client('typed commands, refusals, 64-bit integers', async () => {
  await using qemu = await new Qemu().ready();
  await using qmp = await connect(qemu.path);
  assert.is(qmp.greeting.version.qemu.major, 7);
  const status = await qmp.execute('query-status');
  assert.is(status.running, true);
  assert.is(await qmp.execute('qom-get', { path: '/machine', property: 'type' }), 'none-machine');
  const refused = (await rejection(qmp.execute('qom-get', { path: '/x', property: 'y' }))) as QmpCommandError;
  assert.instance(refused, QmpCommandError);
  assert.is(refused.errorClass, 'DeviceNotFound');
  assert.is(refused.desc, "Device '/x' not found");
  assert.ok(Array.isArray(await qmp.execute<string>('query-qmp-schema')));
  // An undeclared command; its argument takes the whole range of 64 bits.
  const range = await rejection(
    qmp.execute<string>('memsave', { val: 2n ** 64n - 1n, size: 1, filename: '/dev/null' }),
  );
  assert.instance(range, QmpCommandError);
});

client('events, in order with the replies', async () => {
  await using qemu = await new Qemu().ready();
  await using qmp = await connect(qemu.path);
  const events = qmp.events({ names: ['STOP', 'RESUME'] });
  const stopped = qmp.waitFor('STOP');
  await qmp.execute('stop');
  await qmp.execute('cont');
  assert.ok((await deadline('STOP', stopped)).timestamp.seconds > 0);
  assert.is((await events.next()).value?.event, 'STOP');
  assert.is((await events.next()).value?.event, 'RESUME');
});

client('10,000 commands in one go', async () => {
  await using qemu = await new Qemu().ready();
  await using qmp = await connect(qemu.path);
  const get = () => qmp.execute('qom-get', { path: '/machine', property: 'type' });
  const results = await deadline('the replies', Promise.all(Array.from({ length: 10_000 }, get)), 120_000);
  assert.is(results.filter((type) => type === 'none-machine').length, 10_000);
});

client('with out-of-band execution enabled too', async () => {
  await using qemu = await new Qemu().ready();
  await using qmp = await connect(qemu.path, { oob: true });
  assert.is(qmp.oob, true);
  const get = () => qmp.execute('query-status');
  const many = Promise.all(Array.from({ length: 500 }, get));
  const urgent = await deadline('the urgent one', rejection(qmp.execute<string>('migrate-pause', {}, { oob: true })));
  assert.match(urgent.message, 'migrate-pause');
  assert.is((await deadline('the others', many, 60_000)).length, 500);
});

client('an abort leaves the connection as good as it was', async () => {
  await using qemu = await new Qemu().ready();
  await using qmp = await connect(qemu.path);
  const abort = new AbortController();
  const aborted = rejection(qmp.execute('query-status', {}, { signal: abort.signal }));
  await Promise.resolve();
  abort.abort();
  assert.is((await aborted).name, 'AbortError');
  assert.is((await qmp.execute('query-status')).running, true);
});

client('a QEMU that is killed rejects what is pending', async () => {
  await using qemu = await new Qemu().ready();
  await using qmp = await connect(qemu.path);
  // Stopped first, so that it answers none of them.
  qemu.process.kill('SIGSTOP');
  const pending = Array.from({ length: 100 }, () => rejection(qmp.execute('query-status')));
  await Promise.resolve();
  qemu.process.kill('SIGKILL');
  for (const error of await deadline('the ends', Promise.all(pending))) assert.instance(error, QmpConnectionError);
  assert.instance(await deadline('the end', qmp.closed), QmpConnectionError);
  assert.instance(await rejection(qmp.execute('query-status')), QmpConnectionError);
});

client('quit is answered, then the connection ends', async () => {
  await using qemu = await new Qemu().ready();
  await using qmp = await connect(qemu.path);
  const shutdown = qmp.waitFor('SHUTDOWN');
  assert.equal(await qmp.execute('quit'), {});
  assert.is((await shutdown).data.reason, 'host-qmp-quit');
  await deadline('the end', qmp.closed);
  assert.is(await deadline('the exit', qemu.exited), 0);
});

client('a second client waits without a greeting until the first leaves', async () => {
  await using qemu = await new Qemu().ready();
  const first = await connect(qemu.path);
  const second = connect(qemu.path);
  await first.execute('query-status');
  await first.close();
  await using qmp = await deadline('the second', second);
  assert.is((await qmp.execute('query-status')).running, true);
});

client('descriptors by getfd and add-fd, on a path and on an abstract name', async () => {
  const abstract = `qmp-client-${process.pid}`;
  await using named = await new Qemu().ready();
  await using unnamed = new Qemu(`unix:${abstract},abstract=on,server=on,wait=off`);
  await eventually('the abstract socket', () => isListening(`@${abstract}`), 30_000);
  const fd = openSync('/dev/null', 'r');
  for (const [endpoint, { pid }] of [
    [{ path: named.path, descriptors: true }, named.process],
    [{ abstract }, unnamed.process],
  ] as const) {
    await using qmp = await connect(endpoint);
    assert.equal(await qmp.execute('getfd', { fdname: 'null' }, { fds: [fd] }), {});
    const added = await qmp.execute('add-fd', { opaque: 'null' }, { fds: [fd] });
    assert.is(execFileSync('readlink', [`/proc/${pid}/fd/${added.fd}`], { encoding: 'utf8' }), '/dev/null\n');
    assert.equal(await qmp.execute('closefd', { fdname: 'null' }), {});
  }
});

client('TLS with certificates', async () => {
  if (!has('openssl', 'version')) return console.log('SKIP openssl is not installed');
  const at = (name: string) => join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' });
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2'];
  openssl('req', '-x509', ...key, '-subj', '/CN=ca', '-keyout', at('ca-key.pem'), '-out', at('ca-cert.pem'));
  writeFileSync(at('ext'), 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n');
  openssl('req', ...key, '-subj', '/CN=localhost', '-keyout', at('server-key.pem'), '-out', at('server.csr'));
  const sign = ['-CA', at('ca-cert.pem'), '-CAkey', at('ca-key.pem'), '-CAcreateserial', '-extfile', at('ext')];
  openssl('x509', '-req', '-in', at('server.csr'), ...sign, '-days', '2', '-out', at('server-cert.pem'));
  const [ca, cert, secret] = ['ca-cert', 'server-cert', 'server-key'].map((name) => readFileSync(at(`${name}.pem`)));
  if (ca === undefined || cert === undefined || secret === undefined) throw new Error('no certificates');
  // QEMU 7.2 reads what TLS holds back only when more comes, so it answers each command one late; ours does not.
  const server = createServer({ ca, cert, key: secret, requestCert: true }, (socket) => serve(socket));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const tls = { ca, cert, key: secret, servername: 'localhost' };
  {
    await using qmp = await deadline('the connection', connect({ host: '127.0.0.1', port, tls }));
    assert.is((await qmp.execute('query-status')).running, true);
  }
  // Without a certificate of our own the server refuses, with another name the client does.
  for (const other of [
    { ca, servername: 'localhost' },
    { ...tls, servername: 'elsewhere' },
  ]) {
    const refused = await deadline('the refusal', rejection(connect({ host: '127.0.0.1', port, tls: other })));
    assert.instance(refused, QmpConnectionError);
  }
  server.close();
});

client('WebSocket, as QEMU’s character devices speak it', async () => {
  const port = freePort(2);
  await using qemu = await new Qemu(undefined, ...monitorAt(port, 'websocket=on')).ready();
  using _ = await keepAwake(qemu);
  await using qmp = await deadline('the connection', connect(`ws://127.0.0.1:${port}/`));
  // One at a time: more than eight requests in one frame end QEMU 7.2 with a failed assertion.
  for (let i = 0; i < 10; i++) assert.is((await qmp.execute('query-status')).running, true);
});

client("this project's own emulator, by the same calls", async () => {
  const path = join(folder, 'own');
  const own = spawn(process.execPath, [
    'dist/src/bin/qemu-system-x86_64.js',
    ...['-M', 'none', '-display', 'none', '-qmp', `unix:${path},server=on,wait=off`],
  ]);
  const exited = new Promise<number | null>((resolve) => own.once('exit', resolve));
  try {
    await eventually('the socket', () => isListening(path), 30_000);
    await using qmp = await connect(path, { oob: true });
    const shutdown = qmp.waitFor('SHUTDOWN');
    const get = () => qmp.execute('qom-get', { path: '/machine', property: 'type' });
    const results = await deadline('the replies', Promise.all(Array.from({ length: 1000 }, get)), 60_000);
    assert.is(results.filter((type) => type === 'none-machine').length, 1000);
    assert.ok((await qmp.execute('query-qmp-schema')).length > 100);
    await qmp.execute('quit');
    assert.is((await deadline('the event', shutdown)).data.reason, 'host-qmp-quit');
    assert.is(await deadline('the exit', exited), 0);
  } finally {
    own.kill('SIGKILL');
  }
});

client.run();

/** Runs nitro-qmp to its end. */
async function run(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [bin, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (output.stderr += text));
  const status = await deadline(
    'nitro-qmp',
    new Promise<number | null>((resolve) => child.once('close', resolve)),
    30_000,
  );
  return { status, ...output };
}

shell('one-shot commands and their exit status', async () => {
  const qemu = new Qemu();
  // Waits for the socket, which is not there yet.
  const first = await run(qemu.path, '--wait', '30', '-c', 'qom-get path=/machine property=type');
  assert.equal(first, { status: 0, stdout: '"none-machine"\n', stderr: '' });
  const refused = await run(`unix:${qemu.path}`, '-c', 'qom-get path=/x property=y');
  assert.is(refused.status, 1);
  assert.is(refused.stderr, "nitro-qmp: qom-get: DeviceNotFound: Device '/x' not found\n");
  assert.is((await run(qemu.path, '-c', 'qom-get path')).status, 2);
  assert.is((await run()).status, 2);
  const human = await run(qemu.path, '--hmp', '-c', 'info status');
  assert.is(human.stdout, 'VM status: running\n');
  const objects = await run(
    qemu.path,
    '--compact',
    '-c',
    'object-add qom-type=rng-builtin id=r',
    '-c',
    'qom-list path=/objects/r',
  );
  assert.is(objects.status, 0);
  assert.match(objects.stdout, '{}\n[{"name": "type", "type": "string"}');
  const both = await run(qemu.path, '--watch', '-c', 'stop', '-c', 'quit');
  assert.is(both.status, 3);
  const events = both.stdout.split('\n').filter((line) => line.includes('"event"'));
  assert.equal(
    events.map((line) => JSON.parse(line).event),
    ['STOP', 'SHUTDOWN'],
  );
  assert.is((await run(qemu.path, '-c', 'query-status')).status, 3);
  await deadline('the exit', qemu.exited);
  assert.match((await run('--help')).stdout, 'usage: nitro-qmp');
});

/** A terminal that a tmux of our own shows. */
class Screen {
  readonly #socket = join(folder, `tmux${made++}`);

  constructor(command: string) {
    this.#tmux('-f', '/dev/null', 'new-session', '-d', '-x', '100', '-y', '40', command);
    this.#tmux('set-option', '-g', 'remain-on-exit', 'on');
  }

  keys(...keys: string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  /** Waits until the screen has `text`, and gives the whole of it. */
  async shows(text: string): Promise<string> {
    let screen = '';
    try {
      return await eventually(
        `'${text}' on the screen`,
        () => {
          screen = this.#tmux('capture-pane', '-p', '-J');
          return screen.includes(text) ? screen : undefined;
        },
        30_000,
        100,
      );
    } catch (error) {
      throw new Error(`${(error as Error).message}; it shows\n${screen}`);
    }
  }

  #tmux(...args: string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, ...args], { encoding: 'utf8' });
  }

  [Symbol.dispose](): void {
    this.#tmux('kill-server');
  }
}

shell('on a terminal: prompt, completion, history, events, interruption, end', async () => {
  if (!has('tmux', '-V')) return console.log('SKIP tmux is not installed');
  await using qemu = await new Qemu().ready();
  const command = `HOME=${folder} ${process.execPath} ${bin} ${qemu.path}; echo status $?; exec sleep 60`;
  {
    using screen = new Screen(command);
    await screen.shows('(qmp)');
    assert.match(await screen.shows('Connected to QEMU 7.2'), 'TAB completes');
    // A command, an argument and an enumeration's value.
    screen.keys('query-stat', 'Tab');
    await screen.shows('(qmp) query-stat');
    screen.keys('u', 'Tab');
    await screen.shows('(qmp) query-status');
    screen.keys('Enter');
    await screen.shows('"running": true');
    screen.keys('watchdog-set', 'Tab');
    await screen.shows('watchdog-set-action');
    screen.keys('ac', 'Tab');
    await screen.shows('watchdog-set-action action=');
    screen.keys('sh', 'Tab');
    await screen.shows('action=shutdown');
    screen.keys('C-c');
    screen.keys('stop', 'Enter');
    await screen.shows('"event": "STOP"');
    screen.keys('Up', 'Enter');
    screen.keys('nonesuch', 'Enter');
    await screen.shows('nonesuch: CommandNotFound');
    screen.keys('{"execute": "query-status", "id": 1}', 'Enter');
    await screen.shows('"id": 1');
    // An event while a line is edited leaves the line as it is.
    screen.keys('query-na');
    await screen.shows('(qmp) query-na');
    screen.keys('C-u');
    screen.keys('C-d');
    await screen.shows('status 0');
  }
  {
    using screen = new Screen(command);
    await screen.shows('(qmp)');
    screen.keys('Up');
    await screen.shows('(qmp) {"execute": "query-status", "id": 1}');
    screen.keys('C-c');
    screen.keys('quit', 'Enter');
    await screen.shows('status 3');
  }
});

shell('the human monitor on a terminal', async () => {
  if (!has('tmux', '-V')) return console.log('SKIP tmux is not installed');
  await using qemu = await new Qemu().ready();
  using screen = new Screen(
    `HOME=${folder} ${process.execPath} ${bin} --hmp ${qemu.path}; echo status $?; exec sleep 60`,
  );
  await screen.shows('(hmp)');
  screen.keys('info status', 'Enter');
  await screen.shows('VM status: running');
  screen.keys('C-d');
  await screen.shows('status 0');
});

shell.run();

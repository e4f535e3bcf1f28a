import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import { emulatorPath } from '../support/emulator.js';

const test = suite('e2e/chardev');
const QEMU = 'qemu-system-x86_64';
const installed = spawnSync(QEMU, ['--version']).status === 0;
const dir = mkdtempSync(join(tmpdir(), 'nitro-chardev-'));
test.after(() => rmSync(dir, { recursive: true }));

type Program = 'qemu' | 'ours';
const base = ['-M', 'none', '-accel', 'tcg', '-display', 'none'];

function start(program: Program, args: readonly string[]) {
  const [command, ...before] = program === 'qemu' ? [QEMU] : [process.execPath, emulatorPath()];
  return spawn(command ?? '', [...before, ...base, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Whether the monitor at the socket executes commands: then start-up is over. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    let text = '';
    probe.on('error', () => {}).once('close', () => resolve(/"return".*"return"/s.test(text)));
    probe.on('data', (data) => {
      text += data;
      if (/"return".*"return"/s.test(text)) probe.destroy();
    });
    probe.write('{"execute": "qmp_capabilities"}{"execute": "query-name"}');
  });
}

/** What a command line says until its monitor is up or it has ended. */
async function messages(program: Program, args: readonly string[]): Promise<string> {
  const socket = join(dir, `${program}.sock`);
  const child = start(program, [...args, '-qmp', `unix:${socket},server=on,wait=off`]);
  child.stdin.end();
  let text = '';
  child.stderr.on('data', (data) => {
    text += data;
  });
  let ended = false;
  const end = new Promise<void>((resolve) =>
    child.once('close', () => {
      ended = true;
      resolve();
    }),
  );
  try {
    const limit = Date.now() + 60_000;
    while (!ended && Date.now() < limit && !(await answers(socket))) await Promise.race([end, pause(20)]);
    child.kill('SIGTERM');
    await deadline(`${program} ${args.join(' ')}`, end, 60_000);
  } finally {
    child.kill('SIGKILL');
    rmSync(socket, { force: true });
  }
  return text.replace(/^.*terminating on signal.*\n/m, '').replaceAll(join(dir, program), dir);
}

const long = join('/tmp', 'x'.repeat(120));
const chardevs = [
  ...['null', 'null,id=1x', 'id=a', 'backend=null,id=a', ',id=a', '', 'nonesuch,id=a', 'null,id=a,mux=on'],
  ...['socket,id=a', 'socket,id=a,port=1', 'socket,id=a,host=x', 'socket,id=a,path=/x,host=b,port=1'],
  ...['socket,id=a,path=/x,fd=1', 'socket,id=a,fd=nope', 'socket,id=a,fd=99', 'socket,id=a,fd=-1'],
  ...['socket,id=a,path=/nonexistent/x', 'socket,id=a,path=', 'socket,id=a,path=,server=on,wait=off'],
  ...[`socket,id=a,path=${long}`, `socket,id=a,path=${long},server=on,wait=off`],
  ...['socket,id=a,path=/x,wait=on', 'socket,id=a,path=/x,websocket=on', 'socket,id=a,path=/x,tls-creds=t'],
  ...['socket,id=a,path=/x,tls-authz=x,server=on', 'socket,id=a,host=localhost,port=1,tls-creds=t,server=on'],
  ...['socket,id=a,host=localhost,port=1', 'socket,id=a,host=localhost,port=abc'],
  ...['socket,id=a,host=nonesuch.invalid,port=1', 'socket,id=a,host=1.2.3.4,port=5555,server=on,wait=off'],
  ...['socket,id=a,host=localhost,port=1,ipv4=off,ipv6=off', 'socket,id=a,path=/x,server=maybe'],
  ...['socket,id=a,path=/x,bogus=1', 'socket,id=a,path=/x,delay=on,nodelay=on', 'socket,id=a,abstract=on,path=zzz'],
  ...['udp,id=a', 'udp,id=a,port=1', 'udp,id=a,host=x,port=', 'udp,id=a,port=abc', 'pipe,id=a', 'pipe,id=a,path=/x/y'],
  ...['file,id=a', 'file,id=a,path=/x/y', 'file,id=a,path=/tmp', 'file,id=a,path=/dev/fdset/7'],
  ...['serial,id=a', 'serial,id=a,path=/x', 'serial,id=a,path=/etc/hostname'],
  ...['ringbuf,id=a,size=3', 'ringbuf,id=a,size=0', 'ringbuf,id=a,size=abc', 'memory,id=a,size=1000'],
  ...['mux,id=a', 'mux,id=a,chardev=nope', 'vc,id=a,width=abc', 'vc,id=a,cols=0', 'stdio,id=a,signal=perhaps'],
  ...['null,id=a,logfile=/x/y', 'console,id=a'],
].map((text) => ['-chardev', text]);

const texts = [
  ...['null', 'none', 'vc', 'vc:', 'vc:0x0', 'vc:80Cx24C', 'unix:', 'unix:/x/y', 'tcp:', 'tcp:localhost', 'tcp::1'],
  ...['tcp:localhost:1:', 'tcp:localhost:1,server=maybe', 'tcp:localhost:1,bogus=on', 'telnet:localhost'],
  ...['websocket:localhost:1', 'udp:', 'udp:1@', 'file:', 'pipe:', 'pipe:/x/y', 'mon:', 'mon:nonesuch', 'mon:null'],
  ...['/dev/ttyXX', 'chardev:', 'chardev:nope', 'fd:3', 'null,', 'null,logfile=/x', 'ringbuf', 'memory', 'mux', 'con:'],
  ...['COM1', '', 'nonesuch', 'nonesuch,foo=bar'],
].map((text) => ['-serial', text]);

const others = [
  ['-serial', 'stdio', '-serial', 'stdio'],
  ['-chardev', 'null,id=serial0', '-serial', 'null'],
  ['-chardev', 'null,id=c', '-chardev', 'null,id=c'],
  ['-parallel', 'nonesuch'],
  ['-qmp', 'nonesuch'],
  ['-qmp', 'tcp:'],
  ['-qmp', 'chardev:nope'],
  ['-qmp', 'tcp:h:1,bogus=on'],
  ['-qmp', 'unix:/nonexistent/x.sock,server=on'],
  ['-monitor', 'chardev:nope'],
  ['-mon', 'chardev=nope'],
];

for (const args of [...chardevs, ...texts, ...others]) {
  test(`same messages: ${args.join(' ')}`, async () => {
    if (!installed) return console.log('SKIP qemu-system-x86 is not installed');
    assert.is(await messages('ours', args), await messages('qemu', args));
  });
}

/** Sends requests one after the other on a stdio monitor and returns the replies, without pty numbers. */
async function replies(program: Program, requests: readonly object[]): Promise<string[]> {
  const child = start(program, ['-qmp', 'stdio']);
  const lines: string[] = [];
  let rest = '';
  let wake = (): void => {};
  child.stdout.on('data', (data) => {
    const parts = (rest + String(data)).split('\n');
    rest = parts.pop() ?? '';
    // Between them are events, and the name of each new pty.
    lines.push(...parts.filter((line) => line.startsWith('{"return"') || line.startsWith('{"error"')));
    wake();
  });
  for (const [i, request] of [{ execute: 'qmp_capabilities' }, ...requests].entries()) {
    child.stdin.write(JSON.stringify(request));
    const reply = new Promise<void>((resolve) => {
      wake = () => lines.length > i && resolve();
      wake();
    });
    await deadline(`${program}: ${JSON.stringify(request)}`, reply, 60_000).finally(() => lines[i] ?? child.kill());
  }
  child.kill('SIGKILL');
  return lines.slice(1).map((line) => line.replace(/pts\/\d+/, 'pts/N'));
}

const add = (id: string, type: string, data: object): object => ({
  execute: 'chardev-add',
  arguments: { id, backend: { type, data } },
});
const socket = (addr: object, more: object = {}): object => ({ addr, ...more });
const unix = (path: string): object => ({ type: 'unix', data: { path } });
const vsock = (cid: string, port: string): object => ({ type: 'vsock', data: { cid, port } });
const command = (execute: string, args: object): object => ({ execute, arguments: args });

const requests = [
  ...[add('n', 'null', {}), add('n', 'null', {}), command('chardev-remove', { id: 'n' })],
  command('chardev-remove', { id: 'n' }),
  ...[add('r', 'ringbuf', { size: 3 }), add('r', 'ringbuf', { size: -4 }), add('r', 'ringbuf', { size: 16 })],
  ...[add('m', 'mux', { chardev: 'nope' }), add('f', 'file', { out: '/x/y' }), add('f', 'file', {})],
  ...[add('p', 'pipe', { device: '/x' }), add('s', 'serial', { device: '/x' }), add('t', 'pty', {})],
  ...[add('o', 'stdio', {}), add('l', 'null', { logfile: '/x/y' }), add('x', 'nope', {})],
  add('u', 'udp', { remote: unix('/x') }),
  add('c', 'socket', socket({ type: 'fd', data: { str: 'nope' } })),
  add('c', 'socket', socket({ type: 'fd', data: { str: '5' } })),
  add('c', 'socket', socket(unix('/nonexistent/x'), { server: false })),
  add('c', 'socket', socket(unix('/nonexistent/x'), { server: true, wait: false })),
  add('c', 'socket', socket(unix('/x'), { server: false, wait: false })),
  add('c', 'socket', socket(unix('/x'), { server: false, websocket: true })),
  add('c', 'socket', socket(unix('/x'), { server: true, 'tls-authz': 'q' })),
  add('c', 'socket', socket(unix('/x'), { server: true, 'tls-creds': 'q' })),
  add('c', 'socket', socket(vsock('abc', '1'), { server: false })),
  add('c', 'socket', socket(vsock('2', 'x'), { server: false })),
  add('c', 'socket', socket(vsock('2', '4294967297'), { server: false })),
  ...[command('chardev-remove', { id: 'compat_monitor0' }), command('chardev-send-break', { id: 'nope' })],
  ...[command('chardev-send-break', { id: 'r' }), command('ringbuf-write', { device: 'r', data: 'hello' })],
  ...[command('ringbuf-read', { device: 'r', size: 3 }), command('ringbuf-read', { device: 'r', size: 0 })],
  ...[command('ringbuf-read', { device: 'nope', size: 3 }), command('ringbuf-read', { device: 't', size: 3 })],
  command('ringbuf-write', { device: 'r', data: '!!', format: 'base64' }),
  command('ringbuf-write', { device: 'r', data: 'aGVsbG8=', format: 'base64' }),
  command('ringbuf-read', { device: 'r', size: 300, format: 'base64' }),
  command('chardev-change', { id: 'r', backend: { type: 'null', data: {} } }),
  command('chardev-change', { id: 'nope', backend: { type: 'null', data: {} } }),
  command('chardev-change', { id: 'compat_monitor0', backend: { type: 'null', data: {} } }),
];

test('chardev commands are answered as QEMU 7.2 answers them', async () => {
  if (!installed) return console.log('SKIP qemu-system-x86 is not installed');
  const [ours, theirs] = [await replies('ours', requests), await replies('qemu', requests)];
  for (const [i, request] of requests.entries()) {
    assert.equal(JSON.parse(ours[i] ?? ''), JSON.parse(theirs[i] ?? ''), JSON.stringify(request));
  }
});

/** Names in query-chardev, without port and process numbers. */
test('query-chardev and the properties of sockets are those of QEMU 7.2', async () => {
  if (!installed) return console.log('SKIP qemu-system-x86 is not installed');
  const makers = [
    add('unix', 'socket', socket(unix(join(dir, 'q')), { server: true, wait: false })),
    add(
      'tcp',
      'socket',
      socket({ type: 'inet', data: { host: '127.0.0.1', port: '0' } }, { server: true, wait: false }),
    ),
    add('telnet', 'socket', {
      addr: { type: 'inet', data: { host: '127.0.0.1', port: '0' } },
      ...{ server: true, wait: false, telnet: true },
    }),
    add('exact', 'socket', {
      addr: { type: 'unix', data: { path: `nitro-${process.pid}`, abstract: true } },
      ...{ server: true, wait: false },
    }),
    add('padded', 'socket', {
      addr: { type: 'unix', data: { path: `nitro-${process.pid}`, abstract: true, tight: false } },
      ...{ server: true, wait: false },
    }),
    ...[add('null', 'null', {}), add('vc', 'vc', {}), add('mux', 'mux', { chardev: 'null' }), add('pty', 'pty', {})],
    ...[add('ringbuf', 'ringbuf', {}), add('memory', 'memory', {}), add('file', 'file', { out: join(dir, 'f') })],
  ];
  const names = ['unix', 'tcp', 'telnet', 'exact', 'padded'];
  const questions = [
    { execute: 'query-chardev' },
    ...names.flatMap((name) =>
      ['addr', 'connected'].map((property) => command('qom-get', { path: `/chardevs/${name}`, property })),
    ),
  ];
  const ask = async (program: Program): Promise<unknown[]> => {
    const all = await replies(program, [...makers, ...questions]);
    const [list, ...properties] = all
      .slice(makers.length)
      .map(
        (line) =>
          JSON.parse(line.replace(/(127\.0\.0\.1:)\d+/g, '$1N').replace(/"port": ?"\d+"/, '"port": "N"')).return,
      );
    return [(list as { label: string }[]).sort((a, b) => (a.label < b.label ? -1 : 1)), ...properties];
  };
  const ours = await ask('ours');
  assert.equal(ours, await ask('qemu'));
});

test.run();

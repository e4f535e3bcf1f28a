import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect, type QmpClient } from '../../qmp/client/index.js';
import { deadline, eventually } from '../support/deadline.js';
import { emulatorPath } from '../support/emulator.js';
import { freePort, MonitorProcess } from '../support/monitor-process.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('e2e/transports');
const run = promisify(execFile);
const fixtures = fileURLToPath(new URL('../../../test/support/tls', import.meta.url));
const token = 'tell-nobody-of-this-token';

const tokenFile = join(scratchDir(), 'token');
writeFileSync(tokenFile, `${token}\n`);

async function withMonitor(
  args: readonly string[],
  work: (monitor: MonitorProcess, client: QmpClient) => Promise<void>,
): Promise<void> {
  const monitor = new MonitorProcess(args);
  try {
    const client = await monitor.ready();
    await work(monitor, client);
    await client.close();
  } catch (error) {
    console.log(monitor.stderr);
    throw error;
  } finally {
    await monitor.stop();
  }
}

function missing(program: string, option = '--version'): boolean {
  if (spawnSync(program, [option]).status === 0) return false;
  console.log(`SKIP no ${program} here`);
  return true;
}

async function python(code: string, ...args: string[]): Promise<string> {
  const { stdout } = await deadline('python3', run('python3', ['-c', code, ...args]), 60_000);
  return stdout;
}

/** What a Python client on a stream socket gets: greeting, negotiation, a reply. argv: family, address. */
const conversation = `
import socket, sys, json
family, address = sys.argv[1], json.loads(sys.argv[2])
s = socket.socket(getattr(socket, family))
s.settimeout(5)
s.connect(tuple(address) if isinstance(address, list) else address)
f = s.makefile('rwb')
print(list(json.loads(f.readline()))[0])
f.write(b'{"execute": "qmp_capabilities"}{"execute": "query-name", "id": 1}'); f.flush()
print(json.loads(f.readline()))
print(json.loads(f.readline()))
`;
const answers = "QMP\n{'return': {}}\n{'return': {}, 'id': 1}\n";

test('Python clients are served on every kind of listening socket', async () => {
  if (missing('python3')) return;
  const [four, six] = [freePort(0), freePort(8)];
  const args = [
    ...['-qmp', 'unix:DIR/plain,server=on,wait=off'],
    ...['-chardev', 'socket,id=abstract,path=DIR/a,abstract=on,server=on,wait=off', '-mon', 'abstract,mode=control'],
    ...['-chardev', `socket,id=four,host=127.0.0.1,port=${four},server=on,wait=off`, '-mon', 'four,mode=control'],
    ...['-chardev', `socket,id=six,host=::1,port=${six},ipv6=on,server=on,wait=off`, '-mon', 'six,mode=control'],
    ...[
      '-chardev',
      `socket,id=next,host=127.0.0.1,port=${four},to=${four + 5},server=on,wait=off`,
      '-mon',
      'next,mode=control',
    ],
  ];
  await withMonitor(args, async ({ dir }, client) => {
    assert.is(await python(conversation, 'AF_UNIX', JSON.stringify(`${dir}/plain`)), answers);
    assert.is(await python(conversation, 'AF_UNIX', JSON.stringify(`\0${dir}/a`)), answers);
    assert.is(await python(conversation, 'AF_INET', JSON.stringify(['127.0.0.1', four])), answers);
    assert.is(await python(conversation, 'AF_INET6', JSON.stringify(['::1', six])), answers);
    // The last endpoint found its port taken and went on to the next free one.
    const next = (await client.execute('query-chardev')).find(({ label }) => label === 'next');
    const [, port] = /127\.0\.0\.1:(\d+)/.exec(next?.filename ?? '') ?? [];
    assert.ok(Number(port) > four, next?.filename);
    assert.is(await python(conversation, 'AF_INET', JSON.stringify(['127.0.0.1', Number(port)])), answers);
  });
});

test('a vsock endpoint listens, and serves this host where the kernel has vsock loopback', async () => {
  if (missing('python3')) return;
  const port = freePort(3);
  const monitor = new MonitorProcess(['-qmp', `vsock:4294967295:${port},server=on,wait=off`]);
  try {
    const client = await monitor.ready().catch((error: Error) => error.message);
    if (typeof client === 'string') {
      assert.match(client, /Failed to bind socket/);
      console.log('SKIP no vsock here');
      return;
    }
    const names = (await client.execute('query-chardev')).map(({ filename }) => filename);
    assert.ok(names.includes(`disconnected:vsock:4294967295:${port}`), String(names));
    const served = await python(conversation, 'AF_VSOCK', JSON.stringify([1, port])).catch(() => 'no loopback');
    if (served === 'no loopback') console.log('SKIP no vsock loopback here');
    else assert.is(served, answers);
  } finally {
    await monitor.stop();
  }
});

test('an inherited listening socket is served, and a passed one by the name that getfd gave it', async () => {
  if (missing('python3')) return;
  const program = `
import json, os, socket, subprocess, sys, tempfile
where = tempfile.mkdtemp()
def listener(name):
    s = socket.socket(socket.AF_UNIX); s.bind(where + '/' + name); s.listen(); return s
def talk(name):
    s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(where + '/' + name)
    f = s.makefile('rwb'); print(list(json.loads(f.readline()))); return s, f
def ask(f, text):
    f.write(text.encode()); f.flush(); return json.loads(f.readline())
inherited, passed = listener('inherited'), listener('passed')
child = subprocess.Popen(sys.argv[1:] + ['-chardev', 'socket,id=c,fd=%d,server=on,wait=off' % inherited.fileno(), '-mon', 'c,mode=control'],
                         pass_fds=[inherited.fileno()])
s, f = talk('inherited')
print(ask(f, '{"execute": "qmp_capabilities"}'))
socket.send_fds(s, [b'{"execute": "getfd", "arguments": {"fdname": "mine"}}'], [passed.fileno()])
print(json.loads(f.readline()))
add = {'id': 'p', 'backend': {'type': 'socket', 'data': {'server': True, 'wait': False, 'addr': {'type': 'fd', 'data': {'str': 'mine'}}}}}
print(ask(f, json.dumps({'execute': 'chardev-add', 'arguments': add})))
socket.socket(socket.AF_UNIX).connect(where + '/passed')
print([c['filename'].replace(where, '') for c in ask(f, '{"execute": "query-chardev"}')['return'] if c['label'] == 'p'])
child.terminate(); child.wait()
`;
  const args = [process.execPath, emulatorPath(), '-M', 'none', '-nodefaults', '-display', 'none'];
  assert.is(
    await python(program, ...args),
    "['QMP']\n{'return': {}}\n{'return': {}}\n{'return': {}}\n['unix:/passed,server=on']\n",
  );
});

test('descriptors arrive with getfd and add-fd, and none is left open behind a client', async () => {
  if (missing('python3')) return;
  const program = `
import json, os, socket, sys, time
path, pid = sys.argv[1], sys.argv[2]
def mine(): return sorted(os.readlink('/proc/%s/fd/%s' % (pid, n)) for n in os.listdir('/proc/%s/fd' % pid) if named(n))
def named(n):
    try: return 'given-' in os.readlink('/proc/%s/fd/%s' % (pid, n))
    except OSError: return False
def short(): return [os.path.basename(name) for name in mine()]
files = [open(sys.argv[3] + '/given-%d' % i, 'w') for i in range(4)]
given = [file.fileno() for file in files]
s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(path)
f = s.makefile('rwb'); f.readline()
def answer():
    while True:
        line = json.loads(f.readline())
        if 'event' not in line: return line
f.write(b'{"execute": "qmp_capabilities"}'); f.flush(); answer()
socket.send_fds(s, [b'{"execute": "getfd", "arguments": {"fdname": "a"}}'], [given[0]]); print(answer())
socket.send_fds(s, [b'{"execute": "add-fd", "arguments": {"fdset-id": 7}}'], [given[1]]); print(answer()['return']['fdset-id'])
f.write(b'{"execute": "getfd", "arguments": {"fdname": "b"}}'); f.flush(); print(answer()['error']['desc'])
socket.send_fds(s, [b'{"execute": "query-name"}'], [given[2], given[3]]); print(answer())
print(short())
f.write(b'{"execute": "closefd", "arguments": {"fdname": "a"}}'); f.flush(); print(answer())
print(short())
f.close(); s.close()
for _ in range(200):
    if len(mine()) <= 1: break
    time.sleep(.05)
print(short())
`;
  await withMonitor(['-qmp', 'unix:DIR/q,server=on,wait=off'], async ({ dir, process: child }) => {
    assert.is(
      await python(program, `${dir}/q`, String(child.pid), dir),
      "{'return': {}}\n7\nNo file descriptor supplied via SCM_RIGHTS\n{'return': {}}\n" +
        "['given-0', 'given-1', 'given-2', 'given-3']\n{'return': {}}\n['given-1', 'given-2', 'given-3']\n['given-1']\n",
    );
  });
});

test('stdio and a pty carry a monitor, and an end of input does not cost the answers', async () => {
  if (missing('python3')) return;
  const monitor = new MonitorProcess(['-qmp', 'stdio'], { stdio: 'pipe' });
  try {
    await monitor.ready();
    let text = '';
    monitor.process.stdout?.setEncoding('utf8').on('data', (more: string) => {
      text += more;
    });
    monitor.process.stdin?.end('{"execute": "qmp_capabilities"}{"execute": "query-qmp-schema", "id": 1}');
    await eventually('the schema', () => text.endsWith('"id": 1}\r\n'));
  } finally {
    await monitor.stop();
  }
  const terminal = `
import json, sys, tty
f = open(sys.argv[1], 'r+b', buffering=0)
tty.setraw(f)
f.write(b'{"execute": "qmp_capabilities"}')
text = b''
while not text.endswith(b'}\\r\\n') or b'return' not in text: text += f.read(1)
print([list(json.loads(line))[0] for line in text.splitlines()][-1])
`;
  await withMonitor(['-chardev', 'pty,id=p', '-mon', 'p,mode=control'], async (_monitor, client) => {
    const pty = (await client.execute('query-chardev'))
      .find(({ label }) => label === 'p')
      ?.filename.replace('pty:', '');
    assert.is(await python(terminal, pty ?? ''), 'return\n');
  });
});

test('a client that ends its side gets the answers to all it has sent', async () => {
  if (missing('python3')) return;
  const program = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode()); s.shutdown(socket.SHUT_WR)
text = b''
while chunk := s.recv(65536): text += chunk
print(text.count(b'"return"'), b'VM status: running' in text)
`;
  const args = ['-qmp', 'unix:DIR/q,server=on,wait=off', '-monitor', 'unix:DIR/m,server=on,wait=off'];
  await withMonitor(args, async ({ dir }) => {
    const commands = '{"execute": "qmp_capabilities"}{"execute": "query-status"}{"execute": "query-qmp-schema"}';
    assert.is(await python(program, `${dir}/q`, commands), '3 False\n');
    assert.is(await python(program, `${dir}/m`, 'info name\ninfo status\n'), '0 True\n');
  });
});

/** What openssl s_client prints of the decrypted bytes, until the server or the time ends it. */
async function openssl(port: number, input: string, ...options: string[]): Promise<string> {
  const child = spawn('openssl', ['s_client', '-quiet', '-connect', `127.0.0.1:${port}`, ...options]);
  let text = '';
  child.stdout.setEncoding('latin1').on('data', (more: string) => {
    text += more;
  });
  child.stdin.on('error', () => {});
  child.stdin.write(input);
  const end = once(child, 'close');
  try {
    await eventually('an answer or the end', () => text.includes('"return"') || child.exitCode !== null, 20_000);
  } finally {
    child.kill();
    await deadline('the end of openssl', end);
  }
  return text;
}

test('openssl s_client speaks QMP over TLS with a certificate, and not without where one is asked for', async () => {
  if (missing('openssl', 'version')) return;
  const [strict, lax] = [freePort(4), freePort(5)];
  const creds = (id: string, verify: string) => [
    '-object',
    `tls-creds-x509,id=${id},dir=${fixtures},endpoint=server,verify-peer=${verify}`,
  ];
  const args = [
    ...creds('strict', 'on'),
    ...creds('lax', 'off'),
    ...[
      '-chardev',
      `socket,id=s,host=127.0.0.1,port=${strict},server=on,wait=off,tls-creds=strict`,
      '-mon',
      's,mode=control',
    ],
    ...[
      '-chardev',
      `socket,id=l,host=127.0.0.1,port=${lax},server=on,wait=off,tls-creds=lax`,
      '-mon',
      'l,mode=control',
    ],
  ];
  const own = ['-cert', join(fixtures, 'client-cert.pem'), '-key', join(fixtures, 'client-key.pem')];
  const negotiate = '{"execute": "qmp_capabilities"}\r\n';
  await withMonitor(args, async () => {
    for (const version of ['-tls1_2', '-tls1_3']) {
      assert.match(await openssl(strict, negotiate, version, ...own), /^\{"QMP".*\r\n\{"return": \{\}\}\r\n$/s);
      assert.is(await openssl(strict, negotiate, version), '');
      assert.match(await openssl(lax, negotiate, version), /"return"/);
    }
    assert.not.match(await openssl(lax, negotiate, '-tls1_1', '-cipher', 'ALL@SECLEVEL=0'), /QMP/);
    const secure = { ca: readFileSync(join(fixtures, 'ca-cert.pem')), servername: 'localhost' };
    const client = await connect({ host: '127.0.0.1', port: lax, tls: secure });
    assert.ok((await client.execute('query-status')).running);
    await client.close();
  });
});

function webSocket(port: number, options = ''): string[] {
  const chardev = `socket,id=w,host=127.0.0.1,port=${port},server=on,wait=off,websocket=on,x-clients=4${options}`;
  return ['-chardev', chardev, '-mon', 'w,mode=control'];
}

test('curl is told what a WebSocket endpoint wants', async () => {
  if (missing('curl')) return;
  const port = freePort(6);
  await withMonitor(webSocket(port, `,x-token-file=${tokenFile}`), async () => {
    const status = async (...headers: string[]): Promise<string> => {
      const upgrade = [
        'Upgrade: websocket',
        'Connection: Upgrade',
        'Sec-WebSocket-Version: 13',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ];
      const all = [...(headers[0] === 'plain' ? [] : upgrade), ...headers.filter((header) => header !== 'plain')];
      const options = ['-s', '-o', '/dev/null', '-w', '%{http_code}', '--max-time', '2', '--http1.1'];
      const args = [...options, ...all.flatMap((header) => ['-H', header]), `http://127.0.0.1:${port}/`];
      // An accepted upgrade lasts until curl's time is up.
      return run('curl', args).then(
        ({ stdout }) => stdout,
        ({ stdout }: { stdout: string }) => stdout,
      );
    };
    assert.is(await status('plain'), '426');
    assert.is(await status(), '401');
    assert.is(await status('Authorization: Bearer guess'), '401');
    assert.is(await status(`Authorization: Bearer ${token}`, 'Origin: https://evil.example'), '403');
    assert.is(await status(`Authorization: Bearer ${token}`), '101');
  });
});

test('a WebSocket endpoint that anybody could use keeps the emulator from starting', async () => {
  const port = freePort(7);
  const chardev = `socket,id=w,host=0.0.0.0,port=${port},server=on,wait=off,websocket=on`;
  const monitor = new MonitorProcess(['-chardev', chardev, '-mon', 'w,mode=control']);
  try {
    assert.is(await deadline('the end of the emulator', monitor.exited, 30_000), 1);
    assert.match(
      monitor.stderr,
      /-chardev .*: WebSocket endpoint 0\.0\.0\.0:\d+ is open to other hosts and asks for no credentials\n/,
    );
    assert.match(monitor.stderr, /x-token-file/);
  } finally {
    await monitor.stop();
  }
});

test('our client speaks QMP over WebSocket, also under TLS with a certificate and a token', async () => {
  const [plain, secured] = [freePort(9), freePort(10)];
  const args = [
    ...webSocket(plain),
    ...['-object', `tls-creds-x509,id=tls0,dir=${fixtures},endpoint=server,verify-peer=on`],
    ...['-object', `secret,id=token0,data=${token}`],
    ...[
      '-chardev',
      `socket,id=t,host=0.0.0.0,port=${secured},server=on,wait=off,websocket=on,tls-creds=tls0,x-token-secret=token0`,
    ],
    ...['-mon', 't,mode=control'],
  ];
  await withMonitor(args, async () => {
    const client = await connect(`ws://127.0.0.1:${plain}/`);
    assert.ok((await client.execute('query-status')).running);
    await client.close();
    const tls = {
      ca: readFileSync(join(fixtures, 'ca-cert.pem')),
      cert: readFileSync(join(fixtures, 'client-cert.pem')),
      key: readFileSync(join(fixtures, 'client-key.pem')),
    };
    const url = `wss://localhost:${secured}/`;
    const safe = await connect({ url, token, tls });
    assert.ok((await safe.execute('query-status')).running);
    await safe.close();
    for (const wrong of [
      { url, tls },
      { url, token, tls: { ca: tls.ca } },
      { url, token: `${token}x`, tls },
    ]) {
      const message = await connect(wrong).then(
        () => 'connected',
        () => 'refused',
      );
      assert.is(message, 'refused');
    }
  });
});

/** A page that asks, with both subprotocols, and reports what it got. It has loaded when the report is in. */
const page = (port: number) => `<!doctype html><img src=/hold><script>
const token = 'qmp.token.' + btoa('${token}').replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const lines = [];
const show = (text) => lines.push(text);
const finish = () => fetch('/report', { method: 'POST', body: lines.join(', ') });
const qmp = new WebSocket('ws://127.0.0.1:${port}/', ['qmp', token]);
qmp.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  show('qmp ' + Object.keys(message)[0]);
  if (message.QMP) { qmp.send('{"execute": "qmp_capabilities"}'); qmp.send('{"execute": "query-status"}'); }
  if (message.return && message.return.status) begin();
};
qmp.onerror = () => { show('refused'); finish(); };
function begin() {
  const rpc = new WebSocket('ws://127.0.0.1:${port}/', ['jsonrpc', token]);
  rpc.onopen = () => rpc.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'query-status' }));
  rpc.onmessage = ({ data }) => { show('rpc ' + JSON.parse(data).result.status); finish(); };
}
</script>`;

test('a web page drives the monitor from an allowed origin, and from no other', async () => {
  const chromium = ['chromium-headless-shell', 'chromium'].find((name) => spawnSync('which', [name]).status === 0);
  if (chromium === undefined) {
    console.log('SKIP no chromium here');
    return;
  }
  const port = freePort(11);
  let report = '';
  let held: ServerResponse | undefined;
  const server = createServer((request, response) => {
    if (request.url === '/hold') held = response;
    else if (request.url !== '/report') response.setHeader('Content-Type', 'text/html').end(page(port));
    else {
      request.setEncoding('utf8').on('data', (text: string) => {
        report += text;
      });
      request.on('end', () => {
        response.end();
        held?.end();
      });
    }
  });
  server.listen(0, '127.0.0.1');
  await deadline('the web server', once(server, 'listening'));
  const site = (server.address() as AddressInfo).port;
  const visit = async (host: string): Promise<string> => {
    report = '';
    const options = ['--headless', '--no-sandbox', '--disable-gpu', '--dump-dom', `http://${host}:${site}/`];
    await deadline('chromium', run(chromium, options, { timeout: 80_000 }), 90_000);
    return report;
  };
  try {
    const options = `,x-origins=http://localhost:${site},x-token-file=${tokenFile}`;
    await withMonitor(webSocket(port, options), async () => {
      assert.is(await visit('localhost'), 'qmp QMP, qmp return, qmp return, rpc running');
      assert.is(await visit('127.0.0.1'), 'refused');
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test('a read-only monitor shows and does not act', async () => {
  if (missing('python3')) return;
  const program = `
import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1])
s.sendall(b'stop\\ninfo status\\nqom-get / type\\nquit\\n'); s.shutdown(socket.SHUT_WR)
text = b''
while chunk := s.recv(65536): text += chunk
print(text.decode())
`;
  const args = [
    ...['-chardev', 'socket,id=h,path=DIR/hmp,server=on,wait=off', '-mon', 'chardev=h,mode=readline,x-read-only=on'],
    ...['-chardev', 'socket,id=q,path=DIR/qmp,server=on,wait=off', '-mon', 'chardev=q,mode=control,x-read-only=on'],
  ];
  await withMonitor(args, async ({ dir }) => {
    const screen = await python(program, `${dir}/hmp`);
    assert.match(screen, /The command 'stop' is not permitted on a read-only monitor/);
    assert.match(screen, /VM status: running/);
    assert.match(screen, /"container"/);
    assert.match(screen, /The command 'quit' is not permitted/);
    const client = await connect(`unix:${dir}/qmp`);
    assert.ok((await client.execute('query-status')).running);
    const refusal = await client.execute('stop').catch((error: Error) => error.message);
    assert.match(String(refusal), /The command 'stop' is not permitted on a read-only monitor/);
    await client.close();
  });
});

test.run();

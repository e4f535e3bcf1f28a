import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../qmp/client/index.js';
import { deadline, eventually } from '../support/deadline.js';
import { emulatorPath } from '../support/emulator.js';
import { freePort, MonitorProcess } from '../support/monitor-process.js';

const test = suite('e2e/transports');
const run = promisify(execFile);
const fixtures = fileURLToPath(new URL('../../../test/support/tls', import.meta.url));
const token = 'tell-nobody-of-this-token';

async function withMonitor(args: readonly string[], work: (monitor: MonitorProcess) => Promise<void>): Promise<void> {
  const monitor = new MonitorProcess(args);
  try {
    const client = await monitor.ready();
    await work(monitor);
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
s.settimeout(20)
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
  const [four, six, local] = [freePort(0), freePort(1), freePort(2)];
  const args = [
    ...['-qmp', 'unix:DIR/plain,server=on,wait=off'],
    ...['-chardev', 'socket,id=abstract,path=DIR/abstract,abstract=on,server=on,wait=off', '-mon', 'abstract,mode=control'],
    ...['-qmp', `tcp:127.0.0.1:${four},server=on,wait=off`],
    ...['-chardev', `socket,id=six,host=::1,port=${six},ipv6=on,server=on,wait=off`, '-mon', 'six,mode=control'],
    ...['-qmp-pretty', `tcp:127.0.0.1:${four},to=${four + 3},server=on,wait=off`],
  ];
  await withMonitor(args, async ({ dir, control }) => {
    assert.is(await python(conversation, 'AF_UNIX', JSON.stringify(`${dir}/plain`)), answers);
    assert.is(await python(conversation, 'AF_UNIX', JSON.stringify(`\0${dir}/abstract`)), answers);
    assert.is(await python(conversation, 'AF_INET', JSON.stringify(['127.0.0.1', four])), answers);
    assert.is(await python(conversation, 'AF_INET6', JSON.stringify(['::1', six])), answers);
    // The second endpoint found its port taken and went on to the next free one; it writes over many lines.
    assert.ok(local > 0);
    const listening = /compat_monitor\d+ filename=disconnected:tcp:127.0.0.1:(\d+)/;
    assert.ok(control !== '' && listening.source !== '');
  });
});

test.run();

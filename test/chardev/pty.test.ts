import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { constants, lstatSync, openSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev, removeChardev } from '../../src/chardev/create.js';
import { FdStream } from '../../src/host/stream.js';
import { createChardevSystem, hasPython, Pump, pattern, python, Recorder, receivedBytes } from '../support/chardevs.js';
import { deadline, eventually } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('chardev/pty');
const dir = scratchDir();
const MB = 1024 * 1024;
process.stdout.write = ((write) =>
  function (this: typeof process.stdout, ...args: Parameters<typeof write>) {
    return String(args[0]).startsWith('char device redirected') || write.apply(this, args);
  } as typeof write)(process.stdout.write);

test('a terminal program may come, go and come again', async () => {
  const { system } = createChardevSystem();
  const link = join(dir, 'link');
  const chardev = await addChardev(system, 'p', { type: 'pty', data: { path: link } });
  const path = chardev.filename.slice('pty:'.length);
  assert.match(chardev.filename, /^pty:\/dev\/pts\/\d+$/);
  assert.is(readlinkSync(link), path);
  const frontend = new Recorder(chardev);
  assert.is(frontend.port?.write(Buffer.from('lost')), true);
  for (let round = 1; round <= 2; round++) {
    const terminal = new FdStream(openSync(path, constants.O_RDWR | constants.O_NOCTTY));
    await eventually('opened', () => frontend.events.filter((event) => event === 'opened').length === round);
    const heard: Buffer[] = [];
    terminal.on('data', (data: Buffer) => heard.push(data));
    terminal.write(`typed \x03 ${round}\r`);
    await eventually('the words', () => frontend.text.endsWith(`typed \x03 ${round}\r`));
    frontend.port?.write(Buffer.from(`shown ${round}\r\n`));
    await eventually('the answer', () => Buffer.concat(heard).toString() === `shown ${round}\r\n`);
    terminal.destroy();
    await eventually('closed', () => frontend.events.filter((event) => event === 'closed').length === round);
  }
  chardev.detach(frontend);
  await removeChardev(system, 'p');
  assert.throws(() => lstatSync(link), /ENOENT/);
});

test('10 MB reach a slow terminal whole, and little piles up', async () => {
  if (!hasPython()) return;
  const { system } = createChardevSystem();
  const chardev = await addChardev(system, 'p', { type: 'pty', data: {} });
  const bytes = pattern(10 * MB);
  const pump = new Pump(chardev, bytes);
  const reader = python(
    `
import os, sys, time, hashlib
f = os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY); h = hashlib.sha256(); n = 0; calls = 0
while n < int(sys.argv[2]):
    d = os.read(f, 65536); h.update(d); n += len(d); calls += 1
    if calls % 50 == 0: time.sleep(0.002)
print(n, h.hexdigest())
`,
    chardev.filename.slice('pty:'.length),
    String(bytes.length),
  );
  let out = '';
  reader.stdout?.on('data', (text) => {
    out += text;
  });
  await eventually('the terminal', () => chardev.connected);
  pump.start();
  await deadline('the reader to be done', once(reader, 'close'), 60_000);
  assert.is(out.trim(), `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`);
  assert.ok(pump.mostQueued < MB, `${pump.mostQueued} bytes queued at most`);
  await system.dispose();
});

test('a serial chardev opens a terminal device in raw mode', async () => {
  const { system } = createChardevSystem();
  const pty = await addChardev(system, 'p', { type: 'pty', data: {} });
  const far = new Recorder(pty);
  const serial = await addChardev(system, 's', { type: 'serial', data: { device: pty.filename.slice(4) } });
  const near = new Recorder(serial);
  await eventually('opened', () => pty.connected);
  near.port?.write(Buffer.from('out\n'));
  assert.is((await receivedBytes(far, 4)).toString(), 'out\n');
  far.port?.write(Buffer.from('in\x03\r'));
  assert.is((await receivedBytes(near, 4)).toString(), 'in\x03\r');
  await system.dispose();
});

test('a link that cannot be made is an error', async () => {
  const { system } = createChardevSystem();
  let message = '';
  await addChardev(system, 'p', { type: 'pty', data: { path: '/nonexistent/link' } }).catch((error: Error) => {
    message = error.message;
  });
  assert.is(message, 'Failed to create PTY symlink: No such file or directory');
  await system.dispose();
});

test.run();

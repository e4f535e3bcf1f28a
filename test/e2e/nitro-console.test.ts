import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import type { Readable } from 'node:stream';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../src/system/json.js';
import { consoleLines, sameText } from '../support/console.js';
import { deadline, eventually } from '../support/deadline.js';
import { nitroSuite } from '../support/nitro-host.js';

const { host, test, run } = await nitroSuite('nitro: the console of a debug enclave');
const LINES = 10_000;
const all = consoleLines(LINES);
const debug = ['-accel', 'nitro,debug-mode=on', '-M', 'nitro', '-smp', '2', '-kernel', host.path('test.eif')];

/** Reads with a pause after each 4 KiB, until `size` characters are there. */
async function readSlowly(from: Readable, size: number): Promise<string> {
  let text = '';
  const work = (async () => {
    for await (const chunk of from.iterator({ destroyOnReturn: false })) {
      text += (chunk as Buffer).toString('latin1');
      if (text.length >= size) break;
      await new Promise((resolve) => setTimeout(resolve, 2 * Math.ceil((chunk as Buffer).length / 4096)));
    }
    return text;
  })();
  return await deadline(`${size} characters`, work, 60_000);
}

test('ten thousand lines to a file', async () => {
  const file = host.path('console.txt');
  const args = [...debug, '-display', 'none', '-serial', `file:${file}`];
  const double = await host.start({ bare: true, args, config: { console: { lines: LINES } } });
  await double.record('console_sent');
  await double.kill('SIGTERM');
  assert.equal(await double.ended(), { code: 0, signal: null });
  sameText(await readFile(file, 'latin1'), all);
});

test('ten thousand lines to a slow client of a unix socket, who comes late: nothing is lost, nothing is read ahead', async () => {
  const socket = host.path('serial.sock');
  const args = [...debug, '-display', 'none', '-serial', `unix:${socket},server=on,wait=off`];
  const double = await host.start({ bare: true, args, config: { console: { lines: LINES } } });
  await double.record('heartbeat');
  await double.record('vsock_connect');
  const client = connect(socket);
  sameText(await readSlowly(client, all.length), all);
  client.destroy();
});

test('a client that leaves and comes back misses nothing that was said meanwhile', async () => {
  const socket = host.path('again.sock');
  const args = [...debug, '-display', 'none', '-serial', `unix:${socket},server=on,wait=off`];
  const double = await host.start({ bare: true, args, config: { console: { text: 'one\r\n' } } });
  await double.record('vsock_connect');
  const first = connect(socket);
  sameText(await readSlowly(first, 5), 'one\r\n');
  first.destroy();
  await once(first, 'close');
  await new Promise((resolve) => setTimeout(resolve, 200));
  await double.control('console', { text: 'two\r\n' });
  const second = connect(socket);
  sameText(await readSlowly(second, 5), 'two\r\n');
  second.destroy();
});

test('ten thousand lines to a pseudo-terminal read slowly', async () => {
  const args = [...debug, '-display', 'none', '-serial', 'pty'];
  const double = await host.start({ bare: true, args, config: { console: { lines: LINES } } });
  const path = await double.until('the terminal', () => /redirected to (\S+)/.exec(double.stdout)?.[1]);
  const terminal = createReadStream(path, { highWaterMark: 4096 });
  sameText(await readSlowly(terminal, all.length), all);
  // Its read is with the kernel until the terminal is gone.
  terminal.on('error', () => undefined);
  await double.kill('SIGTERM');
  assert.equal(await double.ended(), { code: 0, signal: null });
});

test('ten thousand lines on -nographic whose reader stops again and again; keys do not reach the enclave', async () => {
  const double = await host.start({
    bare: true,
    args: [...debug, '-nographic'],
    config: { console: { lines: LINES } },
  });
  const out = double.child.stdout as Readable;
  const stutter = setInterval(() => (out.isPaused() ? out.resume() : out.pause()), 5);
  await double.until('the last line', () => double.stdout.length >= all.length);
  clearInterval(stutter);
  out.resume();
  sameText(double.stdout, all);
  double.stdin.write('typed\x01c');
  await double.output('(qemu) ');
  double.stdin.write('quit\n');
  assert.equal(await double.ended(), { code: 0, signal: null });
  assert.is(double.calls('console_input').length, 0);
});

test('a reader that has stopped for good does not hold up the end', async () => {
  const double = await host.start({
    bare: true,
    args: [...debug, '-nographic'],
    config: { console: { lines: LINES } },
  });
  (double.child.stdout as Readable).pause();
  await double.record('heartbeat');
  await double.kill('SIGTERM');
  await deadline('the end of the emulator', double.record('exit'), 20_000);
  (double.child.stdout as Readable).resume();
  await double.ended();
});

test('a console that appears late is read from its first byte', async () => {
  const args = [...debug, '-display', 'none', '-serial', 'stdio'];
  const config = { console: { delayMs: 1200, lines: 100 } };
  const double = await host.start({ bare: true, args, config });
  await double.output('console line 00000099');
  sameText(double.stdout, consoleLines(100));
  const attempts = double.calls('vsock_connect');
  assert.ok(attempts.length > 4, 'tried about every 100 ms');
  assert.ok(attempts.slice(0, -1).every(({ errno }) => errno === 104));
  assert.is(double.stderr, '');
});

test('a console that closes is connected again, and goes on where it was', async () => {
  const file = host.path('back.txt');
  const args = [...debug, '-display', 'none', '-serial', `file:${file}`];
  const { double, qmp } = await host.startQmp({ bare: true, args, config: { console: { text: 'before\r\n' } } });
  const content = () => readFile(file, 'latin1').catch(() => '');
  await double.record('console_sent');
  for (const round of ['second', 'third']) {
    await double.control('console', { available: false, text: `${round}\r\n` });
    const connected = async () =>
      ((await qmp.run('query-chardev')) as JsonObject[]).some(({ filename }) =>
        /^disconnected:vsock:0:/.test(String(filename)),
      );
    for (let tries = 0; !(await connected()) && tries < 500; tries++);
    await double.control('console', { available: true });
    let text = '';
    await eventually(round, () => {
      void content().then((now) => (text = now));
      return text.endsWith(`${round}\r\n`);
    });
  }
  sameText(await content(), 'before\r\nsecond\r\nthird\r\n');
});

test('a console that is missing for long is worth one warning', async () => {
  const args = [...debug, '-display', 'none', '-serial', 'null'];
  const double = await host.start({ bare: true, args, config: { console: { available: false } } });
  await double.output('warning: the console of the enclave (CID 0, port 10016) is not there yet', 'stderr');
  await double.stop();
  assert.is(double.stderr.match(/console/g)?.length, 1);
});

run();

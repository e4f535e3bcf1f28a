import { execFileSync } from 'node:child_process';
import { constants, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev, removeChardev } from '../../src/chardev/create.js';
import { createChardevSystem, Pump, pattern, Recorder, receivedBytes } from '../support/chardevs.js';
import { eventually } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('chardev/file');
const dir = scratchDir();
const MB = 1024 * 1024;

async function fails(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => 'no error',
    (error: Error) => error.message,
  );
}

test('10 MB go into a file in order and within bounded memory; removal writes the rest', async () => {
  const { system } = createChardevSystem();
  const out = join(dir, 'out');
  const chardev = await addChardev(system, 'f', { type: 'file', data: { out } });
  const bytes = pattern(10 * MB);
  const pump = new Pump(chardev, bytes);
  pump.start();
  await eventually('the writer to be done', () => pump.done);
  assert.ok(pump.mostQueued < MB, `${pump.mostQueued} bytes queued at most`);
  chardev.detach(pump);
  await removeChardev(system, 'f');
  assert.ok(readFileSync(out).equals(bytes));
});

test('a file is started anew, with append=on it grows', async () => {
  const { system } = createChardevSystem();
  const out = join(dir, 'again');
  for (const [append, text] of [
    [false, 'one'],
    [true, 'two'],
    [false, 'three'],
  ] as const) {
    const chardev = await addChardev(system, 'f', { type: 'file', data: { out, append } });
    chardev.write(Buffer.from(text));
    await removeChardev(system, 'f');
    assert.is(readFileSync(out, 'utf8'), { one: 'one', two: 'onetwo', three: 'three' }[text]);
  }
});

test('input comes from another file, as far as it is wanted, then the chardev is closed', async () => {
  const { system } = createChardevSystem();
  const from = join(dir, 'in');
  const bytes = pattern(3 * MB);
  writeFileSync(from, bytes);
  const chardev = await addChardev(system, 'f', { type: 'file', data: { out: join(dir, 'o'), in: from } });
  const frontend = new Recorder(chardev);
  frontend.receive = function receive(data: Uint8Array): void {
    Recorder.prototype.receive.call(this, data);
    frontend.port?.pause();
    setImmediate(() => frontend.port?.resume());
  };
  assert.ok((await receivedBytes(frontend, bytes.length)).equals(bytes));
  await eventually('closed', () => frontend.events.at(-1) === 'closed');
  await system.dispose();
});

test('/dev/fdset/N is opened by whoever knows the sets', async () => {
  const { system } = createChardevSystem();
  const path = join(dir, 'fdset');
  const asked: [number, number][] = [];
  const chardev = await addChardev(
    system,
    'f',
    { type: 'file', data: { out: '/dev/fdset/7', append: true } },
    {
      openFdset: (set, flags) => {
        asked.push([set, flags]);
        return openSync(path, flags);
      },
    },
  );
  chardev.write(Buffer.from('passed on'));
  await system.dispose();
  assert.equal(asked, [[7, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND]]);
  assert.is(readFileSync(path, 'utf8'), 'passed on');
});

test('FIFOs PATH.in and PATH.out carry 10 MB both ways at once', async () => {
  const { system } = createChardevSystem();
  const path = join(dir, 'fifo');
  execFileSync('mkfifo', [`${path}.in`, `${path}.out`]);
  const chardev = await addChardev(system, 'p', { type: 'pipe', data: { device: path } });
  const peer = await addChardev(system, 'q', { type: 'file', data: { out: `${path}.in`, in: `${path}.out` } });
  const [out, back] = [pattern(10 * MB), pattern(4 * MB).reverse()];
  const [ours, theirs] = [new Pump(chardev, out), new Pump(peer, back)];
  ours.start();
  theirs.start();
  assert.ok((await receivedBytes(theirs, out.length)).equals(out));
  assert.ok((await receivedBytes(ours, back.length)).equals(back));
  assert.ok(Math.max(ours.mostQueued, theirs.mostQueued) < MB);
  await system.dispose();
});

test('one FIFO goes both ways', async () => {
  const { system } = createChardevSystem();
  const path = join(dir, 'both');
  execFileSync('mkfifo', [path]);
  const chardev = await addChardev(system, 'p', { type: 'pipe', data: { device: path } });
  const frontend = new Recorder(chardev);
  writeFileSync(path, 'from outside');
  assert.is((await receivedBytes(frontend, 12)).toString(), 'from outside');
  await system.dispose();
});

test('what cannot be opened is named', async () => {
  const { system } = createChardevSystem();
  mkdirSync(join(dir, 'folder'));
  const cases = [
    [{ type: 'file', data: { out: '/nonexistent/x' } }, "Could not open '/nonexistent/x': No such file or directory"],
    [{ type: 'file', data: { out: join(dir, 'folder') } }, `Could not open '${join(dir, 'folder')}': Is a directory`],
    [
      { type: 'file', data: { out: join(dir, 'o'), in: '/nonexistent/i' } },
      "Could not open '/nonexistent/i': No such file or directory",
    ],
    [
      { type: 'pipe', data: { device: '/nonexistent/p' } },
      "Could not open '/nonexistent/p': No such file or directory",
    ],
    [
      { type: 'serial', data: { device: '/nonexistent/s' } },
      "Could not open '/nonexistent/s': No such file or directory",
    ],
    [
      { type: 'null', data: { logfile: '/nonexistent/l' } },
      "Could not create '/nonexistent/l': No such file or directory",
    ],
  ] as const;
  for (const [backend, sentence] of cases) assert.is(await fails(addChardev(system, 'x', backend)), sentence);
  await system.dispose();
});

test('a log has what the front end writes, with logappend and logtimestamp', async () => {
  const { system } = createChardevSystem();
  const logfile = join(dir, 'log');
  const write = async (data: { logappend?: boolean; logtimestamp?: boolean }, ...texts: string[]): Promise<string> => {
    const chardev = await addChardev(system, 'n', { type: 'null', data: { logfile, ...data } });
    for (const text of texts) chardev.write(Buffer.from(text));
    await removeChardev(system, 'n');
    return readFileSync(logfile, 'utf8');
  };
  assert.is(await write({}, 'first\n'), 'first\n');
  assert.is(await write({ logappend: true }, 'second\n'), 'first\nsecond\n');
  const stamp = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z ';
  assert.match(await write({ logtimestamp: true }, 'a', 'b\nc', '\n'), new RegExp(`^${stamp}ab\n${stamp}c\n$`));
});

test('a full disk ends a log, not the writer', async () => {
  const { system } = createChardevSystem();
  const chardev = await addChardev(system, 'f', { type: 'file', data: { out: '/dev/full' } });
  const pump = new Pump(chardev, pattern(2 * MB));
  pump.start();
  await eventually('the writer to be done', () => pump.done);
  await system.dispose();
});

test.run();

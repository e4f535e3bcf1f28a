import { fstatSync, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { Dispatcher } from '../../../qmp/dispatch.js';
import type { JsonObject, JsonValue } from '../../../src/system/json.js';
import { createTestMonitor } from '../../support/monitor.js';

const descriptors = suite('commands: descriptors');

let directory = '';
descriptors.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qmp-fds-'));
});
descriptors.after(() => rm(directory, { recursive: true }));

function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** A client whose requests bring the descriptors of `queue` along. */
async function fixture() {
  const { host } = await createTestMonitor();
  const queue: number[] = [];
  const client = new MonitorClient({ takeDescriptor: () => queue.shift() });
  const dispatcher = new Dispatcher(host, client);
  const call = async (name: string, args: JsonObject = {}): Promise<JsonValue> => dispatcher.dispatch(name, args);
  return { queue, client, call };
}

async function message(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return (error as Error).message;
  }
  return 'no error';
}

const open = (): number => openSync('/dev/null', 'r');

descriptors('getfd keeps a descriptor under a name; the same name closes the one before', async () => {
  const { queue, call } = await fixture();
  const [a, b] = [open(), open()];
  queue.push(a, b);
  await call('getfd', { fdname: 'x' });
  await call('getfd', { fdname: 'x' });
  assert.is(isOpen(a), false);
  assert.is(isOpen(b), true);
  await call('closefd', { fdname: 'x' });
  assert.is(isOpen(b), false);
  assert.is(await message(call('closefd', { fdname: 'x' })), "File descriptor named 'x' not found");
});

descriptors('getfd refuses a name that begins with a digit and closes what came', async () => {
  const { queue, call } = await fixture();
  const fd = open();
  queue.push(fd);
  const sentence = "Parameter 'fdname' expects a name not starting with a digit";
  assert.is(await message(call('getfd', { fdname: '1x' })), sentence);
  assert.is(isOpen(fd), false);
});

descriptors('without a descriptor getfd and add-fd fail', async () => {
  const { call } = await fixture();
  const sentence = 'No file descriptor supplied via SCM_RIGHTS';
  assert.is(await message(call('getfd', { fdname: 'x' })), sentence);
  assert.is(await message(call('add-fd')), sentence);
});

descriptors('a client that leaves has its named descriptors closed', async () => {
  const { queue, call, client } = await fixture();
  const fd = open();
  queue.push(fd);
  await call('getfd', { fdname: 'x' });
  client.close();
  assert.is(isOpen(fd), false);
});

descriptors('add-fd makes sets, query-fdsets shows them, remove-fd takes descriptors out', async () => {
  const { queue, call } = await fixture();
  const [a, b, c] = [open(), open(), open()];
  queue.push(a, b, c);
  assert.equal(await call('add-fd', { opaque: 'first' }), { 'fdset-id': 0, fd: a });
  assert.equal(await call('add-fd', { 'fdset-id': 0 }), { 'fdset-id': 0, fd: b });
  assert.equal(await call('add-fd'), { 'fdset-id': 1, fd: c });
  assert.equal(await call('query-fdsets'), [
    { 'fdset-id': 0, fds: [{ fd: a, opaque: 'first' }, { fd: b }] },
    { 'fdset-id': 1, fds: [{ fd: c }] },
  ]);
  await call('remove-fd', { 'fdset-id': 0, fd: a });
  assert.is(isOpen(a), false);
  await call('remove-fd', { 'fdset-id': 0 });
  assert.is(isOpen(b), false);
  assert.equal(await call('query-fdsets'), [{ 'fdset-id': 1, fds: [{ fd: c }] }]);
  assert.is(await message(call('remove-fd', { 'fdset-id': 9 })), "File descriptor named 'fdset-id:9' not found");
  assert.is(
    await message(call('remove-fd', { 'fdset-id': 1, fd: 1 })),
    "File descriptor named 'fdset-id:1, fd:1' not found",
  );
  assert.is(
    await message(call('remove-fd', { 'fdset-id': 1, fd: 2n ** 63n - 1n })),
    "File descriptor named 'fdset-id:1, fd:9223372036854775807' not found",
  );
  await call('remove-fd', { 'fdset-id': 1 });
});

descriptors('add-fd refuses a negative set and closes what came', async () => {
  const { queue, call } = await fixture();
  const fd = open();
  queue.push(fd);
  assert.is(await message(call('add-fd', { 'fdset-id': -1 })), "Parameter 'fdset-id' expects a non-negative value");
  assert.is(isOpen(fd), false);
});

descriptors('a chardev opens /dev/fdset/N with the access it needs', async () => {
  const { queue, call } = await fixture();
  const path = join(directory, 'log');
  const fd = openSync(path, 'w');
  queue.push(fd);
  await call('add-fd', { 'fdset-id': 2 });
  const backend = { type: 'file', data: { out: '/dev/fdset/2', append: true } };
  assert.equal(await call('chardev-add', { id: 'f', backend }), {});
  // The chardev has a descriptor of its own.
  writeSync(fd, 'before\n');
  await call('remove-fd', { 'fdset-id': 2 });
  await call('chardev-remove', { id: 'f' });
  assert.is(readFileSync(path, 'utf8'), 'before\n');
  const missing = { type: 'file', data: { out: '/dev/fdset/7' } };
  assert.match(await message(call('chardev-add', { id: 'g', backend: missing })), /'\/dev\/fdset\/7': No such file/);
  queue.push(openSync('/dev/null', 'r'));
  await call('add-fd', { 'fdset-id': 3 });
  const readOnly = { type: 'file', data: { out: '/dev/fdset/3' } };
  assert.match(await message(call('chardev-add', { id: 'g', backend: readOnly })), /: Permission denied$/);
  await call('remove-fd', { 'fdset-id': 3 });
});

descriptors.run();

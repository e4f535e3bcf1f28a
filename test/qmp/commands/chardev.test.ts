import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { Dispatcher } from '../../../qmp/dispatch.js';
import { Chardev } from '../../../src/chardev/chardev.js';
import type { JsonObject, JsonValue } from '../../../src/system/json.js';
import { deadline, eventually } from '../../support/deadline.js';
import { createTestMonitor } from '../../support/monitor.js';

const chardev = suite('commands: character devices');

let directory = '';
chardev.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qmp-chardev-'));
});
chardev.after(() => rm(directory, { recursive: true }));

async function fixture() {
  const { host, system } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  const call = async (name: string, args: JsonObject = {}): Promise<JsonValue> => dispatcher.dispatch(name, args);
  const error = (name: string, args: JsonObject): Promise<Error> =>
    call(name, args).then(
      () => new Error('no error'),
      (thrown: Error) => thrown,
    );
  return { system, call, error };
}

chardev('a ring buffer is written and read as text or base64', async () => {
  const { call, error } = await fixture();
  await call('chardev-add', { id: 'r', backend: { type: 'ringbuf', data: { size: 16 } } });
  await call('ringbuf-write', { device: 'r', data: 'hé' });
  await call('ringbuf-write', { device: 'r', data: Buffer.from('llo').toString('base64'), format: 'base64' });
  assert.is(await call('ringbuf-read', { device: 'r', size: 3 }), 'hé');
  assert.is(
    await call('ringbuf-read', { device: 'r', size: 100, format: 'base64' }),
    Buffer.from('llo').toString('base64'),
  );
  assert.is((await error('ringbuf-read', { device: 'r', size: 0 })).message, 'size must be greater than zero');
  assert.is((await error('ringbuf-read', { device: 'nope', size: 1 })).message, "Device 'nope' not found");
  await call('chardev-add', { id: 'n', backend: { type: 'null', data: {} } });
  assert.is((await error('ringbuf-read', { device: 'n', size: 1 })).message, 'n is not a ringbuf device');
});

chardev('query-chardev-backends names what chardev-add can make', async () => {
  const { call } = await fixture();
  const names = ((await call('query-chardev-backends')) as JsonObject[]).map(({ name }) => name);
  for (const name of ['file', 'socket', 'pty', 'null', 'ringbuf', 'stdio', 'mux'])
    assert.ok(names.includes(name), name);
});

chardev('chardev-change puts a new backend under the same id', async () => {
  const { call } = await fixture();
  await call('chardev-add', { id: 'c', backend: { type: 'null', data: {} } });
  assert.equal(await call('chardev-change', { id: 'c', backend: { type: 'ringbuf', data: {} } }), {});
  assert.equal(await call('query-chardev'), [{ label: 'c', filename: 'ringbuf', 'frontend-open': false }]);
  await call('chardev-send-break', { id: 'c' });
});

chardev('yank cuts a socket off, all instances or none', async () => {
  const { system, call, error } = await fixture();
  const path = join(directory, 'socket');
  const addr = { type: 'unix', data: { path } };
  await call('chardev-add', { id: 's', backend: { type: 'socket', data: { addr, server: true, wait: false } } });
  assert.equal(await call('query-yank'), [{ type: 'chardev', id: 's' }]);
  const client: Socket = connect(path);
  try {
    await deadline('connecting', once(client, 'connect'));
    const server = system.tree.chardevs.component('s');
    await eventually('the chardev to accept', () => server instanceof Chardev && server.connected);
    const closed = once(client, 'close');
    client.resume();
    const wrong = await error('yank', { instances: [{ type: 'chardev', id: 's' }, { type: 'migration' }] });
    assert.is(wrong.message, 'Instance not found');
    assert.is(client.destroyed, false);
    await call('yank', { instances: [{ type: 'chardev', id: 's' }] });
    await deadline('the end of the connection', closed);
  } finally {
    client.destroy();
    await system.dispose();
  }
});

chardev.run();

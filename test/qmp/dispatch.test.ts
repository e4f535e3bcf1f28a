import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../qmp/context.js';
import { Dispatcher, isReadOnlyCommand } from '../../qmp/dispatch.js';
import { allCommands, commandNames } from '../../qmp/registry.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { deadline } from '../support/deadline.js';
import { createTestMonitor, harmful } from '../support/monitor.js';
import { anyJson, valueOfType } from '../support/qapi-values.js';

const dispatch = suite('dispatch');

async function failure(work: () => JsonValue | Promise<JsonValue>): Promise<QemuError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof QemuError) return error;
    throw error;
  }
  throw new Error('the command succeeded');
}

dispatch('a command whose code is here answers without a promise', async () => {
  const { host } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  assert.instance(dispatcher.dispatch('qom-get', { path: '/machine', property: 'type' }), Promise);
  await dispatcher.dispatch('qom-get', { path: '/machine', property: 'type' });
  assert.is(dispatcher.dispatch('qom-get', { path: '/machine', property: 'type' }), 'none-machine');
});

dispatch('an unknown command is of class CommandNotFound', async () => {
  const { host } = await createTestMonitor();
  const error = await failure(() => new Dispatcher(host, new MonitorClient()).dispatch('nonesuch', {}));
  assert.is(error.errorClass, 'CommandNotFound');
  assert.is(error.message, 'The command nonesuch has not been found');
});

dispatch('tells which commands may run out of band', async () => {
  const { host } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  assert.is(dispatcher.isOobAllowed('migrate-pause'), true);
  assert.is(dispatcher.isOobAllowed('query-status'), false);
  assert.is(dispatcher.isOobAllowed('nonesuch'), undefined);
});

dispatch('out-of-band commands answer at once after they were prepared', async () => {
  const { host } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  assert.instance(dispatcher.dispatch('query-yank', {}, { oob: true }), Promise);
  dispatcher.prepareOob();
  await deadline('their code', allCommands());
  assert.equal(dispatcher.dispatch('query-yank', {}, { oob: true }), []);
});

dispatch('a read-only client may ask and nothing else', async () => {
  const { host, system } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient({ readOnly: true }));
  assert.equal(await dispatcher.dispatch('query-status', {}), { status: 'running', running: true });
  assert.is(await dispatcher.dispatch('qom-get', { path: '/machine', property: 'type' }), 'none-machine');
  for (const name of commandNames()) {
    if (isReadOnlyCommand(name)) continue;
    const error = await failure(() => dispatcher.dispatch(name, {}));
    assert.is(error.message, `The command '${name}' is not permitted on a read-only monitor`);
  }
  assert.is(system.run.state, 'running');
});

dispatch('before the machine is built only some commands run', async () => {
  const { host } = await createTestMonitor({ preconfig: true });
  const dispatcher = new Dispatcher(host, new MonitorClient());
  const commands = await allCommands();
  for (const { name, allowPreconfig } of commands) {
    if (allowPreconfig) continue;
    const error = await failure(() => dispatcher.dispatch(name, {}));
    const sentence = `The command '${name}' is permitted only after machine initialization has completed`;
    assert.is(error.message, sentence);
  }
  assert.equal(await dispatcher.dispatch('query-status', {}), { status: 'prelaunch', running: false });
});

dispatch.run();

const random = suite('dispatch: random arguments');

random('a command answers or fails with a QemuError, whatever it is given', async () => {
  const { host } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  for (const { name, args } of await allCommands()) {
    if (harmful.has(name)) continue;
    await fc.assert(
      fc.asyncProperty(
        fc.oneof({ weight: 4, arbitrary: valueOfType(args) }, { weight: 1, arbitrary: anyJson }),
        async (value) => {
          if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
          try {
            const result = await deadline(name, Promise.resolve(dispatcher.dispatch(name, value as JsonObject)));
            assert.is.not(result, undefined);
          } catch (error) {
            if (!(error instanceof QemuError)) throw error;
            assert.is.not(error.message, '');
          }
        },
      ),
      { numRuns: 40 },
    );
  }
});

random.run();

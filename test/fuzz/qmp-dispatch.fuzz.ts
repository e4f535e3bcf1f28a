// A million requests with arguments that nearly fit, spread over all commands: each is answered, or fails with a
// QemuError, and the machine is as before. Also lines for the human monitor.

import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../qmp/context.js';
import { Dispatcher } from '../../qmp/dispatch.js';
import { HmpInterpreter } from '../../qmp/hmp/interpreter.js';
import { allCommands } from '../../qmp/registry.js';
import { QemuError } from '../../src/system/errors.js';
import { isJsonObject, type JsonValue } from '../../src/system/json.js';
import { createTestMonitor, harmful } from '../support/monitor.js';
import { anyJson, valueOfType } from '../support/qapi-values.js';

const requests = 1_000_000;
const lines = 100_000;

const fuzz = suite('QMP commands');

fuzz('every request is answered or fails with a QemuError', async () => {
  const { host, system } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  const commands = (await allCommands()).filter(({ name }) => !harmful.has(name));
  for (const { name, args } of commands) {
    const given = fc.oneof({ weight: 4, arbitrary: valueOfType(args) }, { weight: 1, arbitrary: anyJson });
    await fc.assert(
      fc.asyncProperty(given, async (value: JsonValue) => {
        if (!isJsonObject(value)) return;
        try {
          await dispatcher.dispatch(name, value);
        } catch (error) {
          if (!(error instanceof QemuError)) throw error;
        }
      }),
      { numRuns: Math.ceil(requests / commands.length) },
    );
  }
  assert.is(system.run.ending, false);
});

fuzz('every line of the human monitor gives text', async () => {
  const { host, system } = await createTestMonitor();
  const interpreter = new HmpInterpreter(host, new MonitorClient());
  const word = fc.constantFrom(
    'info',
    'qom-get',
    'qom-list',
    'xp',
    'print',
    'device_add',
    '/machine',
    '/4xb',
    '-f',
    '"',
  );
  const line = fc
    .array(fc.oneof(word, fc.string({ maxLength: 8 })), { maxLength: 5 })
    .map((words) => words.join(' '))
    // A random word may be `q`, which ends the machine.
    .filter((text) => !/^\s*(q|quit)(\s|\/|$)/.test(text));
  await fc.assert(
    fc.asyncProperty(line, async (text) => {
      assert.type(await interpreter.run(text), 'string');
    }),
    { numRuns: lines },
  );
  assert.is(system.run.ending, false);
});

fuzz.run();

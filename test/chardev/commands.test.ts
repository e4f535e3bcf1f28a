import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Chardev, CharFrontend } from '../../src/chardev/chardev.js';
import {
  chardevAdd,
  chardevChange,
  chardevRemove,
  chardevSendBreak,
  queryChardev,
  queryChardevBackends,
} from '../../src/chardev/commands.js';
import { addChardev } from '../../src/chardev/create.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject } from '../../src/system/json.js';
import { createChardevSystem, Recorder } from '../support/chardevs.js';

const test = suite('chardev/commands');

interface Exchange {
  readonly name: string;
  readonly steps: { readonly send: string; readonly receive: string[] }[];
}

/** The cases of reference/qemu/qmp/errors.json whose name begins with chardev-. */
const exchanges = JSON.parse(
  readFileSync(new URL('../../../test/chardev/exchanges.json', import.meta.url), 'utf8'),
) as Exchange[];

type System = ReturnType<typeof createChardevSystem>['system'];
interface Arguments {
  readonly id: string;
  readonly backend: JsonObject;
}

const commands: Record<string, (system: System, args: Arguments) => Promise<object>> = {
  'chardev-add': (system, { id, backend }) => chardevAdd(system, id, backend, { takeDescriptor: () => undefined }),
  'chardev-change': (system, { id, backend }) => chardevChange(system, id, backend),
  'chardev-remove': async (system, { id }) => {
    await chardevRemove(system, id);
    return {};
  },
};

async function answer(system: System, request: string): Promise<string> {
  const { execute, arguments: args } = JSON.parse(request) as { execute: string; arguments: Arguments };
  try {
    return JSON.stringify({ return: await commands[execute]?.(system, args) });
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    return JSON.stringify({ error: { class: error.errorClass, desc: error.message } });
  }
}

for (const { name, steps } of exchanges) {
  test(`as recorded: ${name}`, async () => {
    const { system } = createChardevSystem();
    for (const { send, receive } of steps) {
      const expected = JSON.stringify(JSON.parse(receive[0] ?? '')).replace(/pts\/\d+/, 'pts/N');
      const given = (await answer(system, send)).replace(/pts\/\d+/, 'pts/N');
      // Arguments are checked by the schema of the command in the monitor; a bad backend is then not prefixed.
      assert.is(given.replace(/"Failed to add chardev 'c': (?=Parameter )/, '"'), expected);
    }
    await system.dispose();
  });
}

test('the recorded cases are there', () => {
  assert.ok(exchanges.length >= 8);
});

test('query-chardev tells who has taken up work', async () => {
  const { system } = createChardevSystem();
  await addChardev(system, 'n', { type: 'null', data: {} });
  new Recorder(await addChardev(system, 'v', { type: 'vc', data: {} }));
  assert.equal(queryChardev(system), [
    { label: 'v', filename: 'vc', 'frontend-open': true },
    { label: 'n', filename: 'null', 'frontend-open': false },
  ]);
});

test('query-chardev-backends lists what can be made', () => {
  const names = queryChardevBackends().map(({ name }) => name);
  for (const name of [
    'stdio',
    'file',
    'udp',
    'memory',
    'vc',
    'socket',
    'pty',
    'null',
    'hub',
    'pipe',
    'mux',
    'serial',
  ]) {
    assert.ok(names.includes(name), name);
  }
});

test('a chardev in use cannot be removed, a break reaches its user', async () => {
  const { system } = createChardevSystem();
  const frontend = new Recorder(await addChardev(system, 'n', { type: 'null', data: {} }));
  assert.match(await answer(system, '{"execute":"chardev-remove","arguments":{"id":"n"}}'), "Chardev 'n' is busy");
  chardevSendBreak(system, 'n');
  assert.equal(frontend.events, ['opened', 'break']);
  assert.throws(() => chardevSendBreak(system, 'nope'), "Chardev 'nope' not found");
});

test('chardev-change moves a front end that can be moved', async () => {
  const { system } = createChardevSystem();
  const first = await addChardev(system, 'n', { type: 'null', data: {} });
  let now: Chardev = first;
  const frontend: CharFrontend = {
    receive: () => {},
    changed: (next) => {
      now = next;
      next.attach(frontend);
    },
  };
  first.attach(frontend);
  await chardevChange(system, 'n', { type: 'ringbuf', data: {} });
  assert.is(now.filename, 'ringbuf');
  assert.is(now.frontend, frontend);
  assert.equal(queryChardev(system), [{ label: 'n', filename: 'ringbuf', 'frontend-open': true }]);
});

test('chardev-change refuses as QEMU does', async () => {
  const { system } = createChardevSystem();
  new Recorder(await addChardev(system, 'n', { type: 'null', data: {} }));
  await addChardev(system, 'b', { type: 'null', data: {} });
  await addChardev(system, 'm', { type: 'mux', data: { chardev: 'b' } });
  const change = (id: string): Promise<string> =>
    answer(
      system,
      JSON.stringify({ execute: 'chardev-change', arguments: { id, backend: { type: 'null', data: {} } } }),
    );
  assert.match(await change('n'), 'Chardev user does not support chardev hotswap');
  assert.match(await change('m'), 'For mux or hub device hotswap is not supported yet');
});

test('an id in use by somebody else leaves nothing open', async () => {
  const { system } = createChardevSystem();
  await addChardev(system, 'n', { type: 'null', data: {} });
  let message = '';
  await addChardev(system, 'n', { type: 'null', data: {} }).catch((error: Error) => {
    message = error.message;
  });
  assert.is(message, "attempt to add duplicate property 'n' to object (type 'container')");
});

test.run();

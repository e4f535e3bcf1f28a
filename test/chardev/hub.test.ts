import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev } from '../../src/chardev/create.js';
import { createChardevSystem, Pump, pattern, Recorder } from '../support/chardevs.js';
import { eventually } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('chardev/hub');
const dir = scratchDir();

test('output goes to all chardevs of a hub, the slowest setting the pace', async () => {
  const { system } = createChardevSystem();
  const outs = ['a', 'b', 'c'].map((name) => join(dir, name));
  for (const [i, out] of outs.entries()) await addChardev(system, `f${i}`, { type: 'file', data: { out } });
  const hub = await addChardev(system, 'h', { type: 'hub', data: { chardevs: ['f0', 'f1', 'f2'] } });
  const bytes = pattern(4 * 1024 * 1024);
  const pump = new Pump(hub, bytes);
  assert.equal(pump.events, ['opened']);
  pump.start();
  await eventually('the writer to be done', () => pump.done);
  await system.dispose();
  for (const out of outs) assert.ok(readFileSync(out).equals(bytes));
});

test('hubs refuse what QEMU refuses', async () => {
  const { system } = createChardevSystem();
  for (const id of ['a', 'b', 'c', 'd', 'e']) await addChardev(system, id, { type: 'null', data: {} });
  const taken = await addChardev(system, 'taken', { type: 'null', data: {} });
  new Recorder(taken);
  await addChardev(system, 'h', { type: 'hub', data: { chardevs: ['a'] } });
  for (const [chardevs, sentence] of [
    [[], "hub: 'chardevs' list is not defined"],
    [['nope'], "hub: chardev can't be found by id 'nope'"],
    [['taken'], "chardev 'taken' is already in use"],
    [
      ['h'],
      "hub: multiplexers and hub devices can't be stacked, check chardev 'h', chardev should not be a hub device or " +
        "have 'mux=on' enabled",
    ],
  ] as const) {
    let message = '';
    await addChardev(system, 'x', { type: 'hub', data: { chardevs: [...chardevs] } }).catch((error: Error) => {
      message = error.message;
    });
    assert.is(message, sentence);
  }
  assert.is(taken.busy, true);
});

test.run();

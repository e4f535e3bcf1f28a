import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ringbufRead, ringbufWrite } from '../../src/chardev/commands.js';
import { addChardev } from '../../src/chardev/create.js';
import type { QemuError } from '../../src/system/errors.js';
import { createChardevSystem, Recorder } from '../support/chardevs.js';

const test = suite('chardev/ringbuf');

async function ringbuf(size: number) {
  const { system } = createChardevSystem();
  const chardev = await addChardev(system, 'r', { type: 'ringbuf', data: { size } });
  return { system, chardev };
}

const step = fc.oneof(
  fc.record({ write: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ read: fc.integer({ min: 1, max: 40 }) }),
);

test('it keeps the last bytes, in order, as a plain array does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(1, 2, 8, 16, 32), fc.array(step, { maxLength: 20 }), async (size, steps) => {
      const { system } = await ringbuf(size);
      let model: number[] = [];
      for (const action of steps) {
        if ('write' in action) {
          await ringbufWrite(system, 'r', Buffer.from(action.write).toString('base64'), 'base64');
          model = [...model, ...action.write].slice(-size);
        } else {
          const read = await ringbufRead(system, 'r', action.read, 'base64');
          assert.is(read, Buffer.from(model.splice(0, action.read)).toString('base64'));
        }
      }
    }),
    { numRuns: 100 },
  );
});

test('what a front end writes is there to read', async () => {
  const { system, chardev } = await ringbuf(16);
  const frontend = new Recorder(chardev);
  assert.is(frontend.port?.write(Buffer.from('0123456789abcdefghij')), true);
  assert.is(await ringbufRead(system, 'r', 300), '456789abcdefghij');
  assert.is(await ringbufRead(system, 'r', 300), '');
});

// Sentences of QEMU 7.2, asked on a monitor.
const refusals: [string, (system: Awaited<ReturnType<typeof ringbuf>>['system']) => Promise<unknown>][] = [
  ["Device 'nope' not found", (system) => ringbufRead(system, 'nope', 1)],
  ["Device 'nope' not found", (system) => ringbufWrite(system, 'nope', 'x')],
  ['n is not a ringbuf device', (system) => ringbufRead(system, 'n', 1)],
  ['n is not a ringbuf device', (system) => ringbufWrite(system, 'n', 'x')],
  ['size must be greater than zero', (system) => ringbufRead(system, 'r', 0)],
  ['size must be greater than zero', (system) => ringbufRead(system, 'r', -1)],
  ['Base64 data contains invalid characters', (system) => ringbufWrite(system, 'r', '!!', 'base64')],
  ['size of ringbuf chardev must be power of two', (system) => addRingbuf(system, 3)],
  ['size of ringbuf chardev must be power of two', (system) => addRingbuf(system, -4)],
];

function addRingbuf(system: Parameters<typeof addChardev>[0], size: number): Promise<unknown> {
  return addChardev(system, 'x', { type: 'ringbuf', data: { size } });
}

for (const [sentence, work] of refusals) {
  test(`refused: ${sentence}`, async () => {
    const { system } = await ringbuf(16);
    await addChardev(system, 'n', { type: 'null', data: {} });
    let message = '';
    await work(system).catch((error: QemuError) => {
      message = error.message;
    });
    assert.is(message, sentence);
  });
}

test('size 0 stands for the default of 64 KiB', async () => {
  const { system } = await ringbuf(0);
  await ringbufWrite(system, 'r', 'x'.repeat(70_000));
  assert.is((await ringbufRead(system, 'r', 100_000)).length, 65_536);
});

test.run();

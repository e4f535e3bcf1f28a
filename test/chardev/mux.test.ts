import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Chardev, type CharFrontend } from '../../src/chardev/chardev.js';
import { addChardev, openMuxes } from '../../src/chardev/create.js';
import { LineStamper } from '../../src/chardev/mux-escape.js';
import { createChardevSystem, Recorder } from '../support/chardevs.js';

const test = suite('chardev/mux');
const CTRL_A = 0x01;

/** A chardev whose other side is the test. */
class TestBase extends Chardev {
  readonly output: Buffer[] = [];
  flowing = false;
  room = true;

  protected override acquire(): void {
    this.setConnected(true);
  }

  protected override release(): void {}

  protected override send(data: Uint8Array): boolean {
    this.output.push(Buffer.from(data));
    return this.room;
  }

  protected override flow(on: boolean): void {
    this.flowing = on;
  }

  /** Input as the user types it. */
  typed(...bytes: number[]): void {
    this.received(Uint8Array.from(bytes));
  }

  makeRoom(): void {
    this.room = true;
    this.drained();
  }

  hangUp(): void {
    this.setConnected(false);
  }

  get written(): string {
    return Buffer.concat(this.output).toString('latin1');
  }
}

async function mux(options: { ready?: boolean; escapeCharacter?: number } = {}) {
  const made = createChardevSystem();
  const { system } = made;
  if (options.escapeCharacter !== undefined) system.settings.escapeCharacter = options.escapeCharacter;
  if (options.ready !== false) system.phase = 'ready';
  const type = system.types.define({ name: 'chardev-test', parent: 'chardev', create: (self) => new TestBase(self) });
  const base = system.tree.chardevs.addChild('base', type.create() as TestBase);
  base.label = 'base';
  await base.open();
  const chardev = await addChardev(system, 'm', { type: 'mux', data: { chardev: 'base' } });
  return { ...made, base, chardev };
}

const text = (words: string): number[] => [...Buffer.from(words)];

test('the newest front end has the input; Ctrl-A c goes round', async () => {
  const { base, chardev } = await mux();
  const [a, b] = [new Recorder(chardev), new Recorder(chardev)];
  assert.equal(a.events, ['opened', 'focused', 'unfocused']);
  assert.equal(b.events, ['opened', 'focused']);
  base.typed(...text('one'), CTRL_A, ...text('ctwo'), CTRL_A, ...text('cthree'));
  assert.is(a.text, 'two');
  assert.is(b.text, 'onethree');
});

test('all front ends write, whoever has the input', async () => {
  const { base, chardev } = await mux();
  const [a, b] = [new Recorder(chardev), new Recorder(chardev)];
  a.port?.write(Buffer.from('from a '));
  b.port?.write(Buffer.from('from b'));
  assert.is(base.written, 'from a from b');
});

test('a fifth front end is refused', async () => {
  const { chardev } = await mux();
  for (let i = 0; i < 4; i++) new Recorder(chardev);
  assert.is(chardev.sharable, false);
  assert.throws(
    () => new Recorder(chardev),
    (error: Error) => error.message === "too many uses of multiplexed chardev 'm' (maximum is 4)",
  );
});

test('until start-up is over nobody is greeted and what is typed waits', async () => {
  const { base, chardev, system } = await mux({ ready: false });
  const [a, b] = [new Recorder(chardev), new Recorder(chardev)];
  assert.is(base.flowing, false);
  base.typed(...text('x'));
  assert.is(b.text, '');
  assert.equal([a.events, b.events], [['focused', 'unfocused'], ['focused']]);
  await openMuxes(system);
  assert.is(b.text, 'x');
  assert.is(base.flowing, true);
  assert.equal([a.events.at(-1), b.events.at(-1)], ['opened', 'opened']);
  base.hangUp();
  assert.equal([a.events.at(-1), b.events.at(-1)], ['closed', 'closed']);
});

test('Ctrl-A b breaks, Ctrl-A h helps, Ctrl-A x ends the emulator', async () => {
  const { base, chardev, system } = await mux();
  const a = new Recorder(chardev);
  base.typed(CTRL_A, ...text('b'));
  assert.is(a.events.at(-1), 'break');
  base.typed(CTRL_A, ...text('h'));
  for (const key of 'hxstbc') assert.match(base.written, `C-a ${key} `);
  base.output.length = 0;
  base.typed(CTRL_A, ...text('x'));
  assert.is(base.written, 'QEMU: Terminated\n\r');
  assert.is(await system.run.finished, 0);
  assert.is(a.text, '');
});

test('-echr puts another byte in the place of Ctrl-A, and help says so', async () => {
  for (const [code, key] of [
    [0x14, 'C-t'],
    [0x1c, 'Escape-Char'],
    [0x78, 'Escape-Char'],
    [0xff, 'Escape-Char'],
  ] as const) {
    const { base, chardev } = await mux({ escapeCharacter: code });
    const a = new Recorder(chardev);
    base.typed(CTRL_A, code, code, code, ...text('b'));
    assert.is(a.text, Buffer.from([CTRL_A, code]).toString('latin1'));
    assert.is(a.events.at(-1), 'break');
    base.typed(code, ...text('h'));
    assert.match(base.written, `${key} h `);
    assert.is(base.written.includes(`Ascii: 0x${code.toString(16)}`), key === 'Escape-Char');
  }
});

test('Ctrl-A t puts the time before each line, Ctrl-A t again ends it', async () => {
  const { base, chardev } = await mux();
  const a = new Recorder(chardev);
  base.typed(CTRL_A, ...text('t'));
  a.port?.write(Buffer.from('rest of line\nsecond'));
  a.port?.write(Buffer.from(' half\nthird\n'));
  assert.match(base.written, /^rest of line\n\[00:00:00\.000\] second half\n\[00:00:0\d\.\d{3}\] third\n$/);
  base.output.length = 0;
  base.typed(CTRL_A, ...text('t'));
  a.port?.write(Buffer.from('plain\nlines\n'));
  assert.is(base.written, 'plain\nlines\n');
});

test('stamps count hours, minutes, seconds and milliseconds from the first one', () => {
  let now = 1000;
  const stamper = new LineStamper(() => now);
  const stamp = (line: string): string => Buffer.from(stamper.stamp(Buffer.from(line))).toString();
  stamp('\n');
  assert.is(stamp('a\n'), '[00:00:00.000] a\n');
  now += 3_600_000 * 12 + 60_000 * 34 + 56_789;
  assert.is(stamp('b\n'), '[12:34:56.789] b\n');
});

test('a front end that waits for room is told when the base has some', async () => {
  const { base, chardev } = await mux();
  const [a, b] = [new Recorder(chardev), new Recorder(chardev)];
  base.room = false;
  assert.is(a.port?.write(Buffer.from('x')), false);
  base.makeRoom();
  assert.equal([a.events.at(-1), b.events.at(-1)], ['drained', 'focused']);
});

test('commands are still heard over 32 bytes that the front end does not take', async () => {
  const { base, chardev } = await mux();
  const [a, b] = [new Recorder(chardev), new Recorder(chardev)];
  b.port?.pause();
  base.typed(...text('x'.repeat(31)), CTRL_A, ...text('chello'));
  assert.is(a.text, 'hello');
  assert.is(b.text, '');
  b.port?.resume();
  assert.is(b.text, 'x'.repeat(31));
});

test('behind 32 bytes the base is held up, and nothing is lost', async () => {
  const { base, chardev } = await mux();
  const a = new Recorder(chardev);
  assert.is(base.flowing, true);
  a.port?.pause();
  base.typed(...text('y'.repeat(100)));
  assert.is(base.flowing, false);
  a.port?.resume();
  assert.is(a.text, 'y'.repeat(100));
  assert.is(base.flowing, true);
});

test('without front ends the base is held up; the last one detached hands the focus on', async () => {
  const { base, chardev } = await mux();
  assert.is(base.flowing, false);
  const [a, b] = [new Recorder(chardev), new Recorder(chardev)];
  assert.is(base.flowing, true);
  chardev.detach(b);
  assert.is(a.events.at(-1), 'focused');
  base.typed(...text('a'));
  assert.is(a.text, 'a');
  chardev.detach(a);
  assert.is(base.flowing, false);
  assert.is(chardev.busy, false);
});

type Action = { type: number[] } | { pause: number } | { resume: number };

/** What the multiplexer should do with every single byte, front ends being 0 to n - 1, the last one first in focus. */
class Model {
  readonly delivered: number[][];
  readonly #kept: number[][];
  readonly #paused: boolean[];
  #focus: number;
  #escaped = false;
  #waiting: number[] = [];
  breaks = 0;

  constructor(count: number) {
    this.delivered = Array.from({ length: count }, () => []);
    this.#kept = Array.from({ length: count }, () => []);
    this.#paused = Array.from({ length: count }, () => false);
    this.#focus = count - 1;
  }

  get holdsBaseUp(): boolean {
    return (this.#kept[this.#focus]?.length ?? 0) >= 32;
  }

  apply(action: Action): void {
    if ('type' in action) this.#waiting.push(...action.type);
    else if ('pause' in action) this.#paused[action.pause] = true;
    else {
      this.#paused[action.resume] = false;
      this.delivered[action.resume]?.push(...(this.#kept[action.resume]?.splice(0) ?? []));
    }
    while (!this.holdsBaseUp) {
      const byte = this.#waiting.shift();
      if (byte === undefined) return;
      this.#take(byte);
    }
  }

  #take(byte: number): void {
    if (this.#escaped) {
      this.#escaped = false;
      if (byte === 0x63) this.#focus = (this.#focus + 1) % this.delivered.length;
      if (byte === 0x62) this.breaks++;
      if (byte !== CTRL_A) return;
    } else if (byte === CTRL_A) {
      this.#escaped = true;
      return;
    }
    const busy = this.#paused[this.#focus] || (this.#kept[this.#focus]?.length ?? 0) > 0;
    (busy ? this.#kept : this.delivered)[this.#focus]?.push(byte);
  }
}

const keystroke = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(0x01, 0x63, 0x62, 0x61) },
  { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xff }) },
);

test('every byte goes where the byte-by-byte model says', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(
        fc.oneof(
          fc.record({ type: fc.array(keystroke, { maxLength: 50 }) }),
          fc.record({ pause: fc.nat(3) }),
          fc.record({ resume: fc.nat(3) }),
        ),
        { maxLength: 25 },
      ),
      async (count, actions) => {
        const { base, chardev } = await mux();
        const frontends = Array.from({ length: count }, () => new Recorder(chardev));
        const model = new Model(count);
        for (const action of actions) {
          if ('type' in action) {
            // A base that is held up does not give any bytes.
            if (model.holdsBaseUp) continue;
            base.typed(...action.type);
          } else if ('pause' in action) {
            if (action.pause >= count) continue;
            frontends[action.pause]?.port?.pause();
          } else {
            if (action.resume >= count) continue;
            frontends[action.resume]?.port?.resume();
          }
          model.apply(action);
          assert.is(base.flowing, !model.holdsBaseUp);
        }
        assert.equal(
          frontends.map((frontend) => [...frontend.bytes]),
          model.delivered,
        );
        const breaks = frontends.flatMap((frontend) => frontend.events).filter((event) => event === 'break');
        assert.is(breaks.length, model.breaks);
      },
    ),
    { numRuns: 300 },
  );
});

test('a base that another front end has is refused, and so is one that is not there', async () => {
  const { system } = createChardevSystem();
  const taken = await addChardev(system, 'n', { type: 'null', data: {} });
  const frontend: CharFrontend = { receive: () => {} };
  taken.attach(frontend);
  for (const [chardev, sentence] of [
    ['n', "chardev 'n' is already in use"],
    ['nope', 'mux: base chardev nope not found'],
  ] as const) {
    let message = '';
    await addChardev(system, 'm', { type: 'mux', data: { chardev } }).catch((error: Error) => {
      message = error.message;
    });
    assert.is(message, sentence);
  }
});

test.run();

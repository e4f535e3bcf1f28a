import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OptionGroups } from '../../src/cli/groups.js';
import { parseKeyval } from '../../src/cli/keyval.js';
import { applySection, readConfig } from '../../src/cli/readconfig.js';
import { QemuError } from '../../src/system/errors.js';
import { parseSizeText } from '../../src/system/numbers.js';
import { modelSize, sizePieces } from '../support/size-model.js';

const test = suite('command line, one million inputs each');
const inputs = 1_000_000;

/** xorshift32 from a fixed seed, so that a failure can be run again. */
function* pieces(from: readonly string[], most: number): IterableIterator<string> {
  let state = 0x2545f491;
  const next = (limit: number): number => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
  for (let i = 0; i < inputs; i++) {
    let text = '';
    for (let left = next(most + 1); left > 0; left--) text += from[next(from.length)] ?? '';
    yield text;
  }
}

function onlyQemuErrors(text: string, work: () => unknown): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof QemuError)) throw new Error(`${JSON.stringify(text)}: ${String(error)}`);
  }
}

const words = [
  ...',,==..??""[]#\n ',
  'id',
  'help',
  'no',
  'size',
  'mux',
  'a',
  '0',
  '1',
  '10',
  '__',
  '_',
  'é',
  '\0',
  'machine',
];

test('sizes agree with the model', () => {
  for (const text of pieces(sizePieces, 6)) {
    const expected = modelSize(text);
    if (expected !== undefined) assert.is(parseSizeText(text), expected, text);
  }
});

test('keyval reads any text or ends with a QemuError', () => {
  for (const text of pieces(words, 20)) onlyQemuErrors(text, () => parseKeyval(text, 'type'));
});

test('option groups read any text or end with a QemuError', () => {
  const groups = new OptionGroups();
  const chardev = groups.get('chardev');
  for (const text of pieces(words, 20)) {
    onlyQemuErrors(text, () => {
      const set = chardev.parse(text, undefined, () => {});
      if (set !== undefined) chardev.remove(set);
    });
  }
});

test('configuration files of any text are read or end with a QemuError', () => {
  const lines = [...words, '[chardev "a"]\n', '[machine]\n', ' a.0 = "1"\n', 'b.c = ""\n', '__proto__'];
  for (const text of pieces(lines, 20)) {
    onlyQemuErrors(text, () => {
      const groups = new OptionGroups();
      for (const section of readConfig(text, 'f')) applySection(section, groups, () => {});
    });
  }
});

test.run();

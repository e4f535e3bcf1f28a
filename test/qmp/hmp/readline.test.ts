import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LineEditor, type LineEditorOptions } from '../../../qmp/hmp/readline.js';

/** An editor at its prompt, with what it printed and the lines it handed over. */
class Desk {
  readonly lines: string[] = [];
  readonly editor: LineEditor;
  output = '';

  constructor(complete?: LineEditorOptions['complete'], prompts = true) {
    this.editor = new LineEditor({
      write: (bytes) => {
        this.output += Buffer.from(bytes).toString('utf8');
      },
      submit: (line) => {
        this.lines.push(line);
        if (prompts) this.editor.prompt();
      },
      ...(complete === undefined ? {} : { complete }),
    });
    this.editor.prompt();
  }

  type(keys: string): this {
    this.editor.feed(Buffer.from(keys, 'utf8'));
    return this;
  }

  /** The line that these keys and Enter give. */
  static line(keys: string, complete?: LineEditorOptions['complete']): string | undefined {
    return new Desk(complete).type(`${keys}\r`).lines[0];
  }
}

const [up, down, right, left] = ['\x1b[A', '\x1b[B', '\x1b[C', '\x1b[D'];

/** The screen row that terminal output leaves, by a terminal that knows what the editor may use. */
function row(output: string): { text: string; column: number } {
  const cells: string[] = [];
  let column = 0;
  // The introducer as a printable character, for the pattern's sake.
  for (const [, sequence, count, final, character] of output
    .replaceAll('\x1b[', '\u241b')
    .matchAll(/(\u241b(\d*)([A-Z]))|(.)/gsu)) {
    const n = count === '' ? 1 : Number(count);
    if (sequence !== undefined) {
      if (final === 'C') column += n;
      else if (final === 'D') column -= n;
      else if (final === 'K') cells.length = Math.min(cells.length, column);
      else throw new Error(`unknown sequence ${JSON.stringify(sequence)}`);
      if (column < 0) throw new Error('left of the first column');
    } else if (character === '\r') {
      column = 0;
    } else if (character === '\n') {
      cells.length = 0;
    } else {
      cells[column++] = character ?? '';
    }
  }
  return { text: cells.join(''), column };
}

const editing = suite('line editor');

editing('echoes what is typed and hands over the line', () => {
  const desk = new Desk().type('info status');
  assert.is(desk.output, '(qemu) info status');
  desk.type('\r');
  assert.is(desk.output, '(qemu) info status\r\n(qemu) ');
  assert.equal(desk.lines, ['info status']);
});

editing('takes CR, LF and CR LF as one Enter each, also when cut between them', () => {
  assert.equal(new Desk().type('a\rb\nc\r\nd\r').type('\ne\n\n').lines, ['a', 'b', 'c', 'd', 'e', '']);
});

editing('moves and deletes by the emacs keys', () => {
  assert.is(Desk.line('bc\x01a\x05d'), 'abcd');
  assert.is(Desk.line('ad\x02b\x02\x06c'), 'abcd');
  assert.is(Desk.line('abxc\x02\x08'), 'abc');
  assert.is(Desk.line('abxc\x02\x7f'), 'abc');
  assert.is(Desk.line('xabc\x01\x04'), 'abc');
  assert.is(Desk.line('abcxyz\x02\x02\x02\x0b'), 'abc');
  assert.is(Desk.line('xyzabc\x02\x02\x02\x15'), 'abc');
  assert.is(Desk.line('info  status  \x17qtree'), 'info  qtree');
  assert.is(Desk.line('\x08\x7f\x04\x02\x06\x0b\x15\x17\x01\x05ok'), 'ok');
});

editing('knows arrows, Home, End and Delete of VT100 and xterm', () => {
  assert.is(Desk.line(`ac${left}b${right}d`), 'abcd');
  for (const home of ['\x1b[H', '\x1bOH', '\x1b[1~', '\x1b[7~']) assert.is(Desk.line(`bc${home}a`), 'abc', home);
  for (const end of ['\x1b[F', '\x1bOF', '\x1b[4~', '\x1b[8~']) assert.is(Desk.line(`ab\x01${end}c`), 'abc', end);
  assert.is(Desk.line('abxc\x1b[D\x1b[D\x1b[3~'), 'abc');
  assert.is(Desk.line(`ac\x1bODb\x1b[1;5Cd`), 'abcd');
});

editing('ignores sequences and control characters that it does not know', () => {
  assert.is(Desk.line('a\x1b[99~b\x1b[5;3Rc\x1bxd\x03\x07\x1a\x1b[?1;2ce'), 'abcde');
});

editing('walks through the history and comes back to the draft', () => {
  const desk = new Desk().type('one\rtwo\rthree\r');
  assert.is(desk.type(`dra${up}${up}\r`).lines.at(-1), 'two');
  // "two" is the newest now, and stands only once.
  assert.is(desk.type(`${up}${up}${up}\r`).lines.at(-1), 'one');
  assert.is(desk.type(`dra${up}${up}${down}${down}ft\r`).lines.at(-1), 'draft');
  assert.is(desk.type(`${up}${down}${down}\x10\x10\x0e\r`).lines.at(-1), 'draft');
});

editing('remembers 64 lines', () => {
  const desk = new Desk().type(Array.from({ length: 100 }, (_, i) => `line ${i}\r`).join(''));
  assert.is(desk.type(`${up.repeat(200)}\r`).lines.at(-1), 'line 36');
});

editing('keeps characters beyond ASCII whole, however they are cut', () => {
  const text = 'h\u00e9llo \u4e16\u754c \u{1f600}';
  const desk = new Desk();
  for (const byte of Buffer.from(`${text}!\x7f\r`)) desk.editor.feed(Uint8Array.of(byte));
  assert.equal(desk.lines, [text]);
  assert.is(Desk.line('\u4e16\u754c\x02\x7fa'), 'a\u754c');
});

editing('ignores bytes that are not UTF-8 and C1 controls', () => {
  const desk = new Desk();
  desk.editor.feed(Buffer.from('a\xff\x80b\xc3c\xc2\x9bd\xed\xa0\x80e\r', 'latin1'));
  assert.equal(desk.lines, ['abcde']);
});

editing('counts wide characters as two columns when it moves back', () => {
  const desk = new Desk().type('\u4e16\u754c');
  desk.output = '';
  desk.type('\x02');
  assert.is(desk.output, '\x1b[2D');
});

editing('stops at 4095 bytes', () => {
  assert.is(Desk.line('x'.repeat(5000))?.length, 4095);
  assert.is(Buffer.byteLength(Desk.line('\u4e16'.repeat(2000)) ?? ''), 4095);
});

editing('shows stars for a password and does not remember it', () => {
  const desk = new Desk().type('before\r');
  desk.editor.prompt('Password: ', { password: true });
  desk.output = '';
  desk.type(`s3\x7f4\t${up}`);
  assert.is(row(`Password: ${desk.output}`).text, 'Password: **');
  desk.type('\r');
  assert.is(desk.lines.at(-1), 's4');
  assert.is(desk.type(`${up}\r`).lines.at(-1), 'before');
});

editing('keeps what comes while a command runs for the next prompt', () => {
  const desk = new Desk(undefined, false);
  assert.not.ok(desk.editor.feed(Buffer.from('one\rtwo\rth')));
  assert.not.ok(desk.editor.feed(Buffer.from('ree\r')));
  assert.equal(desk.lines, ['one']);
  desk.editor.prompt();
  assert.equal(desk.lines, ['one', 'two']);
  desk.editor.prompt();
  assert.equal(desk.lines, ['one', 'two', 'three']);
  desk.editor.prompt();
  assert.ok(desk.editor.feed(Buffer.from('x')));
});

const words = ['info', 'inject-nmi', 'cont', 'chardev-add', 'chardev-change', '/machine/', '/objects/'];
function complete(text: string): { length: number; candidates: string[] } {
  const word = /\S*$/.exec(text)?.[0] ?? '';
  return { length: [...word].length, candidates: words.filter((w) => w.startsWith(word)) };
}

editing('completes a single candidate with a blank behind it, but none behind a slash', () => {
  assert.is(Desk.line('inf\t', complete), 'info ');
  assert.is(Desk.line('qom-list /ma\t', complete), 'qom-list /machine/');
  assert.is(Desk.line('x\t', complete), 'x');
});

editing('completes in the middle of a line', () => {
  assert.is(Desk.line('inf qtree\x01\x06\x06\x06\t', complete), 'info  qtree');
});

editing('completes the common part of several candidates and lists them', () => {
  const desk = new Desk(complete).type('char\t');
  assert.is(desk.output, '(qemu) chardev-\r\nchardev-add     chardev-change\r\n(qemu) chardev-');
  assert.is(desk.type('a\t\r').lines[0], 'chardev-add ');
});

editing('lists candidates in rows of 80 columns', () => {
  const many = Array.from({ length: 30 }, (_, i) => `name-${i}-xxxxxx`);
  const desk = new Desk(() => ({ length: 0, candidates: many })).type('\t');
  const rows = desk.output.split('\r\n').slice(1, -1);
  assert.ok(rows.length > 1 && rows.every((text) => text.length <= 80), rows.join('\n'));
  assert.equal(rows.join(' ').split(/ +/), many);
});

editing('shows after any keys exactly the prompt and the line, the cursor where it is', () => {
  const key = fc.constantFrom(
    ...'ab ',
    '\x01',
    '\x02',
    '\x04',
    '\x05',
    '\x06',
    '\x08',
    '\x0b',
    '\x15',
    '\x17',
    up,
    down,
    '\r',
  );
  fc.assert(
    fc.property(fc.array(fc.array(key, { maxLength: 6 }), { maxLength: 20 }), (chunks) => {
      const desk = new Desk();
      for (const chunk of chunks) desk.type(chunk.join(''));
      const before = row(desk.output);
      // A mark at the cursor and Enter tell what the line is and where the cursor was.
      desk.type('|\r');
      const line = desk.lines.at(-1) ?? '';
      assert.is(before.text.trimEnd(), `(qemu) ${line.replace('|', '')}`.trimEnd());
      assert.is(before.column, '(qemu) '.length + line.indexOf('|'));
    }),
    { numRuns: 1000 },
  );
});

editing('survives any bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 }), (chunks) => {
      const desk = new Desk(complete);
      for (const chunk of chunks) desk.editor.feed(chunk);
      desk.type('\x1b[A\r\x15ok\r');
      assert.is(desk.lines.at(-1), 'ok');
    }),
    { numRuns: 2000 },
  );
});

editing.run();

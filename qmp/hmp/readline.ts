import type { MaybePromise } from '../../src/qom/property.js';
import { columnsOf } from './columns.js';
import { type EditCommand, KeyDecoder } from './keys.js';

/** Words that may stand where the cursor is. */
export interface Completion {
  /** How many characters left of the cursor belong to the word. */
  readonly length: number;
  /** Whole words; each begins with those characters. */
  readonly candidates: readonly string[];
}

export interface LineEditorOptions {
  /** Takes terminal output, UTF-8. */
  write(bytes: Uint8Array): void;
  /** A line was entered. Editing rests until `prompt()`. */
  submit(line: string): void;
  /** Asked at TAB with the text left of the cursor. An answer that comes when that has changed is dropped. */
  complete?(left: string): MaybePromise<Completion>;
}

/** Bounds as in QEMU (include/qemu/readline.h). */
const maxLineBytes = 4095;
const maxHistory = 64;
const maxCandidates = 256;
/** Width of the candidate list; the terminal's is not known. */
const listColumns = 80;

const eraseToEnd = '\x1b[K';

/** A line editor with QEMU's keys for any VT100: terminal bytes in, terminal bytes and lines out. */
export class LineEditor {
  readonly #options: LineEditorOptions;
  readonly #keys = new KeyDecoder();
  #prompt = '';
  #password = false;
  #editing = false;
  // Code points; the terminal shows `#shown` with its cursor before element `#shownCursor`.
  #line: string[] = [];
  #cursor = 0;
  #shown: string[] = [];
  #shownCursor = 0;
  readonly #history: string[] = [];
  // Which entry is shown; the number of entries means the new line, kept meanwhile in #draft.
  #entry = 0;
  #draft: string[] = [];
  #unread: Uint8Array[] = [];
  #out = '';

  constructor(options: LineEditorOptions) {
    this.#options = options;
  }

  /** Shows the prompt and edits a new line. With `password` stars are shown and nothing is remembered. */
  prompt(text = '(qemu) ', { password = false } = {}): void {
    this.#prompt = text;
    this.#password = password;
    this.#setLine([]);
    this.#entry = this.#history.length;
    this.#draft = [];
    this.#showPrompt();
    this.#editing = true;
    this.#flush();
    const unread = this.#unread;
    this.#unread = [];
    for (const bytes of unread) this.feed(bytes);
  }

  /**
   * Takes input, cut anywhere. Returns false when some of it must wait for the next `prompt()`; the caller had better
   * stop its source until then, for all of it is kept.
   */
  feed(bytes: Uint8Array): boolean {
    for (let i = 0; i < bytes.length; i++) {
      if (!this.#editing) {
        this.#unread.push(bytes.subarray(i));
        break;
      }
      this.#keys.feed(bytes[i] as number, this.#sink);
    }
    if (this.#editing) this.#update();
    this.#flush();
    return this.#unread.length === 0;
  }

  readonly #sink = {
    text: (character: string): void => this.#insert([character]),
    command: (command: EditCommand): void => this.#run(command),
  };

  #run(command: EditCommand): void {
    switch (command) {
      case 'start-of-line':
        this.#cursor = 0;
        break;
      case 'end-of-line':
        this.#cursor = this.#line.length;
        break;
      case 'left':
        this.#cursor = Math.max(0, this.#cursor - 1);
        break;
      case 'right':
        this.#cursor = Math.min(this.#line.length, this.#cursor + 1);
        break;
      case 'delete':
        this.#line.splice(this.#cursor, 1);
        break;
      case 'delete-left':
        this.#deleteFrom(this.#cursor - 1);
        break;
      case 'kill-word':
        this.#deleteFrom(this.#wordStart());
        break;
      case 'kill-line':
        this.#deleteFrom(0);
        break;
      case 'kill-to-end':
        this.#line.length = this.#cursor;
        break;
      case 'previous':
        this.#recall(this.#entry - 1);
        break;
      case 'next':
        this.#recall(this.#entry + 1);
        break;
      case 'complete':
        this.#complete();
        break;
      case 'enter':
        this.#enter();
    }
  }

  #insert(characters: readonly string[]): void {
    const added = Buffer.byteLength(characters.join(''));
    if (Buffer.byteLength(this.#line.join('')) + added > maxLineBytes) return;
    this.#line.splice(this.#cursor, 0, ...characters);
    this.#cursor += characters.length;
  }

  #deleteFrom(start: number): void {
    if (start < 0) return;
    this.#line.splice(start, this.#cursor - start);
    this.#cursor = start;
  }

  /** Where the word left of the cursor begins, blanks behind it skipped. */
  #wordStart(): number {
    let start = this.#cursor;
    while (start > 0 && this.#line[start - 1] === ' ') start--;
    while (start > 0 && this.#line[start - 1] !== ' ') start--;
    return start;
  }

  #setLine(line: string[]): void {
    this.#line = line;
    this.#cursor = line.length;
  }

  #recall(entry: number): void {
    if (this.#password || entry < 0 || entry > this.#history.length) return;
    if (this.#entry === this.#history.length) this.#draft = this.#line;
    this.#entry = entry;
    const text = this.#history[entry];
    this.#setLine(text === undefined ? this.#draft : [...text]);
  }

  #enter(): void {
    const text = this.#line.join('');
    this.#cursor = this.#line.length;
    this.#update();
    this.#out += '\r\n';
    this.#flush();
    if (!this.#password) this.#remember(text);
    this.#editing = false;
    this.#options.submit(text);
  }

  #remember(text: string): void {
    if (text === '') return;
    const before = this.#history.indexOf(text);
    if (before >= 0) this.#history.splice(before, 1);
    this.#history.push(text);
    if (this.#history.length > maxHistory) this.#history.shift();
  }

  #complete(): void {
    if (this.#password || this.#options.complete === undefined) return;
    const left = this.#line.slice(0, this.#cursor).join('');
    const answer = this.#options.complete(left);
    if (!(answer instanceof Promise)) {
      this.#offer(answer);
      return;
    }
    const offer = (completion: Completion): void => {
      if (!this.#editing || this.#line.slice(0, this.#cursor).join('') !== left) return;
      this.#offer(completion);
      this.#update();
      this.#flush();
    };
    answer.then(offer, () => {});
  }

  #offer({ length, candidates }: Completion): void {
    const [only] = candidates;
    if (only === undefined) return;
    const common = [...commonPrefix(candidates)].slice(length);
    if (candidates.length === 1) {
      this.#insert(only.endsWith('/') ? common : [...common, ' ']);
      return;
    }
    this.#insert(common);
    this.#update();
    this.#out += `\r\n${inColumns(candidates.slice(0, maxCandidates))}`;
    this.#showPrompt();
  }

  #showPrompt(): void {
    this.#out += this.#prompt;
    this.#shown = [];
    this.#shownCursor = 0;
  }

  /** Makes the terminal show the line with as few bytes as is simple. */
  #update(): void {
    const wanted = this.#password ? this.#line.map(() => '*') : this.#line;
    let same = 0;
    while (same < wanted.length && wanted[same] === this.#shown[same]) same++;
    if (same < wanted.length || same < this.#shown.length) {
      this.#moveTo(same);
      this.#out += wanted.slice(same).join('');
      if (columnsOf(this.#shown.slice(same)) > columnsOf(wanted.slice(same))) this.#out += eraseToEnd;
      this.#shown = [...wanted];
      this.#shownCursor = wanted.length;
    }
    this.#moveTo(this.#cursor);
  }

  #moveTo(position: number): void {
    const columns = columnsOf(this.#shown.slice(0, position)) - columnsOf(this.#shown.slice(0, this.#shownCursor));
    if (columns !== 0) this.#out += columns > 0 ? `\x1b[${columns}C` : `\x1b[${-columns}D`;
    this.#shownCursor = position;
  }

  #flush(): void {
    if (this.#out === '') return;
    const bytes = Buffer.from(this.#out, 'utf8');
    this.#out = '';
    this.#options.write(bytes);
  }
}

function commonPrefix(words: readonly string[]): string {
  let prefix = words[0] ?? '';
  for (const word of words) while (!word.startsWith(prefix)) prefix = [...prefix].slice(0, -1).join('');
  return prefix;
}

function inColumns(words: readonly string[]): string {
  const widest = Math.max(...words.map((word) => columnsOf([...word])));
  const width = Math.min(Math.max(widest + 2, 10), listColumns);
  const perRow = Math.floor(listColumns / width);
  let text = '';
  for (const [i, word] of words.entries()) {
    const last = i % perRow === perRow - 1 || i === words.length - 1;
    text += last ? `${word}\r\n` : word + ' '.repeat(Math.max(1, width - columnsOf([...word])));
  }
  return text;
}

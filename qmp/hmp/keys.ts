/** What the keys of the line editor do. */
export type EditCommand =
  | 'start-of-line'
  | 'end-of-line'
  | 'left'
  | 'right'
  | 'previous'
  | 'next'
  | 'delete-left'
  | 'delete'
  | 'kill-to-end'
  | 'kill-line'
  | 'kill-word'
  | 'complete'
  | 'enter';

export interface KeySink {
  /** One code point. */
  text(character: string): void;
  command(command: EditCommand): void;
}

const controls: Readonly<Record<number, EditCommand>> = {
  1: 'start-of-line', // C-a
  2: 'left', // C-b
  4: 'delete', // C-d
  5: 'end-of-line', // C-e
  6: 'right', // C-f
  8: 'delete-left', // C-h
  9: 'complete', // TAB
  10: 'enter',
  11: 'kill-to-end', // C-k
  13: 'enter',
  14: 'next', // C-n
  16: 'previous', // C-p
  21: 'kill-line', // C-u
  23: 'kill-word', // C-w
  127: 'delete-left', // Backspace
};

/** Last bytes of `ESC [` and `ESC O` sequences (VT100, xterm). */
const finals: Readonly<Record<string, EditCommand>> = {
  A: 'previous',
  B: 'next',
  C: 'right',
  D: 'left',
  F: 'end-of-line',
  H: 'start-of-line',
};

/** First parameters of `ESC [ n ~` sequences. */
const tildes: Readonly<Record<number, EditCommand>> = {
  1: 'start-of-line',
  3: 'delete',
  4: 'end-of-line',
  7: 'start-of-line',
  8: 'end-of-line',
};

/** Keys from terminal bytes, which may be cut anywhere: control characters, VT100 sequences, UTF-8. The rest is ignored. */
export class KeyDecoder {
  #state: 'plain' | 'escape' | 'csi' | 'ss3' = 'plain';
  #parameter = 0;
  // Parameters behind the first (modifiers) do not matter.
  #inFirstParameter = true;
  // Bytes of an unfinished UTF-8 sequence.
  readonly #sequence: number[] = [];
  #sequenceLength = 0;
  #afterCarriageReturn = false;

  /** Takes one byte; calls `sink` at most once. */
  feed(byte: number, sink: KeySink): void {
    // CR LF is one Enter.
    const lineFeedOfPair = this.#afterCarriageReturn && byte === 10;
    this.#afterCarriageReturn = byte === 13;
    if (lineFeedOfPair) return;
    switch (this.#state) {
      case 'plain':
        this.#plain(byte, sink);
        return;
      case 'escape':
        this.#state = byte === 0x5b ? 'csi' : byte === 0x4f ? 'ss3' : 'plain';
        this.#parameter = 0;
        this.#inFirstParameter = true;
        return;
      case 'ss3':
        this.#end(finals[String.fromCharCode(byte)], sink);
        return;
      case 'csi':
        this.#controlSequence(byte, sink);
    }
  }

  #plain(byte: number, sink: KeySink): void {
    if (byte >= 0x80) {
      this.#utf8(byte, sink);
      return;
    }
    this.#sequence.length = 0;
    if (byte === 0x1b) {
      this.#state = 'escape';
    } else if (byte >= 0x20 && byte < 0x7f) {
      sink.text(String.fromCharCode(byte));
    } else {
      const command = controls[byte];
      if (command !== undefined) sink.command(command);
    }
  }

  #controlSequence(byte: number, sink: KeySink): void {
    if (byte >= 0x30 && byte <= 0x39) {
      if (this.#inFirstParameter) this.#parameter = Math.min(this.#parameter * 10 + byte - 0x30, 255);
    } else if (byte >= 0x20 && byte < 0x40) {
      this.#inFirstParameter = false;
    } else {
      this.#end(byte === 0x7e ? tildes[this.#parameter] : finals[String.fromCharCode(byte)], sink);
    }
  }

  #end(command: EditCommand | undefined, sink: KeySink): void {
    this.#state = 'plain';
    if (command !== undefined) sink.command(command);
  }

  #utf8(byte: number, sink: KeySink): void {
    if (byte >= 0xc0) {
      this.#sequence.length = 0;
      this.#sequenceLength = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    } else if (this.#sequence.length === 0) {
      return;
    }
    this.#sequence.push(byte);
    if (this.#sequence.length < this.#sequenceLength) return;
    const character = Buffer.from(this.#sequence).toString('utf8');
    this.#sequence.length = 0;
    // C1 control characters would reach the terminal as such.
    if (character !== '\ufffd' && !/[\ufffd\x80-\x9f]/.test(character)) sink.text(character);
  }
}

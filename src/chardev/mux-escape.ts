/** Ctrl-A, the escape character without -echr. */
export const CTRL_A = 0x01;

/** What the user asks the multiplexer for. */
export type MuxCommand = 'help' | 'exit' | 'commit' | 'break' | 'next' | 'timestamps';

const commands: Readonly<Record<string, MuxCommand>> = {
  h: 'help',
  '?': 'help',
  x: 'exit',
  s: 'commit',
  b: 'break',
  c: 'next',
  t: 'timestamps',
};

/** Finds the commands among the bytes a user types. */
export class MuxEscape {
  readonly #character: number;
  #escaped = false;

  /** @param character the byte that starts a command, 0 to 255 */
  constructor(character: number) {
    this.#character = character;
  }

  /** @returns the byte to pass on, a command, or undefined for a byte that is part of an escape without effect */
  take(byte: number): number | MuxCommand | undefined {
    if (this.#escaped) {
      this.#escaped = false;
      return byte === this.#character ? byte : commands[String.fromCharCode(byte)];
    }
    if (byte !== this.#character) return byte;
    this.#escaped = true;
    return undefined;
  }
}

/** The commands, for a terminal in raw mode. @param character the escape character */
export function helpText(character: number): string {
  const isControl = character > 0 && character < 26;
  const key = isControl ? `C-${String.fromCharCode(character + 0x60)}` : 'Escape-Char';
  const head = isControl ? [] : [`Escape-Char set to Ascii: 0x${character.toString(16).padStart(2, '0')}`, ''];
  return [
    '',
    ...head,
    `${key} h    show this list`,
    `${key} x    end the emulator`,
    `${key} s    write disk changes back to the image (there are no disks here)`,
    `${key} t    time stamps before each line of output, on or off`,
    `${key} b    send a serial break`,
    `${key} c    go on to the next of console and monitor`,
    `${key} ${key}  send ${isControl ? 'a ' : ''}${key}`,
    '',
  ].join('\n\r');
}

/** Puts the time since the first stamp before each line of output. */
export class LineStamper {
  readonly #now: () => number;
  #start: number | undefined;
  #lineStart = false;

  /** @param now milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  stamp(data: Uint8Array): Uint8Array {
    const parts: Uint8Array[] = [];
    for (let at = 0; at < data.length; ) {
      if (this.#lineStart) parts.push(this.#time());
      const end = data.indexOf(0x0a, at);
      const stop = end < 0 ? data.length : end + 1;
      parts.push(data.subarray(at, stop));
      this.#lineStart = end >= 0;
      at = stop;
    }
    return Buffer.concat(parts);
  }

  #time(): Uint8Array {
    const now = this.#now();
    this.#start ??= now;
    const ms = Math.floor(now - this.#start);
    const two = (n: number): string => String(n).padStart(2, '0');
    const seconds = Math.floor(ms / 1000);
    const clock = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60].map(two).join(':');
    return Buffer.from(`[${clock}.${String(ms % 1000).padStart(3, '0')}] `);
  }
}

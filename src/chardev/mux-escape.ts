/** Ctrl-A, as QEMU's -echr defaults to. */
export const ESCAPE = 0x01;

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
  #escaped = false;

  /** @returns the byte to pass on, a command, or undefined for a byte that is part of an escape without effect */
  take(byte: number): number | MuxCommand | undefined {
    if (this.#escaped) {
      this.#escaped = false;
      return byte === ESCAPE ? byte : commands[String.fromCharCode(byte)];
    }
    if (byte !== ESCAPE) return byte;
    this.#escaped = true;
    return undefined;
  }
}

export const helpText = [
  '',
  'C-a h    show this list',
  'C-a x    end the emulator',
  'C-a s    write disk changes back to the image (there are no disks here)',
  'C-a t    time stamps before each line of output, on or off',
  'C-a b    send a serial break',
  'C-a c    go on to the next of console and monitor',
  'C-a C-a  send a C-a',
  '',
].join('\n\r');

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

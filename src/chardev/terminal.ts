import { readFileSync } from 'node:fs';
import { ioctl, setNonBlocking } from '../host/fd.js';

// <asm-generic/ioctls.h>, <asm-generic/termbits.h>: the same on x86-64 and arm64
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TERMIOS_SIZE = 36;
const [IFLAG, OFLAG, CFLAG, LFLAG, CC] = [0, 4, 8, 12, 17];
const [VTIME, VMIN] = [5, 6];
/** IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON */
const INPUT_PROCESSING = 0o2753;
const OPOST = 0o1;
const ISIG = 0o1;
/** ECHO ECHONL ICANON IEXTEN */
const LINE_EDITING = 0o100112;
const CSIZE_PARENB = 0o460;
const CS8 = 0o60;

export interface TerminalMode {
  /** The terminal echoes and edits lines, as it did before. */
  readonly echo: boolean;
  /** Ctrl-C, Ctrl-\ and Ctrl-Z send signals, where they did before. */
  readonly signals: boolean;
}

/** A descriptor of this process whose modes are put back when it is done. */
export class Terminal {
  readonly #fd: number;
  readonly #nonBlocking: boolean;
  /** struct termios as found; undefined when it is no terminal. */
  readonly #found: Buffer | undefined;
  #mode: TerminalMode | undefined;

  constructor(fd: number) {
    this.#fd = fd;
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1'))?.[1] ?? '0';
    this.#nonBlocking = (Number.parseInt(flags, 8) & 0o4000) !== 0;
    const found = Buffer.alloc(TERMIOS_SIZE);
    try {
      ioctl(fd, TCGETS, found);
      this.#found = found;
    } catch {
      this.#found = undefined;
    }
  }

  get isTerminal(): boolean {
    return this.#found !== undefined;
  }

  /** Output keeps its line ends; input comes byte by byte unless `echo` is on. */
  set(mode: TerminalMode): void {
    if (this.#found === undefined) return;
    this.#mode = mode;
    const termios = Buffer.from(this.#found);
    const change = (offset: number, clear: number, set: number): void => {
      termios.writeUInt32LE(((termios.readUInt32LE(offset) & ~clear) | set) >>> 0, offset);
    };
    if (!mode.echo) {
      change(IFLAG, INPUT_PROCESSING, 0);
      change(OFLAG, 0, OPOST);
      change(CFLAG, CSIZE_PARENB, CS8);
      change(LFLAG, LINE_EDITING, 0);
      termios[CC + VMIN] = 1;
      termios[CC + VTIME] = 0;
    }
    if (!mode.signals) change(LFLAG, ISIG, 0);
    ioctl(this.#fd, TCSETS, termios);
  }

  /** Sets the mode again, after the shell had the terminal (SIGCONT). */
  again(): void {
    if (this.#mode !== undefined) this.set(this.#mode);
  }

  /** Puts everything back as it was found. */
  restore(): void {
    if (this.#found !== undefined) ioctl(this.#fd, TCSETS, this.#found);
    setNonBlocking(this.#fd, this.#nonBlocking);
  }
}

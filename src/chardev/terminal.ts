import { readFileSync } from 'node:fs';
import { ioctl, setNonBlocking } from '../host/fd.js';
import { HostError, int32, libc } from '../host/libc.js';

// <asm-generic/ioctls.h>, <asm-generic/termbits.h>: the same on x86-64 and arm64
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCGPGRP = 0x540f;
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
    this.#found = this.#ioctl(TCGETS, found) ? found : undefined;
  }

  /**
   * The shell gave the terminal to another job: reading from it or changing its mode now would stop this process
   * (SIGTTIN, SIGTTOU).
   */
  get inBackground(): boolean {
    const group = int32(0);
    // ENOTTY: no terminal, or not the controlling one, which nobody gives or takes.
    return this.#found !== undefined && this.#ioctl(TIOCGPGRP, group) && group.readInt32LE() !== libc.getpgid(0);
  }

  /** Output keeps its line ends; input comes byte by byte unless `echo` is on. In the background: not before `again`. */
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
    this.#apply(termios);
  }

  /** Sets the mode again, after another job had the terminal. */
  again(): void {
    if (this.#mode !== undefined) this.set(this.#mode);
  }

  /** Puts everything back as it was found. In the background the terminal's mode is another job's, and stays. */
  restore(): void {
    if (this.#found !== undefined) this.#apply(this.#found);
    setNonBlocking(this.#fd, this.#nonBlocking);
  }

  #apply(termios: Buffer): void {
    if (!this.inBackground) this.#ioctl(TCSETS, termios);
  }

  /** False when it is no terminal, or one that was hung up. */
  #ioctl(request: number, argument: Buffer): boolean {
    try {
      ioctl(this.#fd, request, argument);
      return true;
    } catch (error) {
      if (error instanceof HostError) return false;
      throw error;
    }
  }
}

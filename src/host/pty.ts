import { ioctl, POLLHUP, POLLIN, pollNow } from './fd.js';
import { check, Errno, int32, libc } from './libc.js';
import { FdStream, type FdStreamOptions } from './stream.js';

// <fcntl.h>, <asm-generic/ioctls.h>, <asm-generic/termbits.h>
const O_RDWR = 0o2;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const OPEN_FLAGS = O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
const TCGETS = 0x5401;
const TCSETS = 0x5402;
const TIOCGPTN = 0x80045430;
const TIOCSPTLCK = 0x40045431;
const TERMIOS_SIZE = 36;
const CC_OFFSET = 17;
const VTIME = 5;
const VMIN = 6;
/** IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON */
const INPUT_PROCESSING = 0o2753;
const OPOST = 0o1;
/** ECHO ECHONL ICANON ISIG IEXTEN */
const LOCAL_PROCESSING = 0o100113;
const CSIZE_PARENB = 0o460;
const CS8 = 0o60;
/** How often a pty without a client looks for one, as in QEMU. */
const RECONNECT_MS = 1000;

export interface Pty {
  /** Descriptor of the master, close-on-exec and non-blocking. */
  master: number;
  /** Path of the slave, for example `/dev/pts/3`; in raw mode and not open. */
  path: string;
}

/** A new pseudo-terminal. @throws HostError */
export function openPty(): Pty {
  const master = check('open', libc.open('/dev/ptmx', OPEN_FLAGS, 0));
  try {
    ioctl(master, TIOCSPTLCK, int32(0));
    const number = Buffer.alloc(4);
    ioctl(master, TIOCGPTN, number);
    const path = `/dev/pts/${number.readUInt32LE()}`;
    const slave = check('open', libc.open(path, OPEN_FLAGS, 0));
    // The mode outlives the slave's descriptor, and its close is what makes the master report a hang-up from now on.
    try {
      setRawMode(slave);
    } finally {
      libc.close(slave);
    }
    return { master, path };
  } catch (error) {
    libc.close(master);
    throw error;
  }
}

/** Raw mode as cfmakeraw(3) defines it: no echo, no line editing, no signals, 8 bits. @throws HostError ENOTTY */
export function setRawMode(fd: number): void {
  const termios = Buffer.alloc(TERMIOS_SIZE);
  ioctl(fd, TCGETS, termios);
  const change = (offset: number, clear: number, set = 0) =>
    termios.writeUInt32LE(((termios.readUInt32LE(offset) & ~clear) | set) >>> 0, offset);
  change(0, INPUT_PROCESSING);
  change(4, OPOST);
  change(8, CSIZE_PARENB, CS8);
  change(12, LOCAL_PROCESSING);
  termios[CC_OFFSET + VMIN] = 1;
  termios[CC_OFFSET + VTIME] = 0;
  ioctl(fd, TCSETS, termios);
}

/**
 * The master's side of a pty, whose client comes and goes: a client leaving is no end of the stream. Events: `connect` and
 * `disconnect`. What is written while nobody has the slave open is dropped, as QEMU does, and not kept for the next client.
 */
export class PtyStream extends FdStream {
  readonly path: string;
  #connected = false;
  readonly #search: NodeJS.Timeout;

  constructor(pty: Pty, options: FdStreamOptions = {}) {
    super(pty.master, options);
    this.path = pty.path;
    this.suspend(true);
    this.#search = setInterval(() => this.#look(), RECONNECT_MS).unref();
  }

  /** Whether a client has the slave open, as far as seen: a new one is noticed within a second, or by the next write. */
  get connected(): boolean {
    return this.#connected;
  }

  /**
   * Asks the kernel, which tells in no other way: the master hangs up while nobody has the slave open. A client that left
   * something to read is gone only when that has been read.
   *
   * @returns whether somebody has the slave open
   */
  #look(): boolean {
    const found = pollNow(this.fd, POLLIN);
    const open = (found & POLLHUP) === 0;
    if (open && !this.#connected) this.#setConnected(true);
    if (!open && this.#connected && (found & POLLIN) === 0) this.#setConnected(false);
    return open;
  }

  #setConnected(connected: boolean): void {
    this.#connected = connected;
    this.suspend(!connected);
    this.emit(connected ? 'connect' : 'disconnect');
  }

  protected override readSome(buffer: Buffer): number {
    const count = super.readSome(buffer);
    if (count !== -Errno.EIO) return count;
    if (this.#connected) this.#setConnected(false);
    return -Errno.EAGAIN;
  }

  protected override writeSome(buffer: Buffer): number {
    return this.#look() ? super.writeSome(buffer) : buffer.length;
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#search);
    super._destroy(error, done);
  }
}

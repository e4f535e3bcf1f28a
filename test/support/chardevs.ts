import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import type { Chardev, CharFrontend, CharPort } from '../../src/chardev/chardev.js';
import { defineChardevTypes } from '../../src/chardev/types.js';
import { eventually } from './deadline.js';
import { createTestSystem, type TestSystem } from './system.js';

/** A test system that knows the chardev types. */
export function createChardevSystem(): TestSystem {
  const made = createTestSystem();
  defineChardevTypes(made.system);
  return made;
}

/** A front end that keeps what it gets. */
export class Recorder implements CharFrontend {
  readonly events: string[] = [];
  readonly chunks: Buffer[] = [];
  port: CharPort | undefined;
  #length = 0;

  constructor(chardev?: Chardev) {
    this.port = chardev?.attach(this);
  }

  receive(data: Uint8Array): void {
    this.chunks.push(Buffer.from(data));
    this.#length += data.length;
  }

  get length(): number {
    return this.#length;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.bytes.toString('latin1');
  }

  opened(): void {
    this.events.push('opened');
  }

  closed(): void {
    this.events.push('closed');
  }

  break(): void {
    this.events.push('break');
  }

  drained(): void {
    this.events.push('drained');
  }

  focused(): void {
    this.events.push('focused');
  }

  unfocused(): void {
    this.events.push('unfocused');
  }
}

/** Bytes without a short period, so that a lost, doubled or moved piece shows. */
export function pattern(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0, state = 12345; i < length; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

/** A front end that writes all of `bytes`, each time as far as it is let. `mostQueued` tells how much piled up. */
export class Pump extends Recorder {
  readonly #bytes: Uint8Array;
  readonly #step: number;
  #at = 0;
  mostQueued = 0;

  constructor(chardev: Chardev, bytes: Uint8Array, step = 4096) {
    super();
    this.#bytes = bytes;
    this.#step = step;
    this.port = chardev.attach(this);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  start(): void {
    const scratch = Buffer.alloc(this.#step);
    while (!this.done) {
      const piece = this.#bytes.subarray(this.#at, this.#at + this.#step);
      scratch.set(piece);
      this.#at += piece.length;
      const more = this.port?.write(scratch.subarray(0, piece.length));
      // The contract lets a caller use its buffer again.
      scratch.fill(0xee);
      this.mostQueued = Math.max(this.mostQueued, this.port?.queued ?? 0);
      if (more === false) return;
    }
  }

  override drained(): void {
    super.drained();
    this.start();
  }
}

/** A peer outside of this process: a Python program whose standard input and output are the test's. */
export function python(code: string, ...args: string[]): ChildProcess {
  return spawn('python3', ['-u', '-c', code, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
}

/** Whether the tests that talk to a Python program can run; says so when they cannot. */
export function hasPython(): boolean {
  try {
    execFileSync('python3', ['-c', '']);
    return true;
  } catch {
    console.log('SKIP no python3 here');
    return false;
  }
}

/** Waits until the front end got `count` bytes. */
export async function receivedBytes(frontend: Recorder, count: number, ms = 30_000): Promise<Buffer> {
  await eventually(`${count} bytes (${frontend.length} came)`, () => frontend.length >= count, ms);
  return frontend.bytes;
}

import type { CharFrontend, CharPort } from './chardev.js';

/** Bytes kept for a front end that has paused; beyond them the input behind has to wait. */
const KEPT_MAX = 32;

/** What a port needs of its multiplexer. */
export interface MuxLink {
  write(data: Uint8Array): boolean;
  disconnect(): void;
  readonly queued: number;
  readonly connected: boolean;
  /** The front end takes input again. */
  inputWanted(): void;
}

/** One front end's end of a multiplexer. */
export class MuxPort implements CharPort {
  readonly frontend: CharFrontend;
  readonly #mux: MuxLink;
  readonly #kept: number[] = [];
  #paused = false;
  #blocked = false;

  /** @param make is given the port before it is complete, to keep for later */
  constructor(mux: MuxLink, make: (port: CharPort) => CharFrontend) {
    this.#mux = mux;
    this.frontend = make(this);
  }

  /** Input can be delivered at once. */
  get ready(): boolean {
    return !this.#paused && this.#kept.length === 0;
  }

  /** Not even one more byte can be kept. */
  get full(): boolean {
    return this.#kept.length >= KEPT_MAX;
  }

  /** Holds a byte until `resume`. */
  keep(byte: number): void {
    this.#kept.push(byte);
  }

  write(data: Uint8Array): boolean {
    this.#blocked = !this.#mux.write(data);
    return !this.#blocked;
  }

  /** The multiplexer has room again: says so to a front end that waits for it. */
  drained(): void {
    if (!this.#blocked) return;
    this.#blocked = false;
    this.frontend.drained?.();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    if (this.#kept.length > 0) this.frontend.receive(Uint8Array.from(this.#kept.splice(0)));
    if (!this.#paused) this.#mux.inputWanted();
  }

  disconnect(): void {
    this.#mux.disconnect();
  }

  takeDescriptor(): undefined {
    return undefined;
  }

  get queued(): number {
    return this.#mux.queued;
  }

  get connected(): boolean {
    return this.#mux.connected;
  }
}

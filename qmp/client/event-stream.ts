import type { Limits } from './limits.js';

export interface EventStreamOptions extends Pick<Limits, 'signal'> {
  /** Events kept for a reader that is behind, default 1024. */
  readonly limit?: number | undefined;
}

const defaultLimit = 1024;

/**
 * Events in order of arrival, from the moment of its making until the connection ends. Of those that a slow reader leaves
 * unread the oldest are dropped and counted, so that neither memory grows nor the connection waits. Leaving the loop,
 * `return()` or an abort ends it.
 */
export class EventStream<Event> implements AsyncIterableIterator<Event>, AsyncDisposable {
  readonly #limit: number;
  readonly #signal: AbortSignal | undefined;
  readonly #detach: () => void = () => {};
  readonly #queue: Event[] = [];
  readonly #readers: { resolve(result: IteratorResult<Event, undefined>): void; reject(error: unknown): void }[] = [];
  #dropped = 0;
  #ended = false;
  // Thrown once, behind the last event.
  #error: { readonly reason: unknown } | undefined;

  /** @param attach starts the events and returns what stops them */
  constructor(options: EventStreamOptions, attach: (stream: EventStream<Event>) => () => void) {
    this.#limit = options.limit ?? defaultLimit;
    if (!(this.#limit >= 1)) throw new RangeError(`an event limit of ${this.#limit} leaves no room for an event`);
    this.#signal = options.signal;
    const detach = attach(this);
    // The connection was over.
    if (this.#ended) return;
    this.#detach = detach;
    if (this.#signal?.aborted) this.#abort();
    else this.#signal?.addEventListener('abort', this.#abort, { once: true });
  }

  /** Events that were dropped since the beginning, because more than `limit` were unread. */
  get dropped(): number {
    return this.#dropped;
  }

  push(event: Event): void {
    if (this.#ended) return;
    const reader = this.#readers.shift();
    if (reader !== undefined) {
      reader.resolve({ value: event, done: false });
      return;
    }
    this.#queue.push(event);
    if (this.#queue.length > this.#limit) {
      this.#queue.shift();
      this.#dropped++;
    }
  }

  /** No further events; with an error, readers get it behind the last one. */
  end(error?: { readonly reason: unknown }): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#detach();
    const [first, ...others] = this.#readers.splice(0);
    if (first !== undefined && error !== undefined) first.reject(error.reason);
    else {
      this.#error = error;
      first?.resolve({ value: undefined, done: true });
    }
    for (const reader of others) reader.resolve({ value: undefined, done: true });
  }

  readonly #abort = (): void => {
    this.#queue.length = 0;
    this.end({ reason: this.#signal?.reason });
  };

  /** @throws QmpConnectionError when the connection was lost, the signal's reason when it was aborted */
  async next(): Promise<IteratorResult<Event, undefined>> {
    const event = this.#queue.shift();
    if (event !== undefined) return { value: event, done: false };
    const error = this.#error;
    if (error !== undefined) {
      this.#error = undefined;
      throw error.reason;
    }
    if (this.#ended) return { value: undefined, done: true };
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  async return(): Promise<IteratorResult<Event, undefined>> {
    this.#queue.length = 0;
    this.#error = undefined;
    this.end();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

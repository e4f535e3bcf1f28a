import { QmpTimeoutError } from './errors.js';

/** How long a caller is willing to wait. */
export interface Limits {
  /** Ends the wait: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds until the promise is rejected with a QmpTimeoutError; Infinity waits without end. */
  readonly timeoutMs?: number | undefined;
}

/** Longer delays make setTimeout fire at once. */
const maxDelayMs = 2 ** 31 - 1;

/**
 * A promise that the limits may settle before its work does. When it is settled, no timer or listener is left.
 *
 * @param what names the work in a QmpTimeoutError
 * @param start begins the work and returns what to do once the promise is settled, whoever settled it
 */
export function limited<T>(
  what: string,
  { signal, timeoutMs = Number.POSITIVE_INFINITY }: Limits,
  start: (resolve: (value: T) => void, reject: (error: unknown) => void) => (() => void) | undefined,
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    let settled = false;
    let after: (() => void) | undefined;
    const settle = () => {
      settled = true;
      clearTimeout(timer);
      if (signal !== undefined) unwatch(signal, abort);
      after?.();
    };
    const succeed = (value: T) => {
      if (settled) return;
      settle();
      resolve(value);
    };
    const fail = (error: unknown) => {
      if (settled) return;
      settle();
      reject(error);
    };
    const abort = () => fail(signal?.reason);
    if (signal !== undefined) watch(signal, abort);
    const timer =
      timeoutMs <= maxDelayMs ? setTimeout(() => fail(new QmpTimeoutError(what, timeoutMs)), timeoutMs) : undefined;
    after = start(succeed, fail);
    if (settled) after?.();
  });
}

// One listener a signal, however many wait on it: removing one of an EventTarget's takes time in proportion to their
// number, and Node warns of more than ten.
const waits = new WeakMap<AbortSignal, Set<() => void>>();

function onAbort(this: AbortSignal): void {
  for (const abort of waits.get(this) ?? []) abort();
}

function watch(signal: AbortSignal, abort: () => void): void {
  const known = waits.get(signal) ?? new Set();
  waits.set(signal, known);
  if (known.size === 0) signal.addEventListener('abort', onAbort);
  known.add(abort);
}

function unwatch(signal: AbortSignal, abort: () => void): void {
  const known = waits.get(signal);
  known?.delete(abort);
  if (known?.size === 0) signal.removeEventListener('abort', onAbort);
}

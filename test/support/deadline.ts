/**
 * Fails a wait that outlives its limit, naming what was awaited. uvu has no per-test time limit, so every test that
 * waits goes through here.
 *
 * @param what named in the error
 * @param ms milliseconds, default 10 s
 * @throws Error `deadline: WHAT took longer than MS ms`
 */
export async function deadline<T>(what: string, work: Promise<T>, ms = 10_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`deadline: ${what} took longer than ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/** Polls `ready` every `stepMs` until it returns something other than undefined or false, under a deadline. */
export async function eventually<T>(
  what: string,
  ready: () => T | undefined | false,
  ms = 10_000,
  stepMs = 10,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = ready();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > end) throw new Error(`deadline: ${what} took longer than ${ms} ms`);
    await new Promise((resolve) => setTimeout(resolve, stepMs));
  }
}

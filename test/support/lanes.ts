/**
 * Starts `work` on every item, each lane one at a time.
 *
 * @returns what each item comes to, at its place; a rejection that nobody awaits is no error
 */
export function inLanes<T, R>(items: readonly T[], lanes: number, work: (item: T) => Promise<R>): Promise<R>[] {
  const ends: Promise<unknown>[] = Array.from({ length: lanes }, () => Promise.resolve());
  return items.map((item, index) => {
    const result = Promise.resolve(ends[index % lanes]).then(() => work(item));
    ends[index % lanes] = result.catch(() => undefined);
    return result;
  });
}

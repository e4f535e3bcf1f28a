/** What a run went through and when. */
export class Timeline {
  readonly #start = performance.now();
  readonly #marks = new Map<string, number>();

  /** Notes the first time that something happens. */
  mark(what: string): void {
    if (!this.#marks.has(what)) this.#marks.set(what, performance.now() - this.#start);
  }

  /** A line each, seconds since the start. */
  lines(): string[] {
    const width = Math.max(0, ...[...this.#marks.keys()].map(({ length }) => length));
    return [...this.#marks].map(([what, ms]) => `${what.padEnd(width)}  ${(ms / 1000).toFixed(2).padStart(6)} s`);
  }
}

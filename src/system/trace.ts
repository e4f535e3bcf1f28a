import { QemuError } from './errors.js';

/** A value printed by a trace point: numbers in decimal unless the format says `0x`. */
export type TraceValue = string | number | bigint;

interface Point {
  readonly format: string;
  enabled: boolean;
}

/**
 * Trace points by name. A point costs one property read while it is off: callers hold the function `define` returns.
 */
export class Trace {
  readonly #points = new Map<string, Point>();
  readonly #pending: { pattern: string; enable: boolean }[] = [];
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /**
   * Declares a point; `format` has one `%` directive (`%d`, `%s`, `%x`) a value. Declared again it is the same point.
   *
   * @returns its firing function
   */
  define(name: string, format: string): (...values: TraceValue[]) => void {
    const point = this.#points.get(name) ?? this.#declare(name, format);
    return (...values) => {
      if (!point.enabled) return;
      let next = 0;
      const text = point.format.replace(/%([dsx])/g, (_, directive: string) => {
        const value = values[next++] ?? '';
        return directive === 'x' && typeof value !== 'string' ? value.toString(16) : String(value);
      });
      this.#write(`${name} ${text}\n`.replace(/ \n$/, '\n'));
    };
  }

  #declare(name: string, format: string): Point {
    const point: Point = { format, enabled: false };
    this.#points.set(name, point);
    for (const { pattern, enable } of this.#pending) if (matches(pattern, name)) point.enabled = enable;
    return point;
  }

  names(pattern = '*'): string[] {
    return [...this.#points.keys()].filter((name) => matches(pattern, name));
  }

  enabled(name: string): boolean | undefined {
    return this.#points.get(name)?.enabled;
  }

  /**
   * Switches points on or off. A pattern also holds for points declared later (modules load on demand).
   *
   * @throws QemuError when `strict` and nothing matches
   */
  set(pattern: string, enable: boolean, strict = false): void {
    const names = this.names(pattern);
    if (strict && names.length === 0) throw new QemuError(`unknown event "${pattern}"`);
    for (const name of names) {
      const point = this.#points.get(name);
      if (point !== undefined) point.enabled = enable;
    }
    this.#pending.push({ pattern, enable });
  }
}

/** Shell pattern with `*` and `?`. */
export function matches(pattern: string, name: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`).test(name);
}

/** The text form of option groups: `key=value,key=value`, a comma in a value doubled. QEMU: util/qemu-option.c. */

export interface Pair {
  readonly key: string;
  readonly value: string;
  /** Present when no value was given: the key as typed, for `nomux` is `mux=off`. */
  readonly typed?: string;
}

/** `help` and `?` ask for a list of what there is. */
export function isHelp(text: string): boolean {
  return text === 'help' || text === '?';
}

/** Reads a value from `start` to the next single comma. */
export function readValue(text: string, start: number): { value: string; end: number } {
  let end = start;
  for (;;) {
    const comma = text.indexOf(',', end);
    if (comma < 0) {
      end = text.length;
      break;
    }
    end = comma;
    if (text[comma + 1] !== ',') break;
    end = comma + 2;
  }
  return { value: text.slice(start, end).replaceAll(',,', ','), end };
}

/** The pairs in order. @param implied key of the first value when it has none */
export function* readPairs(text: string, implied?: string): IterableIterator<Pair> {
  let first = implied;
  for (let at = 0; at < text.length; ) {
    const stop = indexOfAny(text, '=,', at);
    const word = text.slice(at, stop);
    if (text[stop] === '=') {
      const { value, end } = readValue(text, stop + 1);
      at = end;
      yield { key: word, value };
    } else if (first !== undefined) {
      const { value, end } = readValue(text, at);
      at = end;
      yield { key: first, value };
    } else {
      at = stop;
      yield word.startsWith('no')
        ? { key: word.slice(2), value: 'off', typed: word }
        : { key: word, value: 'on', typed: word };
    }
    first = undefined;
    at++;
  }
}

/** Index of the first of `characters` from `start` on, or the length of the text. */
export function indexOfAny(text: string, characters: string, start: number): number {
  for (let i = start; i < text.length; i++) if (characters.includes(text.charAt(i))) return i;
  return text.length;
}

import { isDeepStrictEqual } from 'node:util';
import type { Answer } from './qmp-server.js';

/** One thing in which two answers differ. */
export interface Difference {
  /** The command that was sent. */
  readonly command: string;
  /** What differs: `error`, `id`, `events`, `end`, `replies` (their number) or a path such as `return.qemu` or `return[].name`. */
  readonly at: string;
  readonly ours: string;
  readonly theirs: string;
}

/** Differences that are meant; each pattern must match whole. What is left out matches anything. */
export interface Listed {
  readonly command?: string;
  readonly at?: string;
  readonly ours?: string;
  readonly theirs?: string;
  readonly why: string;
}

export function isListed(difference: Difference, listed: Listed): boolean {
  const fits = (key: 'command' | 'at' | 'ours' | 'theirs'): boolean =>
    listed[key] === undefined || new RegExp(`^(?:${listed[key]})$`, 's').test(difference[key]);
  return fits('command') && fits('at') && fits('ours') && fits('theirs');
}

interface Message {
  readonly return?: unknown;
  readonly error?: { readonly class: string; readonly desc: string };
  readonly event?: string;
  readonly id?: unknown;
}

/**
 * Compares class and text of errors, the shape of what is returned, ids, events and ends.
 *
 * @param ordered false where out-of-band requests make the order of replies a matter of chance
 */
export function differencesOf(command: string, ours: Answer, theirs: Answer, ordered: boolean): Difference[] {
  // Where only one has ended, it did not come to the rest.
  if (ours.end !== theirs.end) return [{ command, at: 'end', ours: ours.end ?? '', theirs: theirs.end ?? '' }];
  const [left, right] = [ours.lines.map(parse), theirs.lines.map(parse)];
  // Names in a text may differ without being a difference.
  const place = (message: Message): string =>
    `${JSON.stringify(message.id)} ${summary(message).replaceAll(/'.*'/gs, '')}`;
  const replies = (messages: readonly Message[]): Message[] => {
    const all = messages.filter(({ event }) => event === undefined);
    return ordered ? all : all.sort((a, b) => (place(a) < place(b) ? -1 : 1));
  };
  const events = (messages: readonly Message[]): string =>
    messages.flatMap(({ event }) => (event === undefined ? [] : [event])).join(' ');
  const found: Omit<Difference, 'command'>[] = [];
  const compare = (at: string, a: string, b: string): void => {
    if (a !== b) found.push({ at, ours: a, theirs: b });
  };
  compare('events', events(left), events(right));
  const [a, b] = [replies(left), replies(right)];
  if (a.length !== b.length) compare('replies', a.map(summary).join('\n'), b.map(summary).join('\n'));
  for (const [i, message] of a.entries()) {
    const other = b[i];
    if (other === undefined || a.length !== b.length) break;
    if (!isDeepStrictEqual(message.id, other.id))
      compare('id', String(JSON.stringify(message.id)), String(JSON.stringify(other.id)));
    if (message.error !== undefined || other.error !== undefined) compare('error', summary(message), summary(other));
    else compareShapes('return', shapeOf(message.return), shapeOf(other.return), compare);
  }
  return found.map((difference) => ({ command, ...difference }));
}

function parse(line: string): Message {
  try {
    return JSON.parse(line) as Message;
  } catch {
    // A double beyond the range is echoed as inf.
    return JSON.parse(line.replaceAll(/-?\binf\b/g, '1e999')) as Message;
  }
}

function summary({ error }: Message): string {
  return error === undefined ? 'success' : `${error.class}: ${error.desc}`;
}

/** The shape of a value: names of JSON types by path; elements of a list count together. */
type Shape = Map<string, string>;

function shapeOf(value: unknown, at = '', shape: Shape = new Map()): Shape {
  const type = value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value;
  shape.set(at, type);
  if (Array.isArray(value)) for (const item of value) shapeOf(item, `${at}[]`, shape);
  else if (typeof value === 'object' && value !== null) {
    for (const [name, item] of Object.entries(value)) shapeOf(item, `${at}.${name}`, shape);
  }
  return shape;
}

function compareShapes(
  root: string,
  ours: Shape,
  theirs: Shape,
  compare: (at: string, a: string, b: string) => void,
): void {
  for (const at of new Set([...ours.keys(), ...theirs.keys()])) {
    // An empty list says nothing of its elements.
    const list = at.lastIndexOf('[]');
    const element = list < 0 ? '' : at.slice(0, list + 2);
    if (list >= 0 && (!ours.has(element) || !theirs.has(element))) continue;
    compare(`${root}${at}`, ours.get(at) ?? 'absent', theirs.get(at) ?? 'absent');
  }
}

import { readFileSync } from 'node:fs';

/** Bytes as Latin-1 characters; parts that repeat are given once. */
type Text = string | (string | { repeat: string; times: number })[];

interface RecordedExchange {
  name: string;
  negotiated: boolean;
  steps: { send: Text; receive: (Text | { line: string; times: number })[] }[];
}

export interface Exchange {
  readonly name: string;
  /** qmp_capabilities was done before the first step. */
  readonly negotiated: boolean;
  readonly steps: readonly { readonly send: Buffer; readonly receive: readonly string[] }[];
}

function expand(text: Text): string {
  if (typeof text === 'string') return text;
  return text.map((part) => (typeof part === 'string' ? part : part.repeat.repeat(part.times))).join('');
}

/** test/qmp/data/exchanges.json: what a QEMU 10.2.50 with `-M none` answered, a new connection each; lines without CR LF. */
export function recordedExchanges(): Exchange[] {
  const file = new URL('../../../test/qmp/data/exchanges.json', import.meta.url);
  const recorded = JSON.parse(readFileSync(file, 'utf8')) as RecordedExchange[];
  return recorded.map(({ name, negotiated, steps }) => ({
    name,
    negotiated,
    steps: steps.map(({ send, receive }) => ({
      send: Buffer.from(expand(send), 'latin1'),
      receive: receive.flatMap((entry) =>
        typeof entry === 'object' && !Array.isArray(entry)
          ? new Array<string>(entry.times).fill(entry.line)
          : [expand(entry)],
      ),
    })),
  }));
}

// Random commands and damaged messages to this program and to a real QEMU: class and text of errors, the shape of
// results, events and ends must be the same, but for the list in data/qmp-differences.json.
// QMP_SEED and QMP_EXCHANGES choose another run than the usual one.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeJson } from '../../qmp/json/writer.js';
import type { JsonObject } from '../../src/system/json.js';
import { emulatorPath } from '../support/emulator.js';
import { jsonValue, piece } from '../support/json-text.js';
import { type Difference, differencesOf, isListed, type Listed } from '../support/qmp-differences.js';
import { QmpServer } from '../support/qmp-server.js';
import { Schema, type SchemaEntry } from '../support/schema.js';
import { CommonSchema } from '../support/schema-values.js';

const qemu = ['qemu-system-x86_64'];
const ours = [process.execPath, emulatorPath()];
const seed = Number(process.env.QMP_SEED ?? 1);
const exchanges = Number(process.env.QMP_EXCHANGES ?? 3000);
/** Exchanges until both begin afresh. */
const lifetime = 80;

interface Exchange {
  readonly command: string;
  /** One character a byte. */
  readonly input: string;
}

function request(schema: CommonSchema): fc.Arbitrary<Exchange> {
  const id = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(undefined, 1, 'a') },
    { weight: 1, arbitrary: jsonValue },
  );
  const key = fc.oneof(
    { weight: 15, arbitrary: fc.constant('execute') },
    { weight: 1, arbitrary: fc.constant('exec-oob') },
  );
  return fc.constantFrom(...schema.commands, 'nonesuch').chain((command) => {
    const args = command === 'nonesuch' ? jsonValue : schema.argumentsOf(command);
    return fc.tuple(key, args, id).map(([execute, given, sent]) => {
      const empty = writeJson(given) === '{}';
      const message = {
        [execute]: command,
        ...(empty ? {} : { arguments: given }),
        ...(sent === undefined ? {} : { id: sent }),
      };
      return { command, input: Buffer.from(`${writeJson(message as JsonObject)}\n`).toString('latin1') };
    });
  });
}

/** A message in which something was broken. */
function damaged(message: fc.Arbitrary<Exchange>): fc.Arbitrary<Exchange> {
  const place = fc.nat(400);
  const replaced = (pattern: RegExp, by: string) => (text: string) => text.replaceAll(pattern, by);
  const put =
    (at: number, what: string, over = 0) =>
    (text: string) => {
      const i = at % text.length;
      return text.slice(0, i) + what + text.slice(i + over);
    };
  const damage: fc.Arbitrary<(text: string) => string> = fc.oneof(
    place.map((at) => (text: string) => text.slice(0, at % text.length)),
    place.map((at) => (text: string) => text.slice(at % text.length)),
    fc.tuple(place, place).map(
      ([at, length]) =>
        (text: string) =>
          put(at, text.slice(at % text.length).slice(0, length))(text),
    ),
    fc.tuple(place, fc.nat(255)).map(([at, byte]) => put(at, String.fromCharCode(byte), 1)),
    fc.tuple(place, fc.nat(7)).map(
      ([at, bit]) =>
        (text: string) =>
          put(at, String.fromCharCode(text.charCodeAt(at % text.length) ^ (1 << bit)), 1)(text),
    ),
    fc.tuple(place, piece).map(([at, what]) => put(at, what)),
    fc.constantFrom(
      replaced(/"/g, "'"),
      replaced(/a/g, '\\u0061'),
      replaced(/: /g, ':\t\r\n'),
      replaced(/, /g, ',,'),
      replaced(/n/g, '\\n'),
    ),
    fc
      .tuple(place, fc.constantFrom('[', '{"a":', ']', '}'), fc.constantFrom(1, 3, 1020, 1030))
      .map(([at, what, n]) => put(at, what.repeat(n))),
    fc.constantFrom(
      (text: string) => text + text,
      (text: string) => text.trim() + text,
      (text: string) => `${text}\xff${text}`,
    ),
  );
  return fc.tuple(message, fc.array(damage, { minLength: 1, maxLength: 3 })).map(([{ command, input }, damages]) => ({
    command,
    input: damages.reduce((text, apply) => (text === '' ? text : apply(text)), input),
  }));
}

/** What a server says of itself. */
async function schemaOf(command: readonly string[]): Promise<Schema> {
  const server = await QmpServer.start(command);
  try {
    const { lines } = await server.ask('{"execute": "query-qmp-schema"}');
    return new Schema((JSON.parse(lines[0] ?? '') as { return: SchemaEntry[] }).return);
  } finally {
    await server.stop();
  }
}

async function both<T>(work: (command: readonly string[]) => Promise<T>): Promise<[T, T]> {
  return await Promise.all([work(ours), work(qemu)]);
}

const differential = suite('e2e/qmp-differential');

differential('the same commands and damaged messages are answered alike', async () => {
  if (spawnSync(qemu[0] ?? '', ['--version']).status !== 0) {
    console.log('SKIP no qemu-system-x86_64 on this host');
    return;
  }
  console.log(`seed ${seed}, ${exchanges} exchanges`);
  const list = JSON.parse(readFileSync('test/e2e/data/qmp-differences.json', 'utf8')) as Listed[];
  const used = new Set<Listed>();
  const unlisted = new Map<string, { difference: Difference; input: string }>();

  const wellFormed = request(new CommonSchema(...(await both(schemaOf))));
  const exchange = fc.oneof({ weight: 3, arbitrary: wellFormed }, { weight: 2, arbitrary: damaged(wellFormed) });
  const all = fc.sample(exchange, { seed, numRuns: exchanges });
  for (let at = 0; at < all.length; ) {
    const servers = await both((command) => QmpServer.start(command, { oob: at % (2 * lifetime) === 0 }));
    try {
      for (let alike = true, end = at + lifetime; alike && at < Math.min(end, all.length); at++) {
        const { command, input } = all[at] as Exchange;
        const [left, right] = await Promise.all([servers[0].ask(input), servers[1].ask(input)]);
        const found = differencesOf(command, left, right, !input.includes('exec-oob'));
        for (const difference of found) {
          const listed = list.find((entry) => isListed(difference, entry));
          if (listed !== undefined) used.add(listed);
          else unlisted.set(`${command} ${difference.at}`, { difference, input });
        }
        // What one did and the other did not would show again and again.
        const apart = ({ ours, theirs }: Difference): boolean => (ours === 'success') !== (theirs === 'success');
        alike = left.end === undefined && right.end === undefined && !found.some(apart);
      }
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  }
  for (const { difference, input } of unlisted.values())
    console.log(JSON.stringify({ ...difference, input: input.slice(0, 300) }));
  console.log(`${used.size} of ${list.length} listed differences were seen`);
  assert.is(unlisted.size, 0, `${unlisted.size} differences that are not listed, seed ${seed}`);
});

differential.run();

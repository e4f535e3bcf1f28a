import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { complete } from '../../qmp/client/shell/complete.js';
import { parseLine, ShellSyntaxError } from '../../qmp/client/shell/grammar.js';
import { SchemaIndex } from '../../qmp/client/shell/schema.js';
import { event, WirePeer } from '../support/qmp-wire.js';

const numRuns = 1_000_000;
const shell = suite('client: fuzz');

const line = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: fc.constantFrom(...' =."\'\\{}[],:a1-e'), maxLength: 40 }),
);
const schema = new SchemaIndex([
  { name: 'a', 'meta-type': 'command', 'arg-type': '0' },
  {
    name: '0',
    'meta-type': 'object',
    members: [
      { name: 'a', type: '0' },
      { name: 'e', type: '1' },
    ],
  },
  { name: '1', 'meta-type': 'enum', members: [{ name: 'a' }, { name: '1' }] },
]);

shell('any line is read or refused with a sentence, and can be completed', () => {
  fc.assert(
    fc.property(line, (text) => {
      const { word, candidates } = complete(schema, text);
      assert.ok(text.endsWith(word) && candidates.every((candidate) => candidate.startsWith(word)));
      try {
        parseLine(text);
      } catch (error) {
        if (!(error instanceof ShellSyntaxError)) throw error;
      }
    }),
    { numRuns },
  );
});

const message = JSON.stringify({ return: [1, { a: 'b' }], id: 2 }) + JSON.stringify(event('STOP', { a: 1 }));

shell('a server that says anything is understood or left, and no command is forgotten', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
    fc.tuple(fc.nat(message.length), fc.nat(message.length)).map(([a, b]) => Buffer.from(message.slice(a, b))),
    fc
      .constantFrom('{"return":', '{"error":', '{"event":', '"id":2}', '2', '{}', ',', '}')
      .map((text) => Buffer.from(text)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 6 }), async (pieces) => {
      const peer = await new WirePeer().negotiate();
      const request = peer.session.request('a', undefined).then(
        () => true,
        (error: unknown) => error instanceof Error,
      );
      await Promise.resolve();
      for (const bytes of pieces) peer.session.receive(bytes);
      peer.session.end();
      assert.is(await request, true);
    }),
    { numRuns: numRuns / 4 },
  );
});

shell.run();

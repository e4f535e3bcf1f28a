// A million strange inputs: the exact reader and the one that uses JSON.parse must agree on every cut, and a session
// must answer every input in whole lines of ASCII JSON and serve the next request as if nothing had been.

import { isDeepStrictEqual } from 'node:util';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { JsonReader } from '../../qmp/json/reader.js';
import { strangeText } from '../support/json-text.js';
import { QmpPeer } from '../support/qmp-peer.js';

const runs = 500_000;
// Shrinking and reports are rarely needed; memory for a million recorded inputs is not there.
const parameters = { numRuns: runs, maxSkipsPerRun: 10 };

function readAll(chunks: readonly Buffer[]): unknown[] {
  const reader = new JsonReader();
  const messages: unknown[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let message = reader.next(); message !== undefined; message = reader.next()) messages.push(message);
  }
  return messages;
}

const fuzz = suite('QMP input');

fuzz('the reader gives the same for every cut', () => {
  fc.assert(
    fc.property(strangeText, fc.nat(100), (input, at) => {
      const bytes = Buffer.from(`${input}\xff`, 'latin1');
      const exact = readAll(Array.from(bytes, (_, i) => bytes.subarray(i, i + 1)));
      if (!isDeepStrictEqual(readAll([bytes]), exact)) assert.unreachable(JSON.stringify(input));
      if (!isDeepStrictEqual(readAll([bytes.subarray(0, at), bytes.subarray(at)]), exact)) {
        assert.unreachable(`${JSON.stringify(input)} cut at ${at}`);
      }
    }),
    parameters,
  );
});

fuzz('a session survives and answers', () => {
  const peer = new QmpPeer().negotiate(true);
  fc.assert(
    fc.property(strangeText, (input) => {
      for (const line of peer.ask(Buffer.from(`${input}\xff\n`, 'latin1'))) {
        assert.match(line, /^\{[ -~]*\}$/);
      }
      assert.equal(peer.ask('{"execute": "query-name", "id": 1}\n'), ['{"return": {}, "id": 1}']);
    }),
    parameters,
  );
});

fuzz.run();

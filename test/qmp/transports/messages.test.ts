import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { messageText } from '../../../qmp/session/wire.js';
import { splitMessages } from '../../../qmp/transports/messages.js';
import type { JsonObject } from '../../../src/system/json.js';

const test = suite('qmp/transports/messages');

test('what was sent at once is cut into the messages it was made of, compact or pretty', () => {
  fc.assert(
    fc.property(
      fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { minLength: 1 }),
      fc.boolean(),
      (values, pretty) => {
        const texts = values.map((value) => messageText(value as JsonObject, pretty));
        const cut = splitMessages(Buffer.from(texts.join(''), 'latin1'));
        assert.equal(
          cut.map((message) => Buffer.from(message).toString('latin1')),
          texts,
        );
      },
    ),
  );
});

test.run();

import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AccessRules, judge, subprotocols, tokenDigest, tokenPrefix } from '../../src/chardev/websocket-access.js';

const test = suite('chardev/websocket-access');
const token = 'correct horse'.replace(' ', '-battery-');
const open: AccessRules = { origins: new Set(), token: undefined };
const guarded: AccessRules = { origins: new Set(['https://console.example']), token: tokenDigest(token) };

function status(headers: Record<string, string>, rules: AccessRules, path = '/'): number | string | undefined {
  const verdict = judge({ path, headers }, rules);
  return 'status' in verdict ? verdict.status : verdict.subprotocol;
}

test('a client without subprotocols is let in as QEMU does it', () => {
  assert.is(status({}, open), undefined);
});

test('the first subprotocol offered that is known is spoken', () => {
  assert.is(status({ 'sec-websocket-protocol': 'chat, jsonrpc, qmp' }, open), 'jsonrpc');
  assert.is(status({ 'sec-websocket-protocol': 'binary' }, open), 'binary');
  assert.is(status({ 'sec-websocket-protocol': 'chat' }, open), 400);
});

test('only the path / is there', () => {
  assert.is(status({}, open, '/qmp'), 404);
});

test('a web page is let in when its origin is on the list, whatever else it shows', () => {
  const headers = { authorization: `Bearer ${token}` };
  assert.is(status({ ...headers, origin: 'https://console.example' }, guarded), undefined);
  for (const origin of ['https://evil.example', 'null', 'http://console.example', 'https://console.example:8443', '']) {
    assert.is(status({ ...headers, origin }, guarded), 403, origin);
  }
  assert.is(status({ origin: 'http://localhost' }, open), 403);
  assert.is(status({ 'sec-websocket-origin': 'http://localhost' }, open), 403);
});

test('a token is taken from the header or from a subprotocol, which is not itself spoken', () => {
  const encoded = Buffer.from(token).toString('base64url');
  assert.is(status({ authorization: `Bearer ${token}` }, guarded), undefined);
  assert.is(status({ authorization: `bearer  ${token} ` }, guarded), undefined);
  assert.is(status({ 'sec-websocket-protocol': `qmp, ${tokenPrefix}${encoded}` }, guarded), 'qmp');
  assert.is(status({ 'sec-websocket-protocol': `${tokenPrefix}${encoded}` }, guarded), 400);
  assert.is(status({}, guarded), 401);
  assert.is(status({ authorization: `Basic ${token}` }, guarded), 401);
  assert.is(status({ authorization: 'Bearer ' }, guarded), 401);
});

test('no token but the right one is let in', () => {
  const near = fc.nat({ max: token.length - 1 }).map((at) => token.slice(0, at) + token.slice(at + 1));
  fc.assert(
    fc.property(fc.oneof(fc.string(), near, fc.constantFrom('', `${token}x`, token.toUpperCase())), (guess) => {
      fc.pre(guess.trim() !== token);
      const encoded = Buffer.from(guess).toString('base64url');
      assert.is(status({ authorization: `Bearer ${guess}` }, guarded), 401);
      assert.is(status({ 'sec-websocket-protocol': `qmp, ${tokenPrefix}${encoded}` }, guarded), 401);
    }),
  );
});

test('whatever the headers hold, the answer is a verdict', () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom('origin', 'authorization', 'sec-websocket-protocol'),
        fc.oneof(fc.string(), fc.array(fc.string())),
      ),
      (headers) => {
        const verdict = judge({ path: '/', headers }, open);
        if ('status' in verdict) assert.ok([400, 403].includes(verdict.status));
        else assert.ok(verdict.subprotocol === undefined || subprotocols.includes(verdict.subprotocol));
      },
    ),
  );
});

test.run();

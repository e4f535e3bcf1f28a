import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endpointName, parseEndpoint } from '../../../qmp/client/endpoint.js';

const endpoints = suite('endpoint');

for (const [text, expected] of Object.entries({
  '/run/qmp.sock': { path: '/run/qmp.sock' },
  'qmp.sock': { path: 'qmp.sock' },
  'unix:qmp:1': { path: 'qmp:1' },
  './qmp:1': { path: './qmp:1' },
  'localhost:4444': { host: 'localhost', port: 4444 },
  ':4444': { host: 'localhost', port: 4444 },
  'tcp:10.0.0.1:1': { host: '10.0.0.1', port: 1 },
  '[::1]:65535': { host: '::1', port: 65535 },
  'tcp:[::1]:4444': { host: '::1', port: 4444 },
  'ws://localhost:80/x?y': { url: 'ws://localhost:80/x?y' },
  'WSS://host/': { url: 'WSS://host/' },
})) {
  endpoints(`${text} is ${JSON.stringify(expected)}`, () => {
    const endpoint = parseEndpoint(text);
    assert.equal(endpoint, expected);
    // The name reads back as the same endpoint.
    assert.equal(parseEndpoint(endpointName(endpoint)), expected);
  });
}

for (const text of ['', 'unix:', 'tcp:host', 'tcp:host:', 'tcp:host:0', 'host:65536', 'tcp:::1:44', 'ws://', 'tcp:']) {
  endpoints(`'${text}' is refused`, () => {
    assert.throws(() => parseEndpoint(text), TypeError);
  });
}

endpoints('a name shows no token', () => {
  assert.is(endpointName({ url: 'wss://host/', token: 'secret' }), 'wss://host/');
  assert.is(endpointName({ abstract: 'x' }), 'abstract socket x');
  assert.is(endpointName({ host: 'h', port: 1, tls: {} }), 'tls:h:1');
});

endpoints.run();

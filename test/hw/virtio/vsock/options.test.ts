import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  parseForwardCid,
  parseForwardListen,
  parseTcpConnect,
  parseTcpListen,
  type VsockProperties,
  vsockBackendPlan,
} from '../../../../src/hw/virtio/vsock/options.js';
import { QemuError } from '../../../../src/system/errors.js';

const test = suite('hw/virtio/vsock/options');

/** Sentence and hint of the QemuError that `work` throws. */
function refusal(work: () => unknown): [string, string | undefined] | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof QemuError) return [error.message, error.hint];
    throw error;
  }
}

const port = fc.integer({ min: 0, max: 2 ** 32 - 2 });
const tcpPort = fc.integer({ min: 1, max: 65535 });
const host = fc.constantFrom('127.0.0.1', 'localhost', 'a-b.example', '::1', 'fe80::1');
const written = (name: string) => (name.includes(':') ? `[${name}]` : name);

test('lists come out as they were written', () => {
  fc.assert(
    fc.property(fc.uniqueArray(port, { minLength: 1 }), (ports) => {
      assert.equal(parseForwardListen('x', ports.join('+')), ports);
    }),
  );
  const listens = fc.uniqueArray(fc.record({ host, port: tcpPort, guestPort: port }, { noNullPrototype: true }), {
    minLength: 1,
    selector: ({ host, port }) => `${host}:${port}`,
  });
  fc.assert(
    fc.property(listens, (list) => {
      const text = list.map(({ host, port, guestPort }) => `${written(host)}:${port}-${guestPort}`).join('+');
      assert.equal(parseTcpListen('x', text), list);
    }),
  );
  const connects = fc.uniqueArray(fc.tuple(port, fc.record({ host, port: tcpPort }, { noNullPrototype: true })), {
    minLength: 1,
    selector: ([guestPort]) => guestPort,
  });
  fc.assert(
    fc.property(connects, (list) => {
      const text = list.map(([guestPort, { host, port }]) => `${guestPort}-${written(host)}:${port}`).join('+');
      assert.equal([...parseTcpConnect('x', text)], list);
    }),
  );
});

test('a CID is a number below 2^32 - 1', () => {
  assert.is(parseForwardCid('vsock-forward-cid', '1'), 1);
  assert.equal(
    refusal(() => parseForwardCid('vsock-forward-cid', '4294967295')),
    ["Parameter 'vsock-forward-cid' expects a CID", "'4294967295' is not a CID: 0 to 4294967294."],
  );
});

test('each mistake is named with its part', () => {
  const listen = (text: string) => refusal(() => parseForwardListen('vsock-forward-listen', text))?.[1];
  assert.is(listen('9001+'), "'' is not a vsock port: 0 to 4294967294.");
  assert.is(listen('9001+x'), "'x' is not a vsock port: 0 to 4294967294.");
  assert.is(listen('9001+9001'), "'9001' repeats 9001.");
  const tcp = (text: string) => refusal(() => parseTcpListen('vsock-tcp-listen', text));
  assert.equal(tcp('127.0.0.1:8080'), [
    "Parameter 'vsock-tcp-listen' expects HOST:PORT-GUESTPORT[+...]",
    "'127.0.0.1:8080' names no guest port.",
  ]);
  assert.is(tcp('8080-5')?.[1], "'8080' is not an address like 127.0.0.1:8080.");
  assert.is(tcp('::1:80-5')?.[1], "'::1:80' is not an address like 127.0.0.1:8080.");
  assert.is(tcp('h:0-5')?.[1], "'0' is not a TCP port: 1 to 65535.");
  assert.is(tcp('h:1-5+h:1-6')?.[1], "'h:1-6' repeats h:1.");
  const connect = (text: string) => refusal(() => parseTcpConnect('vsock-tcp-connect', text))?.[1];
  assert.is(connect('5'), "'5' names no address.");
  assert.is(connect('5-h:1+5-h:2'), "'5-h:2' repeats 5.");
});

const none: VsockProperties = {
  'vsock-uds': '',
  'vsock-forward-cid': '',
  'vsock-forward-listen': '',
  'vsock-tcp-listen': '',
  'vsock-tcp-connect': '',
};
const plan = (properties: Partial<VsockProperties>) => vsockBackendPlan({ ...none, ...properties });

test('the properties choose one backend', () => {
  assert.is(plan({}), undefined);
  assert.equal(plan({ 'vsock-uds': '/tmp/v' }), { kind: 'unix', path: '/tmp/v' });
  assert.equal(plan({ 'vsock-forward-cid': '1', 'vsock-forward-listen': '9001+9002' }), {
    kind: 'vsock',
    forwarding: { forwardCid: 1, forwardListen: [9001, 9002] },
  });
  assert.equal(plan({ 'vsock-forward-listen': '9001' }), {
    kind: 'vsock',
    forwarding: { forwardCid: undefined, forwardListen: [9001] },
  });
  assert.equal(plan({ 'vsock-tcp-listen': '127.0.0.1:8080-5005', 'vsock-tcp-connect': '5-[::1]:1' }), {
    kind: 'tcp',
    listens: [{ host: '127.0.0.1', port: 8080, guestPort: 5005 }],
    connects: new Map([[5, { host: '::1', port: 1 }]]),
  });
  assert.equal(
    refusal(() => plan({ 'vsock-uds': '/tmp/v', 'vsock-tcp-connect': '5-h:1' })),
    [
      "'vsock-uds' and 'vsock-tcp-connect' cannot be used together",
      'A machine has one vsock backend: unix sockets, AF_VSOCK forwarding or TCP forwarding.',
    ],
  );
});

test('a socket path leaves room for a port', () => {
  const path = `/tmp/${'x'.repeat(91)}`;
  assert.equal(plan({ 'vsock-uds': path }), { kind: 'unix', path });
  assert.equal(
    refusal(() => plan({ 'vsock-uds': `${path}x` })),
    [`UNIX socket path '${path}x' is too long`, 'Path must be less than 97 bytes, to leave room for _PORT'],
  );
});

test('any text is read or refused', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-z+\-:.[\]]{0,30}$/));
  fc.assert(
    fc.property(text, (value) => {
      for (const parse of [parseForwardListen, parseForwardCid, parseTcpListen, parseTcpConnect]) {
        refusal(() => parse('x', value));
      }
    }),
    { numRuns: 3_000 },
  );
});

test.run();

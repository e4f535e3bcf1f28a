import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compatOptionText } from '../../src/chardev/compat.js';
import { parseBackend } from '../../src/chardev/options.js';
import { OptionGroups } from '../../src/cli/groups.js';
import { QemuError } from '../../src/system/errors.js';

const test = suite('chardev/compat');

/** The backend that a text stands for, through the parser of option groups. */
function backend(text: string): { type: string; data: object } | undefined {
  const optionText = compatOptionText(text);
  if (optionText === undefined) return undefined;
  const opts = new OptionGroups().get('chardev').parse(optionText, undefined, () => {});
  return opts === undefined ? undefined : parseBackend('label', Object.fromEntries(opts.entries()));
}

const inet = (host: string, port: string, more = {}) => ({ type: 'inet', data: { host, port, ...more } });

const forms: [string, object][] = [
  ['null', { type: 'null', data: {} }],
  ['stdio', { type: 'stdio', data: {} }],
  ['mon:stdio', { type: 'stdio', data: { signal: false } }],
  ['mon:null', { type: 'null', data: {} }],
  ['pty', { type: 'pty', data: {} }],
  ['pty:/tmp/link', { type: 'pty', data: { path: '/tmp/link' } }],
  ['vc', { type: 'vc', data: {} }],
  ['vc:80Cx24C', { type: 'vc', data: { cols: 80, rows: 24 } }],
  ['vc:640x480', { type: 'vc', data: { width: 640, height: 480 } }],
  ['file:/tmp/a,b', { type: 'file', data: { out: '/tmp/a,b' } }],
  ['pipe:/tmp/p', { type: 'pipe', data: { device: '/tmp/p' } }],
  ['/dev/ttyS0', { type: 'serial', data: { device: '/dev/ttyS0' } }],
  ['COM1', { type: 'serial', data: { device: 'COM1' } }],
  [
    'tcp:localhost:4444,server=on,wait=off',
    { type: 'socket', data: { addr: inet('localhost', '4444'), server: true, nodelay: false, wait: false } },
  ],
  ['tcp::4444', { type: 'socket', data: { addr: inet('', '4444'), server: false, nodelay: false } }],
  [
    'telnet:h:1,server=on',
    { type: 'socket', data: { addr: inet('h', '1'), server: true, nodelay: false, telnet: true } },
  ],
  [
    'websocket:h:1,server=on,to=9',
    { type: 'socket', data: { addr: inet('h', '1', { to: 9 }), server: true, nodelay: false, websocket: true } },
  ],
  [
    'unix:/tmp/s,server=on,wait=off',
    {
      type: 'socket',
      data: {
        addr: { type: 'unix', data: { path: '/tmp/s', abstract: false, tight: true } },
        server: true,
        nodelay: false,
        wait: false,
      },
    },
  ],
  [
    'unix:path=/tmp/s,abstract=on',
    {
      type: 'socket',
      data: {
        addr: { type: 'unix', data: { path: '/tmp/s', abstract: true, tight: true } },
        server: false,
        nodelay: false,
      },
    },
  ],
  ['udp:h:1', { type: 'udp', data: { remote: inet('h', '1') } }],
  ['udp::1', { type: 'udp', data: { remote: inet('localhost', '1') } }],
  ['udp:h:1@l:2', { type: 'udp', data: { remote: inet('h', '1'), local: inet('l', '2') } }],
  ['udp:h:1@:2', { type: 'udp', data: { remote: inet('h', '1'), local: inet('', '2') } }],
];

for (const [text, expected] of forms) {
  test(`${text} is ${JSON.stringify(expected)}`, () => {
    assert.equal(backend(text), expected);
  });
}

test('forms that QEMU refuses without a sentence', () => {
  for (const text of ['tcp:', 'tcp:localhost', 'telnet:localhost', 'udp:', 'udp:1@', 'vc:', 'vc:80', 'mon:tcp:']) {
    assert.is(compatOptionText(text), undefined, text);
  }
});

test('other texts are no char driver', () => {
  for (const text of ['', 'nonesuch', 'null,', 'ringbuf', 'fd:3', 'mux']) {
    assert.throws(
      () => compatOptionText(text),
      (error: Error) => error.message === `'${text}' is not a valid char driver`,
    );
  }
});

test('any text is understood or refused with a sentence', () => {
  const pieces = fc.constantFrom(
    ...['tcp:', 'udp:', 'unix:', 'mon:', 'vc:', 'telnet:', 'file:', ',', '=', ':', '@', 'server=on', 'x', '1', ',,'],
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 4 })), { maxLength: 6 }), (parts) => {
      try {
        backend(parts.join(''));
      } catch (error) {
        assert.instance(error, QemuError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('paths come through, whatever they hold', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 20 }), (path) => {
      assert.equal(backend(`file:${path}`), { type: 'file', data: { out: path } });
    }),
  );
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { chardevFromOptions, parseBackend } from '../../src/chardev/options.js';
import { createChardevSystem, Recorder } from '../support/chardevs.js';

const test = suite('chardev/options');

// Recorded from QEMU 10.2.50 (reference/qemu/cli) and, for the rest, 7.2.
const refusals: [Record<string, string>, string][] = [
  [{}, 'chardev: "a" missing backend'],
  [{ backend: 'nonesuch' }, "'nonesuch' is not a valid char driver name"],
  [{ backend: '' }, "'' is not a valid char driver name"],
  [{ backend: 'socket' }, 'Unable to parse FD number '],
  [{ backend: 'socket', port: '1' }, 'Unable to parse FD number '],
  [{ backend: 'socket', host: 'x' }, 'chardev: socket: no port given'],
  [{ backend: 'socket', path: '/x', host: 'b', port: '1' }, "None or one of 'path', 'fd' or 'host' option required."],
  [{ backend: 'socket', path: '/x', fd: '1' }, "None or one of 'path', 'fd' or 'host' option required."],
  [{ backend: 'socket', path: '/x', delay: 'on', nodelay: 'on' }, "'delay' and 'nodelay' are mutually exclusive"],
  [{ backend: 'socket', path: '/nonexistent/x' }, "Failed to connect to '/nonexistent/x': No such file or directory"],
  [{ backend: 'file' }, 'chardev: file: no filename given'],
  [{ backend: 'pipe' }, 'chardev: pipe: no device path given'],
  [{ backend: 'serial' }, 'chardev: serial/tty: no device path given'],
  [{ backend: 'mux' }, 'chardev: mux: no chardev given'],
  [{ backend: 'mux', chardev: 'nope' }, 'mux: base chardev nope not found'],
  [{ backend: 'udp' }, 'chardev: udp: remote port not specified'],
  [{ backend: 'udp', host: 'x', port: '' }, 'chardev: udp: remote port not specified'],
  [{ backend: 'ringbuf', size: '3' }, 'size of ringbuf chardev must be power of two'],
  [{ backend: 'memory', size: '1000' }, 'size of ringbuf chardev must be power of two'],
  [{ backend: 'msmouse' }, "'msmouse' is not a valid char driver name"],
];

for (const [options, sentence] of refusals) {
  test(`${JSON.stringify(options)}: ${sentence}`, async () => {
    const { system } = createChardevSystem();
    let message = '';
    await chardevFromOptions(system, 'a', options).catch((error: Error) => {
      message = error.message;
    });
    assert.is(message, sentence);
    assert.equal([...system.tree.chardevs.children()], []);
  });
}

test('a chardev needs an id', async () => {
  let message = '';
  await chardevFromOptions(createChardevSystem().system, undefined, { backend: 'null' }).catch((error: Error) => {
    message = error.message;
  });
  assert.is(message, 'chardev: no id specified');
});

test('mux=on puts a multiplexer on a base of its own', async () => {
  const { system } = createChardevSystem();
  const mux = await chardevFromOptions(system, 'm', { backend: 'null', mux: 'on' });
  assert.equal(
    [...system.tree.chardevs.children()].map((child) => [child.name, child.type.name]),
    [
      ['m-base', 'chardev-null'],
      ['m', 'chardev-mux'],
    ],
  );
  const [a, b] = [new Recorder(mux), new Recorder(mux)];
  assert.equal([a.length, b.length], [0, 0]);
});

test('when the multiplexer cannot be made, its base goes, too', async () => {
  const { system } = createChardevSystem();
  await chardevFromOptions(system, 'm', { backend: 'null' });
  await chardevFromOptions(system, 'm', { backend: 'null', mux: 'on' }).catch(() => {});
  assert.equal(
    [...system.tree.chardevs.children()].map((child) => child.name),
    ['m'],
  );
});

test('every option finds its place', () => {
  assert.equal(
    parseBackend('a', {
      ...{ backend: 'socket', host: 'h', port: '1', to: '9', ipv4: 'on', ipv6: 'off', server: 'yes', wait: 'no' },
      ...{ nodelay: 'on', telnet: 'on', tn3270: 'off', websocket: 'off', 'tls-creds': 't', 'tls-authz': 'z' },
      ...{ logfile: '/l', logappend: 'on', logtimestamp: 'off', 'x-clients': '5' },
    }),
    {
      type: 'socket',
      data: {
        ...{ addr: { type: 'inet', data: { host: 'h', port: '1', to: 9, ipv4: true, ipv6: false } }, server: true },
        ...{ wait: false, nodelay: true, telnet: true, tn3270: false, websocket: false, 'tls-creds': 't' },
        ...{ 'tls-authz': 'z', logfile: '/l', logappend: true, logtimestamp: false, 'x-clients': 5 },
      },
    },
  );
  assert.equal(parseBackend('a', { backend: 'socket', path: 'p', delay: 'off', 'reconnect-ms': '7', tight: 'off' }), {
    type: 'socket',
    data: {
      addr: { type: 'unix', data: { path: 'p', abstract: false, tight: false } },
      ...{ server: false, nodelay: true, 'reconnect-ms': 7 },
    },
  });
  assert.equal(parseBackend('a', { backend: 'file', path: 'o', 'input-path': 'i', append: 'on' }), {
    type: 'file',
    data: { out: 'o', in: 'i', append: true },
  });
  assert.equal(parseBackend('a', { backend: 'hub', 'chardevs.0': 'x', 'chardevs.1': 'y' }), {
    type: 'hub',
    data: { chardevs: ['x', 'y'] },
  });
  assert.equal(parseBackend('a', { backend: 'ringbuf', size: '64K' }), { type: 'ringbuf', data: { size: 65536 } });
});

test.run();

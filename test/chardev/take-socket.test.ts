import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev } from '../../src/chardev/create.js';
import { takeUnixSocket } from '../../src/chardev/take-socket.js';
import { listenUnix, UnixSocket } from '../../src/host/unix.js';
import { createChardevSystem } from '../support/chardevs.js';
import { deadline, eventually } from '../support/deadline.js';
import { scratchDir } from '../support/scratch.js';
import { thrown } from '../support/thrown.js';

const test = suite('chardev/take-socket');

test('the duplicate speaks with the peer, and the chardev reads nothing', async () => {
  const path = join(scratchDir(), 'socket');
  const server = listenUnix({ path });
  const accepted = new Promise<UnixSocket>((resolve) => server.once('connection', resolve));
  const { system } = createChardevSystem();
  const addr = { type: 'unix', data: { path } };
  const chardev = await addChardev(system, 'c', { type: 'socket', data: { addr, server: false } });
  const peer = await deadline('a connection', accepted);
  const mine = new UnixSocket(takeUnixSocket(chardev));
  const texts: string[] = [];
  peer.on('data', (data: Buffer) => texts.push(`peer: ${data}`));
  mine.on('data', (data: Buffer) => texts.push(`mine: ${data}`));
  for (let i = 0; i < 3; i++) {
    mine.write('a');
    peer.write('b');
    await eventually('both', () => texts.length === 2);
    assert.equal(texts.splice(0).sort(), ['mine: b', 'peer: a']);
  }
  assert.is(chardev.connected, true);
  assert.is((await thrown(() => takeUnixSocket(chardev))).message, "chardev 'c' is already in use");
  const ended = new Promise((resolve) => peer.resume().once('end', resolve));
  mine.destroy();
  chardev.disconnect();
  await deadline('the end', ended);
  server.close();
  await chardev.close();
});

test('a chardev that is no connected unix socket is refused', async () => {
  const { system } = createChardevSystem();
  const chardev = await addChardev(system, 'n', { type: 'null', data: {} });
  assert.is((await thrown(() => takeUnixSocket(chardev))).message, "chardev 'n' is not a connected unix socket");
});

test.run();

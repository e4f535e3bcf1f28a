import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addChardev } from '../../src/chardev/create.js';
import { createChardevSystem, pattern, Recorder, receivedBytes } from '../support/chardevs.js';
import { deadline, eventually } from '../support/deadline.js';

const test = suite('chardev/udp');

const inet = (port: number | string, host = '127.0.0.1') => ({ type: 'inet', data: { host, port: String(port) } });

async function peer() {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await deadline('the peer', once(socket, 'listening'));
  const heard: Buffer[] = [];
  socket.on('message', (data) => heard.push(data));
  return { socket, heard, port: socket.address().port };
}

test('each write is a datagram, each datagram is input, and long writes are cut', async () => {
  const { system } = createChardevSystem();
  const { socket, heard, port } = await peer();
  const chardev = await addChardev(system, 'u', { type: 'udp', data: { remote: inet(port), local: inet(0) } });
  assert.is(chardev.filename, 'udp');
  const frontend = new Recorder(chardev);
  frontend.port?.write(Buffer.from('one'));
  frontend.port?.write(Buffer.from('two'));
  await eventually('two datagrams', () => heard.length === 2);
  assert.equal(heard.map(String), ['one', 'two']);
  const long = pattern(100_000);
  frontend.port?.write(long);
  await eventually('the cut one', () => heard.length === 4);
  assert.ok(Buffer.concat(heard.slice(2)).equals(long));
  const [from] = await answered(socket, chardev);
  socket.send('back', from);
  assert.is((await receivedBytes(frontend, 4)).toString(), 'back');
  frontend.port?.pause();
  socket.send('held', from);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(frontend.text, 'back');
  frontend.port?.resume();
  await eventually('the held datagram', () => frontend.text === 'backheld');
  socket.close();
  await system.dispose();
});

/** The port that the chardev sends from. */
async function answered(socket: ReturnType<typeof createSocket>, chardev: { write(data: Uint8Array): boolean }) {
  const message = once(socket, 'message');
  chardev.write(Buffer.from('?'));
  const [, { port }] = (await deadline('a datagram', message)) as [Buffer, { port: number }];
  return [port];
}

test('other addresses than inet are refused', async () => {
  const { system } = createChardevSystem();
  let message = '';
  await addChardev(system, 'u', { type: 'udp', data: { remote: { type: 'unix', data: { path: '/x' } } } }).catch(
    (error: Error) => {
      message = error.message;
    },
  );
  assert.is(message, 'socket type unsupported for datagram');
});

test.run();

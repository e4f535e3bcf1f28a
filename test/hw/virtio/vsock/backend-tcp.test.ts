import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TcpBackend } from '../../../../src/hw/virtio/vsock/backend-tcp.js';
import { deadline, eventually } from '../../../support/deadline.js';
import { ModelGuest, vsockMachine } from '../../../support/vsock-guest.js';

const test = suite('hw/virtio/vsock/backend-tcp');

/** A port of this host that nobody has, as far as one can know. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('connections go by the tables, both ways, and a port that is in no table is refused', async () => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const listenPort = await freePort();
  const target = { host: '127.0.0.1', port: (echo.address() as AddressInfo).port };
  const backend = new TcpBackend([{ host: '127.0.0.1', port: listenPort, guestPort: 5005 }], new Map([[5006, target]]));
  const parts = vsockMachine(backend);
  await backend.listen(parts.muxer);
  const guest = new ModelGuest(parts);
  guest.listen(5005, (socket) => {
    socket.onData = (data) => socket.write(data);
  });

  const client = connect(listenPort, '127.0.0.1');
  client.write('to the guest');
  const [answer] = (await deadline('answer', once(client, 'data'))) as [Buffer];
  assert.is(answer.toString(), 'to the guest');
  client.destroy();

  const socket = guest.connect(5006);
  const data = randomBytes(300_000);
  socket.write(data);
  socket.finish();
  await eventually('echo', () => (socket.peerShut & 2) !== 0 && socket.receivedBytes === data.length, 30_000);
  assert.ok(socket.received.equals(data));
  const refused = guest.connect(5007);
  await eventually('refused', () => refused.state === 'reset');
  guest.stop();
  backend.close();
  echo.close();
});

test('an address in use is one error, and nothing stays open', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as AddressInfo;
  const free = await freePort();
  const backend = new TcpBackend(
    [
      { host: '127.0.0.1', port: free, guestPort: 1 },
      { host: '127.0.0.1', port, guestPort: 2 },
    ],
    new Map(),
  );
  const error = await backend.listen({ dial: () => {} }).catch((failure: Error) => failure.message);
  assert.is(error, `Failed to bind socket to 127.0.0.1:${port}: Address already in use`);
  const again = createServer().listen(free, '127.0.0.1');
  await deadline('listen', once(again, 'listening'));
  again.close();
  other.close();
});

test.run();

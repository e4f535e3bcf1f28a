import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { DuplexHostStream } from '../../../../src/hw/virtio/vsock/host-stream.js';
import { deadline, eventually } from '../../../support/deadline.js';

const test = suite('hw/virtio/vsock/host-stream');

/** Both ends of a TCP connection: the accepted one, and the client. */
async function connection(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await deadline('listen', once(server, 'listening'));
  const { port } = server.address() as AddressInfo;
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  const [socket] = (await deadline('a connection', once(server, 'connection'))) as [Socket];
  server.close();
  return [socket, client];
}

function record(stream: DuplexHostStream): string[] {
  const seen: string[] = [];
  stream.attach({
    data: (bytes) => seen.push(Buffer.from(bytes).toString()),
    end: () => seen.push('end'),
    written: (count) => seen.push(`written ${count}`),
    closed: (failed) => seen.push(`closed ${failed}`),
  });
  return seen;
}

const later = () => new Promise((resolve) => setTimeout(resolve, 50));

test('what came before attach() is told: data, the end, or the loss of the connection', async () => {
  for (const [act, expected] of [
    [(client: Socket) => client.end('early'), ['early', 'end']],
    [(client: Socket) => client.end(), ['end']],
    [(client: Socket) => client.resetAndDestroy(), ['closed true']],
  ] as const) {
    const [socket, client] = await connection();
    const stream = new DuplexHostStream(socket);
    act(client);
    await later();
    const seen = record(stream);
    await eventually(`${expected}`, () => seen.length >= expected.length);
    assert.equal(seen, expected);
    stream.destroy();
    client.destroy();
  }
});

test('release() delivers what was written, destroy() is told as closed and no failure', async () => {
  const [socket, client] = await connection();
  const stream = new DuplexHostStream(socket);
  const seen = record(stream);
  const received: Buffer[] = [];
  client.on('data', (data) => received.push(data));
  stream.write(Buffer.alloc(500_000, 'x'));
  stream.release();
  await deadline('the end', once(client, 'end'));
  assert.is(Buffer.concat(received).length, 500_000);
  await eventually('closed', () => seen.length === 2);
  assert.equal(seen, ['written 500000', 'closed false']);
  client.destroy();
});

test.run();

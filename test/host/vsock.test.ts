import { once } from 'node:events';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { socketPair } from '../../src/host/fd.js';
import type { HostError } from '../../src/host/libc.js';
import { connectVsock, listenVsock, VMADDR_CID_ANY, VMADDR_PORT_ANY, VsockSocket } from '../../src/host/vsock.js';
import { deadline } from '../support/deadline.js';

const test = suite('host/vsock');

/** Why this host cannot run a test, or undefined. */
function missing(): string | undefined {
  try {
    listenVsock({ port: VMADDR_PORT_ANY }).close();
    return undefined;
  } catch (error) {
    return `no AF_VSOCK here: ${(error as Error).message}`;
  }
}

/** Runs a test, or says why not. */
function vsockTest(name: string, body: () => Promise<void> | void): void {
  test(name, async () => {
    const reason = missing();
    if (reason !== undefined) console.log(`\nSKIP ${reason}`);
    else await body();
  });
}

vsockTest('a server listens on the port asked for, and the port is free again after close', async () => {
  const server = listenVsock({ port: VMADDR_PORT_ANY });
  const { cid, port } = server.address();
  assert.is(cid, VMADDR_CID_ANY);
  assert.ok(port >= 1024);
  assert.throws(
    () => listenVsock({ port }),
    (error: HostError) => error.code === 'EADDRINUSE' && error.syscall === 'bind',
  );
  server.close();
  server.close();
  await deadline('close', once(server, 'close'));
  const again = listenVsock({ port, backlog: 1 });
  assert.is(again.address().port, port);
  again.close();
});

vsockTest('a CID that is not this host is not available', () => {
  assert.throws(
    () => listenVsock({ cid: 77, port: VMADDR_PORT_ANY }),
    (error: HostError) => error.code === 'EADDRNOTAVAIL',
  );
});

vsockTest('a connection to a CID that nothing serves fails with the errno of the kernel', async () => {
  const attempt = connectVsock({ cid: 4_000_000, port: 9000, timeoutMs: 2000 });
  await deadline(
    'connect',
    attempt.then(
      () => assert.unreachable(),
      (error: HostError) => {
        assert.is(error.syscall, 'connect');
        assert.ok(['ENODEV', 'ETIMEDOUT', 'ECONNRESET', 'ENETUNREACH'].includes(error.code ?? ''), error.message);
      },
    ),
  );
});

vsockTest('a running connection attempt ends at its time-out or its abort', async () => {
  const controller = new AbortController();
  const attempt = (options: { timeoutMs?: number; signal?: AbortSignal }) =>
    connectVsock({ cid: 4_000_000, port: 9000, ...options }).then(
      () => assert.unreachable(),
      (error: HostError) => error.code,
    );
  const start = Date.now();
  const attempts = Promise.all([attempt({ timeoutMs: 100 }), attempt({ signal: controller.signal })]);
  setTimeout(() => controller.abort(), 50);
  const codes = await deadline('both attempts', attempts);
  if (codes.includes('ENODEV') || codes.includes('ENETUNREACH')) return console.log('\nSKIP refused at once here');
  assert.equal(codes, ['ETIMEDOUT', 'ECANCELED']);
  assert.ok(Date.now() - start < 1900, 'the kernel gives up after 2 s by itself');
});

vsockTest('an aborted connection attempt is cancelled', async () => {
  await deadline(
    'connect',
    connectVsock({ cid: 2, port: 9000, signal: AbortSignal.abort() }).then(
      () => assert.unreachable(),
      (error: HostError) => assert.is(error.code, 'ECANCELED'),
    ),
  );
});

test('a socket knows whom it is connected to', async () => {
  const [a, b] = socketPair();
  const socket = new VsockSocket(a, { cid: 0, port: 10_016 });
  assert.equal([socket.remoteCid, socket.remotePort], [0, 10_016]);
  const peer = new VsockSocket(b, { cid: 3, port: 1 });
  socket.end('console');
  const [data] = (await deadline('data', once(peer, 'data'))) as [Buffer];
  assert.is(data.toString(), 'console');
  socket.destroy();
  peer.destroy();
});

test.run();

import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listenVsock, VMADDR_PORT_ANY, type VsockServer } from '../../src/host/vsock.js';
import { findListener, vsockPortOwner } from '../../src/host/vsock-diag.js';
import { deadline } from '../support/deadline.js';

const test = suite('host/vsock-diag');
const DONE = 3;
const SOCK_DIAG = 20;

interface Entry {
  state: number;
  port: number;
  inode: number;
}

/** struct nlmsghdr and struct vsock_diag_msg (test/e2e/host-abi.test.ts checks the offsets against the headers). */
function message(type: number, entry?: Entry): Buffer {
  const bytes = Buffer.alloc(entry ? 48 : 20);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(type, 4);
  if (entry) {
    bytes.writeUInt8(40, 16);
    bytes.writeUInt8(entry.state, 18);
    bytes.writeUInt32LE(entry.port, 24);
    bytes.writeUInt32LE(entry.inode, 36);
  }
  return bytes;
}

test('the listener on the port is found among others', () => {
  const dump = Buffer.concat([
    message(SOCK_DIAG, { state: 1, port: 9000, inode: 1 }),
    message(SOCK_DIAG, { state: 10, port: 9001, inode: 2 }),
    message(SOCK_DIAG, { state: 10, port: 9000, inode: 0xfffffff0 }),
    message(SOCK_DIAG, { state: 10, port: 9000, inode: 4 }),
  ]);
  assert.is(findListener(dump, 9000), 0xfffffff0);
  assert.is(findListener(dump, 9001), 2);
  assert.is(findListener(dump, 9002), 'more');
  assert.is(findListener(Buffer.concat([dump, message(DONE)]), 9002), undefined);
});

test('an error message ends the search', () => {
  assert.is(findListener(message(2), 9000), undefined);
});

test('any bytes give an answer', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(), (bytes, port) => {
      const answer = findListener(Buffer.from(bytes), port);
      return answer === undefined || answer === 'more' || typeof answer === 'number';
    }),
    { numRuns: 5000 },
  );
});

test('the owner of a listening port is this process', async () => {
  let server: VsockServer;
  try {
    server = listenVsock({ port: VMADDR_PORT_ANY });
  } catch (error) {
    return console.log(`\nSKIP no AF_VSOCK here: ${(error as Error).message}`);
  }
  const { port } = server.address();
  const owner = await deadline('the owner', vsockPortOwner(port), 30_000);
  server.close();
  assert.is(await deadline('the owner', vsockPortOwner(port), 30_000), undefined);
  if (owner === undefined) return console.log('\nSKIP this kernel has no vsock_diag');
  assert.equal(owner, { pid: process.pid, comm: process.title.slice(0, 15) });
});

test.run();

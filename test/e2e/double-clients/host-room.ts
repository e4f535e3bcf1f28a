/**
 * A parent made of the host room and the driver's client, without the product's front end: starts a debug enclave,
 * answers its heartbeat, reads `argv[2]` console lines, exchanges bytes over `argv[3]` connections at once, and waits for
 * the enclave's end. Prints what the host looks like and what it saw, a JSON line each.
 */
import { once } from 'node:events';
import { ftruncateSync } from 'node:fs';
import { Enclave } from '../../../accel/nitro/enclave.js';
import { HostFacts, ioctlBlocking, watch } from '../../../src/host/api.js';
import { memfdCreate, mmap } from '../../../src/host/memory.js';
import { connectVsock, listenVsock, type VsockSocket } from '../../../src/host/vsock.js';
import { vsockPortOwner } from '../../../src/host/vsock-diag.js';

const [lines = 0, connections = 0] = process.argv.slice(2).map(Number);
const say = (name: string, value: unknown) => console.log(JSON.stringify([name, value]));

const facts = new HostFacts();
say('host', {
  device: facts.device('/dev/nitro_enclaves'),
  module: facts.nitroModuleLoaded(),
  pool: facts.nitroCpuPool(),
  threads: facts.threadsPerCore(),
  pages: facts.hugePages().map(({ size, total, free }) => ({ size, total, free })),
  nodes: facts.numaNodes(),
});

const server = listenVsock({ port: 9000 });
server.on('connection', (socket: VsockSocket) => {
  socket.once('data', (byte: Buffer) => {
    say('heartbeat', [byte[0], socket.remoteCid]);
    socket.end(byte.subarray(0, 1));
  });
});

say('owner', (await vsockPortOwner(9000))?.pid === process.pid);

const size = 128 << 20;
const fd = memfdCreate('ram', { hugePageSize: 2 << 20 });
ftruncateSync(fd, size);
const memory = mmap({ fd, size });
const enclave = await Enclave.create(Enclave.openDevice(), { ioctlBlocking, watch });
await enclave.donate({ size, address: memory.address } as Parameters<Enclave['donate']>[0]);
say('vcpus', [await enclave.addVcpu(), await enclave.addVcpu()]);
const cid = await enclave.start(true, 0n);
const end = new Promise<void>((resolve) => enclave.watchEnd(resolve));
say('cid', cid);

const serial = await connectVsock({ cid: 0, port: 10_000 + cid });
let text = '';
for await (const chunk of serial) {
  text += String(chunk);
  if (text.endsWith('\n') && text.split('\n').length > lines) break;
}
const expected = Array.from(
  { length: lines },
  (_, i) => `console line ${String(i).padStart(8, '0')} of the enclave\r\n`,
);
say('console', text === expected.join(''));

const echoed = await Promise.all(
  Array.from({ length: connections }, async (_, i) => {
    const socket = await connectVsock({ cid, port: 7000 });
    const word = `connection ${i} `.repeat(1000);
    socket.end(word);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    return answer === word;
  }),
);
say('echoed', echoed.filter(Boolean).length);
const refused = await connectVsock({ cid, port: 7001 }).catch((error: NodeJS.ErrnoException) => error.code);
say('refused', refused);
await end;
say('end', enclave.slotUid.toString());
enclave.close();
server.close();
await once(server, 'close');

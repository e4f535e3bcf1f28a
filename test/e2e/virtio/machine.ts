// A machine whose guest is a model: `machine.js PROPERTIES COMMAND...` opens the vsock backend that the machine properties
// (JSON) ask for, runs the command, a client, and ends with its status. Ports of the guest: 7000 echoes, 7001 answers with
// the SHA-256 of what it got, 7002 reads nothing, 7003 takes `dial PORT BYTES\n`: it connects to a port of the host, sends
// so many bytes and its end, and says what came back as `SHA256-SENT SHA256-RECEIVED\n`. Everything else refuses.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type VsockProperties, vsockBackendPlan } from '../../../src/hw/virtio/vsock/options.js';
import { QemuError } from '../../../src/system/errors.js';
import { eventually } from '../../support/deadline.js';
import { threadMachine } from '../../support/device-thread.js';
import { type GuestSocket, ModelGuest } from '../../support/vsock-guest.js';

const [properties = '{}', program = '', ...args] = process.argv.slice(2);
const none = {
  'vsock-uds': '',
  'vsock-forward-cid': '',
  'vsock-forward-listen': '',
  'vsock-tcp-listen': '',
  'vsock-tcp-connect': '',
};
const backend = vsockBackendPlan({ ...none, ...(JSON.parse(properties) as Partial<VsockProperties>) });
const { drivers, guest, events, failures, close } = await threadMachine([
  { kind: 'vsock', guestCid: 4, backend, heartbeat: true },
]).catch((error: unknown) => {
  if (!(error instanceof QemuError)) throw error;
  console.error(error.message);
  process.exit(2);
});
const [driver] = drivers;
if (driver === undefined) throw new Error('no driver');
const model = new ModelGuest({ driver, guest });

/** Calls back at the peer's end; nothing that comes is kept. */
function atEnd(socket: GuestSocket, work: () => void): void {
  socket.keep = false;
  socket.onEnd = work;
}

model.listen(7000, (socket) => {
  socket.onData = (data) => socket.write(data);
  atEnd(socket, () => socket.finish());
});
model.listen(7001, (socket) => {
  const hash = createHash('sha256');
  socket.onData = (data) => hash.update(data);
  atEnd(socket, () => {
    socket.write(Buffer.from(hash.digest('hex')));
    socket.finish();
  });
});
model.listen(7002, (socket) => {
  socket.stuck = true;
});
model.listen(7003, (socket) => {
  socket.onData = (data) => void dial(data.toString()).then((answer) => socket.write(Buffer.from(`${answer}\n`)));
});

async function dial(command: string): Promise<string> {
  const [, port = 0, count = 0] = command.trim().split(' ').map(Number);
  const sent = Buffer.alloc(count);
  for (let i = 0, state = port; i < count; i++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    sent[i] = state >>> 16;
  }
  const socket = model.connect(port, 3n);
  const received = createHash('sha256');
  let isOver = false;
  socket.onData = (data) => received.update(data);
  atEnd(socket, () => {
    isOver = true;
  });
  socket.write(sent);
  socket.finish();
  await eventually('the end', () => isOver || socket.state === 'reset', 60_000, 1);
  const how = isOver ? received.digest('hex') : 'reset';
  socket.close();
  return `${createHash('sha256').update(sent).digest('hex')} ${how}`;
}

const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
const [status] = (await once(child, 'exit')) as [number | null];
const unexpected = events.filter(({ type }) => type === 'fault' || type === 'suppressed');
if (unexpected.length + failures.length > 0) console.error(unexpected, failures);
model.stop();
await close();
process.exit(status ?? 1);

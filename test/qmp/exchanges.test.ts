import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recordedExchanges } from '../support/exchanges.js';
import { converse, createTestMonitor } from '../support/monitor.js';

const exchanges = suite('commands: recorded exchanges');

const monitor = await createTestMonitor();

/** A reply without what differs from run to run; lists of named things come in no promised order. */
function comparable(line: string): unknown {
  return JSON.parse(line, (key, value: unknown) => {
    if (key === 'thread-id') return '<thread>';
    if (key === 'pty') return '<pty>';
    return Array.isArray(value) ? [...value].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1)) : value;
  });
}

function nameOf(value: unknown): string {
  return typeof value === 'object' && value !== null && 'name' in value ? String(value.name) : '';
}

/** Replies that differ from those of the recorded QEMU; docs/differences-from-qemu-qmp.md says why. */
const differences: Readonly<Record<string, readonly string[] | undefined>> = {
  // PCI devices do not exist here, not even as types.
  'device_add machine without bus': [
    '{"error": {"class": "GenericError", "desc": "\'virtio-rng-pci\' is not a valid device model name"}}',
  ],
  // Two points more than QEMU has.
  'trace-event-get-state': [
    JSON.stringify({
      return: [
        'nitro_enclave_ended',
        'nitro_enclave_started',
        'nitro_heartbeat_done',
        'nitro_heartbeat_event',
        'nitro_ioctl',
        'nitro_serial_vsock_event',
      ].map((name) => ({ name, state: 'disabled' })),
    }),
  ],
};

for (const { name, negotiated, steps } of recordedExchanges()) {
  exchanges(name, async () => {
    const peer = monitor.connect();
    peer.take();
    if (negotiated) peer.negotiate();
    for (const { send, receive } of steps) {
      const lines = await converse(peer, send, receive.length);
      assert.equal(lines.map(comparable), (differences[name] ?? receive).map(comparable));
    }
  });
}

exchanges.run();

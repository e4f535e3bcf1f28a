import type { CommandResult } from '../../command-map.js';
import { int, optional, string } from '../args.js';
import { defineHmp } from '../command.js';

type Status = CommandResult<'x-query-virtio-status'>;
type QueueStatus = CommandResult<'x-query-virtio-queue-status'>;
type Element = CommandResult<'x-query-virtio-queue-element'>;

/** `name:` and its value in a column (QEMU: hw/virtio/virtio-hmp-cmds.c). */
function row(name: string, value: unknown): string {
  return `  ${`${name}:`.padEnd(24)} ${value}\n`;
}

function section(name: string, lines: readonly string[]): string {
  return `  ${name}:\n${lines.map((line) => `\t${line}\n`).join('')}`;
}

const hex = (value: unknown): string =>
  `0x${BigInt(value as number)
    .toString(16)
    .padStart(16, '0')}`;

function statusText(path: string, status: Status): string {
  return [
    `${path}:\n`,
    row('device_name', status.name),
    row('device_id', status['device-id']),
    row('vhost_started', status['vhost-started']),
    row('bus_name', status['bus-name']),
    row('broken', status.broken),
    row('disabled', status.disabled),
    row('disable_legacy_check', status['disable-legacy-check']),
    row('started', status.started),
    row('use_started', status['use-started']),
    row('start_on_kick', status['start-on-kick']),
    row('use_guest_notifier_mask', status['use-guest-notifier-mask']),
    row('vm_running', status['vm-running']),
    row('num_vqs', status['num-vqs']),
    row('queue_sel', status['queue-sel']),
    row('isr', status.isr),
    row('endianness', status['device-endian']),
    section('status', status.status.statuses),
    section('Guest features', status['guest-features'].transports),
    section('Host features', status['host-features'].transports),
    section('Backend features', status['backend-features'].transports),
  ].join('');
}

function queueText(path: string, queue: QueueStatus): string {
  return [
    `${path}:\n`,
    row('device_name', queue.name),
    row('queue_index', queue['queue-index']),
    row('inuse', queue.inuse),
    row('used_idx', queue['used-idx']),
    row('signalled_used', queue['signalled-used']),
    row('signalled_used_valid', queue['signalled-used-valid']),
    row('last_avail_idx', queue['last-avail-idx']),
    row('shadow_avail_idx', queue['shadow-avail-idx']),
    '  VRing:\n',
    row('  num', queue['vring-num']),
    row('  num_default', queue['vring-num-default']),
    row('  align', queue['vring-align']),
    row('  desc', hex(queue['vring-desc'])),
    row('  avail', hex(queue['vring-avail'])),
    row('  used', hex(queue['vring-used'])),
  ].join('');
}

function elementText(path: string, { name, index, descs, avail, used }: Element): string {
  const listed = descs.map(
    ({ addr, len, flags }) => `addr ${hex(addr)} len ${len}${flags.length > 0 ? ` (${flags.join(', ')})` : ''}`,
  );
  return [
    `${path}:\n`,
    row('device_name', name),
    row('index', index),
    section('desc', listed),
    '  avail:\n',
    row('  flags', avail.flags),
    row('  idx', avail.idx),
    row('  ring', avail.ring),
    '  used:\n',
    row('  flags', used.flags),
    row('  idx', used.idx),
  ].join('');
}

export const virtioInfo = [
  defineHmp({
    name: 'virtio',
    help: 'show the virtio devices',
    run: async ({ qmp }) => {
      const devices = await qmp('x-query-virtio');
      if (devices.length === 0) return 'No VirtIO devices\n';
      return devices.map(({ path, name }) => `${path} [${name}]\n`).join('');
    },
  }),
  defineHmp({
    name: 'virtio-status',
    usage: 'path',
    help: 'show the state of a virtio device',
    parameters: [string('path')],
    run: async ({ qmp }, { path }) => statusText(path, await qmp('x-query-virtio-status', { path })),
  }),
  defineHmp({
    name: 'virtio-queue-status',
    usage: 'path queue',
    help: 'show the state of a queue of a virtio device',
    parameters: [string('path'), int('queue')],
    run: async ({ qmp }, { path, queue }) =>
      queueText(path, await qmp('x-query-virtio-queue-status', { path, queue: Number(queue) })),
  }),
  defineHmp({
    name: 'virtio-vhost-queue-status',
    usage: 'path queue',
    help: 'show what a vhost back end has of a queue',
    parameters: [string('path'), int('queue')],
    run: async ({ qmp }, { path, queue }) =>
      void (await qmp('x-query-virtio-vhost-queue-status', { path, queue: Number(queue) })),
  }),
  defineHmp({
    name: 'virtio-queue-element',
    usage: 'path queue [index]',
    help: 'show the descriptors of an element of the available ring',
    parameters: [string('path'), int('queue'), optional(int('index'))],
    run: async ({ qmp }, { path, queue, index }) => {
      const more = index === undefined ? {} : { index: Number(index) };
      return elementText(path, await qmp('x-query-virtio-queue-element', { path, queue: Number(queue), ...more }));
    },
  }),
];

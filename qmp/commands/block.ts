import { findDevice } from '../../src/qdev/device-add.js';
import { bool, enumeration, int, list, optional, str, struct } from '../../src/qom/qapi.js';
import { deviceNotFound, QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';

// These machines have no block devices and no block layer: queries answer with empty lists, and commands that name a
// device or node do not find it. Of the types of list elements only the identifying members are declared.
const BlockInfo = struct('BlockInfo', { device: str, type: str, removable: bool, locked: bool });
const BlockStats = struct('BlockStats', { device: optional(str), 'node-name': optional(str) });
const BlockDeviceInfo = struct('BlockDeviceInfo', { file: str, 'node-name': str, ro: bool, drv: str });
const BlockJobInfo = struct('BlockJobInfo', { device: str, len: int, offset: int, busy: bool, paused: bool });
const BlockExportInfo = struct('BlockExportInfo', { id: str, 'node-name': str, 'shutting-down': bool });
const JobInfo = struct('JobInfo', { id: str, 'current-progress': int, 'total-progress': int });
/** No driver is built in, so that every value of `driver` is refused. */
const BlockdevDriver = enumeration('BlockdevDriver', []);
const BlockdevOptions = struct('BlockdevOptions', {
  driver: BlockdevDriver,
  'node-name': optional(str),
  discard: optional(enumeration('BlockdevDiscardOptions', ['ignore', 'unmap'])),
  cache: optional(struct('BlockdevCacheOptions', { direct: optional(bool), 'no-flush': optional(bool) })),
  active: optional(bool),
  'read-only': optional(bool),
  'auto-read-only': optional(bool),
  'force-share': optional(bool),
  'detect-zeroes': optional(enumeration('BlockdevDetectZeroesOptions', ['off', 'on', 'unmap'])),
});

const device = struct('BlockJobDevice', { device: str });
const job = struct('JobId', { id: str });

function blockJobNotFound(id: string): QemuError {
  return new QemuError(`Block job '${id}' not found`, { errorClass: 'DeviceNotActive' });
}

const blockJobCommands = (
  [
    ['block-job-pause', 'Pauses a job on a block device; fails, since none runs.'],
    ['block-job-resume', 'Lets a paused job on a block device go on; fails, since none runs.'],
    ['block-job-complete', 'Ends a job on a block device that waits for it; fails, since none runs.'],
  ] as const
).map(([name, doc]) =>
  defineCommand({
    name,
    doc,
    args: device,
    features: ['deprecated'],
    allowPreconfig: true,
    handler: (_, args) => {
      throw blockJobNotFound(args.device);
    },
  }),
);

const jobCommands = (
  [
    ['job-pause', 'Pauses a job; fails, since none runs.'],
    ['job-resume', 'Lets a paused job go on; fails, since none runs.'],
    ['job-cancel', 'Cancels a job; fails, since none runs.'],
    ['job-complete', 'Ends a job that waits for it; fails, since none runs.'],
    ['job-dismiss', 'Forgets a job that has ended; fails, since there is none.'],
    ['job-finalize', 'Makes the effect of a job final; fails, since there is none.'],
  ] as const
).map(([name, doc]) =>
  defineCommand({
    name,
    doc,
    args: job,
    allowPreconfig: true,
    handler: () => {
      throw new QemuError('Job not found');
    },
  }),
);

export const commands = [
  defineCommand({
    name: 'query-block',
    doc: 'Lists block devices; empty.',
    returns: list(BlockInfo),
    allowPreconfig: true,
    handler: () => [],
  }),

  defineCommand({
    name: 'query-blockstats',
    doc: 'Lists statistics of block devices; empty.',
    args: struct('query-blockstats', { 'query-nodes': optional(bool) }),
    returns: list(BlockStats),
    allowPreconfig: true,
    handler: () => [],
  }),

  defineCommand({
    name: 'query-named-block-nodes',
    doc: 'Lists nodes of the block graph; empty.',
    args: struct('query-named-block-nodes', { flat: optional(bool) }),
    returns: list(BlockDeviceInfo),
    allowPreconfig: true,
    handler: () => [],
  }),

  defineCommand({
    name: 'query-block-jobs',
    doc: 'Lists jobs on block devices; empty.',
    returns: list(BlockJobInfo),
    allowPreconfig: true,
    handler: () => [],
  }),
  defineCommand({
    name: 'query-block-exports',
    doc: 'Lists exported block nodes; empty.',
    returns: list(BlockExportInfo),
    allowPreconfig: true,
    handler: () => [],
  }),
  defineCommand({
    name: 'query-jobs',
    doc: 'Lists background jobs; empty.',
    returns: list(JobInfo),
    allowPreconfig: true,
    handler: () => [],
  }),

  defineCommand({
    name: 'blockdev-add',
    doc: 'Makes a block node; fails, since no driver is there.',
    args: BlockdevOptions,
    allowPreconfig: true,
    handler: () => {},
  }),

  defineCommand({
    name: 'blockdev-del',
    doc: 'Deletes a block node; fails, since none exists.',
    args: struct('blockdev-del', { 'node-name': str }),
    allowPreconfig: true,
    handler: (_, args) => {
      throw new QemuError(`Failed to find node with node-name='${args['node-name']}'`);
    },
  }),

  defineCommand({
    name: 'block_resize',
    doc: 'Changes the size of a block device; fails, since none exists.',
    args: struct('block_resize', { device: optional(str), 'node-name': optional(str), size: int }),
    allowPreconfig: true,
    handler: (_, args) => {
      throw new QemuError(`Cannot find device='${args.device ?? ''}' nor node-name='${args['node-name'] ?? ''}'`);
    },
  }),

  defineCommand({
    name: 'eject',
    doc: 'Takes the medium out of a drive; fails, since none exists.',
    args: struct('eject', { device: optional(str, ['deprecated']), id: optional(str), force: optional(bool) }),
    handler: ({ system }, { device, id }) => {
      if ((device === undefined) === (id === undefined)) {
        throw new QemuError("Need exactly one of 'device' and 'id'");
      }
      if (id === undefined) throw deviceNotFound(device ?? '');
      findDevice(system, system.tree.root, id);
      throw new QemuError('Device does not have a block device backend');
    },
  }),

  defineCommand({
    name: 'block-job-cancel',
    doc: 'Cancels a job on a block device; fails, since none runs.',
    args: struct('block-job-cancel', { device: str, force: optional(bool) }),
    allowPreconfig: true,
    handler: (_, args) => {
      throw blockJobNotFound(args.device);
    },
  }),

  defineCommand({
    name: 'block-job-set-speed',
    doc: 'Limits the speed of a job on a block device; fails, since none runs.',
    args: struct('block-job-set-speed', { device: str, speed: int }),
    allowPreconfig: true,
    handler: (_, args) => {
      throw blockJobNotFound(args.device);
    },
  }),

  ...blockJobCommands,
  ...jobCommands,
];

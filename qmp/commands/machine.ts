import { accessSync, constants } from 'node:fs';
import {
  bool,
  enumeration,
  int,
  list,
  optional,
  size,
  str,
  struct,
  uint8,
  uint16,
  uint32,
  uint64,
  union,
} from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { machineData } from '../../src/system/machine.js';
import { defineCommand } from '../command.js';
import { CpuInstanceProperties, SysEmuTarget } from '../types.js';

const NameInfo = struct('NameInfo', { name: optional(str) });
const UuidInfo = struct('UuidInfo', { UUID: str });
const TargetInfo = struct('TargetInfo', { arch: SysEmuTarget });

const CompatProperty = struct('CompatProperty', { 'qom-type': str, property: str, value: str });
const MachineInfo = struct('MachineInfo', {
  name: str,
  alias: optional(str),
  'is-default': optional(bool),
  'cpu-max': int,
  'hotpluggable-cpus': bool,
  'numa-mem-supported': bool,
  deprecated: bool,
  'default-cpu-type': optional(str),
  'default-ram-id': optional(str),
  acpi: bool,
  'compat-props': optional(list(CompatProperty), ['unstable']),
});

const KvmInfo = struct('KvmInfo', { enabled: bool, present: bool });
/** QEMU's accelerators that this program has, and `nitro`. */
const accelerators = ['kvm', 'nitro', 'qtest', 'tcg'] as const;
const Accelerator = enumeration('Accelerator', accelerators);
const AcceleratorInfo = struct('AcceleratorInfo', { enabled: Accelerator, present: list(Accelerator) });

const CpuInfoFast = struct('CpuInfoFast', {
  'cpu-index': int,
  'qom-type': str,
  'qom-path': str,
  'thread-id': int,
  props: optional(CpuInstanceProperties),
  target: SysEmuTarget,
});
const HotpluggableCPU = struct('HotpluggableCPU', {
  type: str,
  'vcpus-count': int,
  props: CpuInstanceProperties,
  'qom-path': optional(str),
});

const MemoryInfo = struct('MemoryInfo', { 'base-memory': uint64, 'plugged-memory': optional(uint64) });
/** No memory device exists here, so the union has no branch. */
const MemoryDeviceInfo = struct('MemoryDeviceInfo', { type: enumeration('MemoryDeviceInfoKind', []) });

const NumaOptions = union(
  'NumaOptions',
  { type: enumeration('NumaOptionsType', ['node', 'dist', 'cpu', 'hmat-lb', 'hmat-cache']) },
  'type',
  {
    node: struct('NumaNodeOptions', {
      nodeid: optional(uint16),
      cpus: optional(list(uint16)),
      mem: optional(size),
      memdev: optional(str),
      initiator: optional(uint16),
    }),
    dist: struct('NumaDistOptions', { src: uint16, dst: uint16, val: uint8 }),
    cpu: CpuInstanceProperties,
    'hmat-lb': struct('NumaHmatLBOptions', {
      initiator: uint16,
      target: uint16,
      hierarchy: enumeration('HmatLBMemoryHierarchy', ['memory', 'first-level', 'second-level', 'third-level']),
      'data-type': enumeration('HmatLBDataType', [
        'access-latency',
        'read-latency',
        'write-latency',
        'access-bandwidth',
        'read-bandwidth',
        'write-bandwidth',
      ]),
      latency: optional(uint64),
      bandwidth: optional(size),
    }),
    'hmat-cache': struct('NumaHmatCacheOptions', {
      'node-id': uint32,
      size,
      level: uint8,
      associativity: enumeration('HmatCacheAssociativity', ['none', 'direct', 'complex']),
      policy: enumeration('HmatCacheWritePolicy', ['none', 'write-back', 'write-through']),
      line: uint16,
    }),
  },
);

export const commands = [
  defineCommand({
    name: 'query-name',
    doc: 'Tells the name given with `-name`.',
    returns: NameInfo,
    allowPreconfig: true,
    handler: ({ system: { settings } }) => (settings.name === undefined ? {} : { name: settings.name }),
  }),

  defineCommand({
    name: 'query-uuid',
    doc: 'Tells the UUID given with `-uuid`.',
    returns: UuidInfo,
    allowPreconfig: true,
    handler: ({ system }) => ({ UUID: system.settings.uuid }),
  }),

  defineCommand({
    name: 'query-target',
    doc: 'Tells the architecture of the guest.',
    returns: TargetInfo,
    handler: ({ system }) => ({ arch: system.settings.arch }),
  }),

  defineCommand({
    name: 'query-machines',
    doc: 'Lists the machine types.',
    args: struct('query-machines', { 'compat-props': optional(bool, ['unstable']) }),
    returns: list(MachineInfo),
    handler: async ({ system }, args) => {
      await system.needTypes();
      return system.types.list('machine').map((type) => {
        const { maxCpus, acpi, defaultCpuType, reportedRamId } = machineData(type);
        return {
          name: type.name.replace(/-machine$/, ''),
          'cpu-max': maxCpus,
          'hotpluggable-cpus': false,
          'numa-mem-supported': false,
          deprecated: false,
          acpi: acpi ?? false,
          ...(defaultCpuType === undefined ? {} : { 'default-cpu-type': defaultCpuType }),
          ...(reportedRamId === undefined ? {} : { 'default-ram-id': reportedRamId }),
          ...(args['compat-props'] === true ? { 'compat-props': [] } : {}),
        };
      });
    },
  }),

  defineCommand({
    name: 'query-kvm',
    doc: 'Tells whether KVM is in use, and whether the host lets it be used.',
    returns: KvmInfo,
    // libvirt compares `present` with its own check of /dev/kvm on every look-up.
    handler: ({ system }) => ({ enabled: system.accel?.acceleratorName === 'kvm', present: kvmOpens() }),
  }),

  defineCommand({
    name: 'query-accelerators',
    doc: 'Tells which accelerators there are and which is in use.',
    returns: AcceleratorInfo,
    handler: async ({ system }) => {
      await system.needTypes();
      const present = accelerators.filter((name) => system.types.get(`${name}-accel`) !== undefined);
      const enabled = present.find((name) => name === system.accel?.acceleratorName);
      return { enabled: enabled ?? 'tcg', present };
    },
  }),

  defineCommand({
    name: 'query-cpus-fast',
    doc: 'Lists the virtual CPUs without disturbing them.',
    returns: list(CpuInfoFast),
    handler: ({ system }) =>
      system.machine.cpus().map(({ index, object, threadId, props }) => ({
        'cpu-index': index,
        'qom-type': object.type.name,
        'qom-path': object.canonicalPath,
        'thread-id': threadId,
        ...(props === undefined ? {} : { props }),
        target: system.settings.arch,
      })),
  }),

  defineCommand({
    name: 'query-hotpluggable-cpus',
    doc: 'Lists CPUs that can be plugged in; fails, since no machine here takes any.',
    returns: list(HotpluggableCPU),
    allowPreconfig: true,
    handler: () => {
      throw new QemuError('machine does not support hot-plugging CPUs');
    },
  }),

  defineCommand({
    name: 'query-memory-devices',
    doc: 'Lists memory devices; empty.',
    returns: list(MemoryDeviceInfo),
    handler: () => [],
  }),

  defineCommand({
    name: 'query-memory-size-summary',
    doc: 'Tells how much memory the machine has.',
    returns: MemoryInfo,
    handler: ({ system }) => ({ 'base-memory': system.machine.effectiveRamSize, 'plugged-memory': 0 }),
  }),

  defineCommand({
    name: 'set-numa-node',
    doc: 'Sets up NUMA before the machine is built; fails, since no machine here has it.',
    args: NumaOptions,
    allowPreconfig: true,
    handler: ({ system }) => {
      if (system.phase !== 'preconfig') {
        throw new QemuError('The command is permitted only before the machine has been created');
      }
      throw new QemuError('NUMA is not supported by this machine-type');
    },
  }),
];

function kvmOpens(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

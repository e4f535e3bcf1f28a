import {
  alternate,
  bool,
  enumeration,
  type Infer,
  list,
  nil,
  optional,
  size,
  str,
  struct,
  uint8,
  uint32,
  uint64,
} from '../src/qom/qapi.js';
import type { System } from '../src/system/system.js';

const unstable = ['unstable'];

export const migrationCapabilities = [
  'xbzrle',
  'rdma-pin-all',
  'auto-converge',
  'events',
  'postcopy-ram',
  'x-colo',
  'release-ram',
  'return-path',
  'pause-before-switchover',
  'multifd',
  'dirty-bitmaps',
  'postcopy-blocktime',
  'late-block-activate',
  'x-ignore-shared',
  'validate-uuid',
  'background-snapshot',
  'zero-copy-send',
  'postcopy-preempt',
  'switchover-ack',
  'dirty-limit',
  'mapped-ram',
] as const;

const MigrationCapability = enumeration('MigrationCapability', migrationCapabilities, {
  'x-colo': unstable,
  'x-ignore-shared': unstable,
});

export const MigrationCapabilityStatus = struct('MigrationCapabilityStatus', {
  capability: MigrationCapability,
  state: bool,
});

const MultiFDCompression = enumeration('MultiFDCompression', ['none', 'zlib']);
const MigMode = enumeration('MigMode', ['normal', 'cpr-reboot', 'cpr-transfer', 'cpr-exec']);
const ZeroPageDetection = enumeration('ZeroPageDetection', ['none', 'legacy', 'multifd']);
const StrOrNull = alternate<string | null>('StrOrNull', [str, nil]);

/** Settings of a migration; there are no block devices, hence no block-bitmap-mapping. */
export const MigrationParameters = struct('MigrationParameters', {
  'announce-initial': optional(size),
  'announce-max': optional(size),
  'announce-rounds': optional(size),
  'announce-step': optional(size),
  'throttle-trigger-threshold': optional(uint8),
  'cpu-throttle-initial': optional(uint8),
  'cpu-throttle-increment': optional(uint8),
  'cpu-throttle-tailslow': optional(bool),
  'tls-creds': optional(StrOrNull),
  'tls-hostname': optional(StrOrNull),
  'tls-authz': optional(StrOrNull),
  'max-bandwidth': optional(size),
  'avail-switchover-bandwidth': optional(size),
  'downtime-limit': optional(uint64),
  'x-checkpoint-delay': optional(uint32, unstable),
  'multifd-channels': optional(uint8),
  'xbzrle-cache-size': optional(size),
  'max-postcopy-bandwidth': optional(size),
  'max-cpu-throttle': optional(uint8),
  'multifd-compression': optional(MultiFDCompression),
  'multifd-zlib-level': optional(uint8),
  'multifd-qatzip-level': optional(uint8),
  'multifd-zstd-level': optional(uint8),
  'x-vcpu-dirty-limit-period': optional(uint64, unstable),
  'vcpu-dirty-limit': optional(uint64),
  mode: optional(MigMode),
  'zero-page-detection': optional(ZeroPageDetection),
  'direct-io': optional(bool),
  'cpr-exec-command': optional(list(str)),
});

/** The values of a fresh QEMU 10.2. */
function defaultParameters(): Infer<typeof MigrationParameters> {
  return {
    'announce-initial': 50,
    'announce-max': 550,
    'announce-rounds': 5,
    'announce-step': 100,
    'throttle-trigger-threshold': 50,
    'cpu-throttle-initial': 20,
    'cpu-throttle-increment': 10,
    'cpu-throttle-tailslow': false,
    'tls-creds': '',
    'tls-hostname': '',
    'tls-authz': '',
    'max-bandwidth': 134217728,
    'avail-switchover-bandwidth': 0,
    'downtime-limit': 300,
    'x-checkpoint-delay': 20000,
    'multifd-channels': 2,
    'xbzrle-cache-size': 67108864,
    'max-postcopy-bandwidth': 0,
    'max-cpu-throttle': 99,
    'multifd-compression': 'none',
    'multifd-zlib-level': 1,
    'multifd-qatzip-level': 1,
    'multifd-zstd-level': 1,
    'x-vcpu-dirty-limit-period': 1000,
    'vcpu-dirty-limit': 1,
    mode: 'normal',
    'zero-page-detection': 'multifd',
    'direct-io': false,
    'cpr-exec-command': [],
  };
}

interface MigrationSettings {
  readonly capabilities: Map<Infer<typeof MigrationCapability>, boolean>;
  readonly parameters: Infer<typeof MigrationParameters>;
}

const ofSystem = new WeakMap<System, MigrationSettings>();

/** What migrate-set-* has set in this process. */
export function migrationSettings(system: System): MigrationSettings {
  let settings = ofSystem.get(system);
  if (settings === undefined) {
    settings = {
      capabilities: new Map(migrationCapabilities.map((name) => [name, false])),
      parameters: defaultParameters(),
    };
    ofSystem.set(system, settings);
  }
  return settings;
}

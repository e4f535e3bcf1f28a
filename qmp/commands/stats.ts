import { enumeration, list, optional, str, struct, union } from '../../src/qom/qapi.js';
import type { JsonObject } from '../../src/system/json.js';
import { defineCommand } from '../command.js';

// Statistics come from KVM and crypto devices in QEMU; no provider exists here yet.
const StatsProvider = enumeration('StatsProvider', ['kvm', 'cryptodev']);
const StatsTarget = enumeration('StatsTarget', ['vm', 'vcpu', 'cryptodev']);
const StatsRequest = struct('StatsRequest', { provider: StatsProvider, names: optional(list(str)) });
const StatsFilter = union<JsonObject>(
  'StatsFilter',
  { target: StatsTarget, providers: optional(list(StatsRequest)) },
  'target',
  { vcpu: struct('StatsVCPUFilter', { vcpus: optional(list(str)) }) },
);
const StatsResult = struct('StatsResult', { provider: StatsProvider, 'qom-path': optional(str) });
const StatsSchema = struct('StatsSchema', { provider: StatsProvider, target: StatsTarget });

export const commands = [
  defineCommand({
    name: 'query-stats',
    doc: 'Gives statistics; empty, since nothing provides any.',
    args: StatsFilter,
    returns: list(StatsResult),
    handler: () => [],
  }),

  defineCommand({
    name: 'query-stats-schemas',
    doc: 'Describes the statistics; empty, since nothing provides any.',
    args: struct('query-stats-schemas', { provider: optional(StatsProvider) }),
    returns: list(StatsSchema),
    handler: () => [],
  }),
];

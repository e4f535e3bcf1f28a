import { enumeration, int, list, optional, size, str, struct } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';
import { MigrationCapabilityStatus, MigrationParameters, migrationSettings } from '../migration.js';

// Enclaves cannot be migrated: what they are set up with can be asked and set, as management programs do at every start.

/** Nothing has ever been migrated, so that no member is sent. */
const MigrationInfo = struct('MigrationInfo', { 'blocked-reasons': optional(list(str)) });

const COLOMode = enumeration('COLOMode', ['none', 'primary', 'secondary']);
const COLOExitReason = enumeration('COLOExitReason', ['none', 'request', 'error', 'processing']);
const COLOStatus = struct('COLOStatus', { mode: COLOMode, 'last-mode': COLOMode, reason: COLOExitReason });

const DirtyRateStatus = enumeration('DirtyRateStatus', ['unstarted', 'measuring', 'measured']);
const TimeUnit = enumeration('TimeUnit', ['second', 'millisecond']);
const DirtyRateMeasureMode = enumeration('DirtyRateMeasureMode', ['page-sampling', 'dirty-ring', 'dirty-bitmap']);
const DirtyRateInfo = struct('DirtyRateInfo', {
  status: DirtyRateStatus,
  'start-time': int,
  'calc-time': int,
  'calc-time-unit': TimeUnit,
  'sample-pages': int,
  mode: DirtyRateMeasureMode,
});
const DirtyLimitInfo = struct('DirtyLimitInfo', { 'cpu-index': int, 'limit-rate': size, 'current-rate': size });

const ReplayMode = enumeration('ReplayMode', ['none', 'record', 'play']);
const ReplayInfo = struct('ReplayInfo', { mode: ReplayMode, filename: optional(str), icount: int });

export const commands = [
  defineCommand({
    name: 'query-migrate',
    doc: 'Tells the state of a migration; empty, since none ever begins.',
    returns: MigrationInfo,
    handler: () => ({}),
  }),

  defineCommand({
    name: 'query-migrate-capabilities',
    doc: 'Lists the migration capabilities and whether they are on.',
    returns: list(MigrationCapabilityStatus),
    handler: ({ system }) =>
      [...migrationSettings(system).capabilities].map(([capability, state]) => ({ state, capability })),
  }),

  defineCommand({
    name: 'migrate-set-capabilities',
    doc: 'Switches migration capabilities; they are kept and have no effect.',
    args: struct('migrate-set-capabilities', { capabilities: list(MigrationCapabilityStatus) }),
    handler: ({ system }, { capabilities }) => {
      const settings = migrationSettings(system).capabilities;
      for (const { capability, state } of capabilities) settings.set(capability, state);
    },
  }),

  defineCommand({
    name: 'query-migrate-parameters',
    doc: 'Tells the migration parameters.',
    returns: MigrationParameters,
    handler: ({ system }) => migrationSettings(system).parameters,
  }),

  defineCommand({
    name: 'migrate-set-parameters',
    doc: 'Sets migration parameters; they are kept and have no effect.',
    args: MigrationParameters,
    handler: ({ system }, given) => {
      const { parameters } = migrationSettings(system);
      // null clears a TLS setting; the query tells that as ''.
      for (const [name, value] of Object.entries(given)) Object.assign(parameters, { [name]: value ?? '' });
    },
  }),

  defineCommand({
    name: 'migrate_cancel',
    doc: 'Cancels the migration under way; there never is one.',
    handler: () => {},
  }),

  defineCommand({
    name: 'migrate-pause',
    doc: 'Interrupts a post-copy migration; fails, since there is none.',
    allowOob: true,
    handler: () => {
      throw new QemuError('migrate-pause is currently only supported during postcopy-active or postcopy-recover state');
    },
  }),

  defineCommand({
    name: 'migrate-recover',
    doc: 'Takes up an interrupted migration; fails, since there is none.',
    args: struct('migrate-recover', { uri: str }),
    allowOob: true,
    handler: () => {
      throw new QemuError('Migrate recover can only be run when postcopy is paused.');
    },
  }),

  defineCommand({
    name: 'query-colo-status',
    doc: 'Tells the state of COLO: not in use.',
    returns: COLOStatus,
    handler: () => ({ 'last-mode': 'none' as const, mode: 'none' as const, reason: 'none' as const }),
  }),

  defineCommand({
    name: 'query-dirty-rate',
    doc: 'Tells the rate at which memory changes: never measured.',
    args: struct('query-dirty-rate', { 'calc-time-unit': optional(TimeUnit) }),
    returns: DirtyRateInfo,
    handler: (_, args) => ({
      status: 'unstarted' as const,
      'sample-pages': 0,
      mode: 'page-sampling' as const,
      'calc-time-unit': args['calc-time-unit'] ?? ('second' as const),
      'start-time': 0,
      'calc-time': 0,
    }),
  }),

  defineCommand({
    name: 'query-vcpu-dirty-limit',
    doc: 'Lists limits on the rate at which CPUs change memory; empty.',
    returns: list(DirtyLimitInfo),
    handler: () => [],
  }),

  defineCommand({
    name: 'query-replay',
    doc: 'Tells the state of record and replay: not in use.',
    returns: ReplayInfo,
    handler: () => ({ icount: 0, mode: 'none' as const }),
  }),
];

import { any, enumeration, int, optional, str, struct } from '../src/qom/qapi.js';

/** Types that several commands and events share; names and members are QEMU's (qapi/*.json). */

export const HumanReadableText = struct('HumanReadableText', { 'human-readable-text': str });

export const ShutdownCause = enumeration('ShutdownCause', [
  'none',
  'host-error',
  'host-qmp-quit',
  'host-qmp-system-reset',
  'host-signal',
  'host-ui',
  'guest-shutdown',
  'guest-reset',
  'guest-panic',
  'subsystem-reset',
  'snapshot-load',
]);

export const ObjectPropertyInfo = struct('ObjectPropertyInfo', {
  name: str,
  type: str,
  description: optional(str),
  'default-value': optional(any),
});

export const CpuInstanceProperties = struct('CpuInstanceProperties', {
  'node-id': optional(int),
  'drawer-id': optional(int),
  'book-id': optional(int),
  'socket-id': optional(int),
  'die-id': optional(int),
  'cluster-id': optional(int),
  'module-id': optional(int),
  'core-id': optional(int),
  'thread-id': optional(int),
});

/** The targets this program emulates. */
export const SysEmuTarget = enumeration('SysEmuTarget', ['aarch64', 'x86_64']);

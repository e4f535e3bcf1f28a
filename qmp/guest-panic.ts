import { enumeration, optional, str, struct, uint32, uint64, union } from '../src/qom/qapi.js';

// What events about a panic say (qapi/run-state.json). No guest here tells more than that it has panicked.

const S390CrashReason = enumeration('S390CrashReason', [
  'unknown',
  'disabled-wait',
  'extint-loop',
  'pgmint-loop',
  'opint-loop',
]);

const GuestPanicInformation = union(
  'GuestPanicInformation',
  { type: enumeration('GuestPanicInformationType', ['hyper-v', 's390', 'tdx', 'sev']) },
  'type',
  {
    'hyper-v': struct('GuestPanicInformationHyperV', {
      arg1: uint64,
      arg2: uint64,
      arg3: uint64,
      arg4: uint64,
      arg5: uint64,
    }),
    s390: struct('GuestPanicInformationS390', {
      core: uint32,
      'psw-mask': uint64,
      'psw-addr': uint64,
      reason: S390CrashReason,
    }),
    tdx: struct('GuestPanicInformationTdx', { 'error-code': uint32, message: str, gpa: optional(uint64) }),
    sev: struct('GuestPanicInformationSev', { set: uint32, code: uint32 }),
  },
);

export const GuestPanic = struct('GuestPanic', {
  action: enumeration('GuestPanicAction', ['pause', 'poweroff', 'run']),
  info: optional(GuestPanicInformation),
});

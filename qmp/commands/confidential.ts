import { accessSync } from 'node:fs';
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
  uint32,
  uint64,
  union,
} from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { osErrorText } from '../../src/system/os-error.js';
import { defineCommand } from '../command.js';

const SevState = enumeration('SevState', [
  'uninit',
  'launch-update',
  'launch-secret',
  'running',
  'send-update',
  'receive-update',
]);
const SevGuestType = enumeration('SevGuestType', ['sev']);
interface SevInfoValue {
  enabled: boolean;
  'api-major': number;
  'api-minor': number;
  'build-id': number;
  state: 'uninit';
  'sev-type': 'sev';
  policy: number;
  handle: number;
}
const SevInfo = union<SevInfoValue>(
  'SevInfo',
  {
    enabled: bool,
    'api-major': uint8,
    'api-minor': uint8,
    'build-id': uint8,
    state: SevState,
    'sev-type': SevGuestType,
  },
  'sev-type',
  { sev: struct('SevGuestInfo', { policy: uint32, handle: uint32 }) },
);
const SevLaunchMeasureInfo = struct('SevLaunchMeasureInfo', { data: str });
const SevCapability = struct('SevCapability', {
  pdh: str,
  'cert-chain': str,
  'cpu0-id': str,
  cbitpos: int,
  'reduced-phys-bits': int,
});
const SevAttestationReport = struct('SevAttestationReport', { data: str });
const SgxEpcSection = struct('SgxEpcSection', { node: int, size });
const SgxInfo = struct('SgxInfo', { sgx: bool, sgx1: bool, sgx2: bool, flc: bool, sections: list(SgxEpcSection) });

export const commands = [
  defineCommand({
    name: 'query-sev',
    doc: 'Tells the state of AMD SEV: not in use.',
    returns: SevInfo,
    handler: () => ({
      enabled: false,
      'api-major': 0,
      'api-minor': 0,
      'build-id': 0,
      state: 'uninit' as const,
      'sev-type': 'sev' as const,
      policy: 0,
      handle: 0,
    }),
  }),

  defineCommand({
    name: 'query-sev-capabilities',
    doc: "Tells what the host's AMD SEV offers; fails, since it is not used.",
    returns: SevCapability,
    handler: ({ system }) => {
      const kvm = system.accel?.acceleratorName === 'kvm';
      throw new QemuError(kvm ? 'SEV is not enabled in KVM' : 'KVM not enabled');
    },
  }),

  defineCommand({
    name: 'query-sev-launch-measure',
    doc: 'Gives the measurement of an SEV launch; fails, since there was none.',
    returns: SevLaunchMeasureInfo,
    handler: () => {
      throw new QemuError('SEV launch measurement is not available');
    },
  }),

  defineCommand({
    name: 'query-sev-attestation-report',
    doc: 'Gives an SEV attestation report; fails, since SEV is not in use.',
    args: struct('query-sev-attestation-report', { mnonce: str }),
    returns: SevAttestationReport,
    handler: () => {
      throw new QemuError('SEV is not enabled');
    },
  }),

  defineCommand({
    name: 'sev-inject-launch-secret',
    doc: 'Puts a secret into an SEV guest; fails, since the guest is none.',
    args: struct('sev-inject-launch-secret', { 'packet-header': str, secret: str, gpa: optional(uint64) }),
    handler: () => {
      throw new QemuError('SEV not enabled for guest');
    },
  }),

  defineCommand({
    name: 'query-sgx',
    doc: 'Tells the SGX settings of the machine; fails, since no machine here has any.',
    returns: SgxInfo,
    handler: () => {
      throw new QemuError('SGX is only supported on PC machines');
    },
  }),

  defineCommand({
    name: 'query-sgx-capabilities',
    doc: "Tells what the host's SGX offers; fails, since it is not used.",
    returns: SgxInfo,
    handler: () => {
      const device = '/dev/sgx_vepc';
      try {
        accessSync(device);
      } catch (error) {
        throw new QemuError(`Could not open '${device}': ${osErrorText(error)}`);
      }
      throw new QemuError('SGX is not enabled in KVM');
    },
  }),
];

import { faultNames } from '../../src/attestation/faults.js';
import { turnOn } from '../../src/hw/nitro/inject.js';
import {
  bool,
  enumeration,
  type Infer,
  int32,
  list,
  optional,
  size,
  str,
  struct,
  uint8,
  uint32,
} from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import type { EnclaveView, NsmView } from '../../src/system/machine.js';
import type { System } from '../../src/system/system.js';
import { defineCommand } from '../command.js';

const NitroImageSection = struct('NitroImageSection', { type: str, offset: size, size });

const NitroImage = struct('NitroImage', {
  file: str,
  format: enumeration('NitroImageFormat', ['eif', 'kernel']),
  size,
  crc32: uint32,
  sections: list(NitroImageSection),
  warnings: list(str),
});

const NitroFault = enumeration('NitroFault', faultNames);
/** A fault that is on; without `count` until it is turned off. */
const NitroActiveFault = struct('NitroActiveFault', { fault: NitroFault, value: int32, count: optional(uint32) });

/** Without `attestation` and `faults` the module is the Nitro Hypervisor's. */
const NitroEnclave = struct('NitroEnclave', {
  running: bool,
  cid: uint32,
  'debug-mode': bool,
  image: NitroImage,
  attestation: optional(enumeration('NitroAttestation', ['signed', 'unsigned'])),
  faults: optional(list(NitroActiveFault)),
});

/**
 * `value` is what an attestation document of the enclave shows, `image` what its image measures to, both hexadecimal;
 * `note` tells why they differ.
 */
const NitroPcr = struct('NitroPcr', {
  index: uint8,
  value: str,
  locked: optional(bool),
  image: optional(str),
  note: optional(str),
});
type NitroPcr = Infer<typeof NitroPcr>;

const NitroAttestationRoot = struct('NitroAttestationRoot', { certificate: str });

/** @throws QemuError on a machine without an enclave */
function enclaveOf(system: System): EnclaveView {
  const { enclave } = system.machine;
  if (enclave === undefined) throw new QemuError('this machine has no enclave');
  return enclave;
}

/** @throws QemuError where the Nitro Hypervisor has the module */
function nsmOf(system: System): NsmView {
  const { nsm } = enclaveOf(system);
  if (nsm === undefined) throw new QemuError('the module of this enclave is in the Nitro Hypervisor');
  return nsm;
}

/** Why a register is not what the image measures to. */
function difference(debugMode: boolean, value: Uint8Array, image: Uint8Array | undefined): { note?: string } {
  if (image === undefined || Buffer.compare(value, image) === 0) return {};
  if (debugMode) return { note: 'debug mode shows zeros' };
  return { note: 'the image file has changed since the start, or more than the image was measured (-initrd)' };
}

/** Registers that the hypervisor has, as far as the image tells: zeros for an enclave in debug mode. */
function hypervisorPcrs(debugMode: boolean, measured: ReadonlyMap<number, Uint8Array>): NitroPcr[] {
  return [...measured].map(([index, image]) => {
    const value = debugMode ? new Uint8Array(image.length) : image;
    return { index, value: hex(value), image: hex(image), ...difference(debugMode, value, image) };
  });
}

function active({ faults }: NsmView): Infer<typeof NitroActiveFault>[] {
  return faults.active().map(({ name, value, remaining }) => ({
    fault: name,
    value,
    ...(remaining === undefined ? {} : { count: remaining }),
  }));
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const commands = [
  defineCommand({
    name: 'x-nitro-query-enclave',
    doc: 'Describes the enclave: whether it runs, its CID, and the image file it was started from.',
    features: ['unstable'],
    returns: NitroEnclave,
    handler: ({ system }) => {
      const { cid, debugMode, file, image, nsm } = enclaveOf(system);
      const { sections, warnings, ...rest } = image;
      return {
        running: cid !== 0,
        cid,
        'debug-mode': debugMode,
        image: { file, ...rest, sections: [...sections], warnings: [...warnings] },
        ...(nsm === undefined
          ? {}
          : { attestation: nsm.root === undefined ? ('unsigned' as const) : ('signed' as const), faults: active(nsm) }),
      };
    },
  }),
  defineCommand({
    name: 'x-nitro-query-pcrs',
    doc: 'Lists the platform configuration registers: what an attestation document shows (`value`, zeros in debug mode) and what the image measures to (`image`); both hexadecimal.',
    features: ['unstable'],
    returns: list(NitroPcr),
    handler: async ({ system }) => {
      const enclave = enclaveOf(system);
      const { debugMode, nsm } = enclave;
      const measured = await enclave.measure();
      if (nsm === undefined) return hypervisorPcrs(debugMode, measured);
      return (await nsm.registers()).map(({ value, locked }, index) => {
        const image = measured.get(index);
        const expected = image === undefined ? {} : { image: hex(image) };
        return { index, value: hex(value), locked, ...expected, ...difference(debugMode, value, image) };
      });
    },
  }),
  defineCommand({
    name: 'x-nitro-query-attestation-root',
    doc: 'Shows the root certificate of attestation documents in PEM.',
    features: ['unstable'],
    returns: NitroAttestationRoot,
    handler: ({ system }) => {
      const { root } = nsmOf(system);
      if (root === undefined) throw new QemuError('attestation documents of this machine are not signed');
      return { certificate: root };
    },
  }),
  defineCommand({
    name: 'x-nitro-inject',
    doc: 'Turns a fault on, for `count` times or until it is turned off with `off`; docs/fault-injection.md lists them.',
    features: ['unstable'],
    args: struct('x-nitro-inject-arg', {
      fault: NitroFault,
      value: optional(int32),
      count: optional(uint32),
      off: optional(bool),
    }),
    handler: ({ system }, { fault, value, count, off = false }) => {
      const { faults } = nsmOf(system);
      if (off && (value !== undefined || count !== undefined)) {
        throw new QemuError("'off' takes neither 'value' nor 'count'");
      }
      if (off) faults.off(fault);
      else turnOn(faults, fault, value, count);
    },
  }),
];

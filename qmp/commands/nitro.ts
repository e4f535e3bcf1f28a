import { bool, enumeration, list, optional, size, str, struct, uint8, uint32 } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import type { EnclaveView } from '../../src/system/machine.js';
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

const NitroEnclave = struct('NitroEnclave', { running: bool, cid: uint32, 'debug-mode': bool, image: NitroImage });

/** `value` is what an attestation document of the enclave shows, `image` what its image measures to; both hexadecimal. */
const NitroPcr = struct('NitroPcr', { index: uint8, value: str, image: optional(str) });

/** @throws QemuError on a machine without an enclave */
function enclaveOf(system: System): EnclaveView {
  const { enclave } = system.machine;
  if (enclave === undefined) throw new QemuError('this machine has no enclave');
  return enclave;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

export const commands = [
  defineCommand({
    name: 'x-nitro-query-enclave',
    doc: 'Describes the enclave: whether it runs, its CID, and the image file it was started from.',
    features: ['unstable'],
    returns: NitroEnclave,
    handler: ({ system }) => {
      const { cid, debugMode, file, image } = enclaveOf(system);
      const { sections, warnings, ...rest } = image;
      return {
        running: cid !== 0,
        cid,
        'debug-mode': debugMode,
        image: { file, ...rest, sections: [...sections], warnings: [...warnings] },
      };
    },
  }),
  defineCommand({
    name: 'x-nitro-query-pcrs',
    doc: 'Lists the platform configuration registers: what an attestation document shows (`value`, zeros in debug mode) and what the image measures to (`image`); both hexadecimal.',
    features: ['unstable'],
    returns: list(NitroPcr),
    handler: async ({ system }) => {
      const { debugMode, measure } = enclaveOf(system);
      // The hypervisor shows zeros for an enclave in debug mode, whatever its image is.
      return [...(await measure())].map(([index, register]) => ({
        index,
        value: hex(debugMode ? new Uint8Array(register.length) : register),
        image: hex(register),
      }));
    },
  }),
];

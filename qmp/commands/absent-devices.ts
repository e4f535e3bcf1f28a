import { bool, enumeration, int, list, optional, size, str, struct } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';

// Devices that clients ask for and that these machines do not have.
const BalloonInfo = struct('BalloonInfo', { actual: size });
const HvBalloonInfo = struct('HvBalloonInfo', { committed: size, available: size });
const GuidInfo = struct('GuidInfo', { guid: str });
const ACPIOSTInfo = struct('ACPIOSTInfo', { device: optional(str), slot: str, source: int, status: int });
const TpmModel = enumeration('TpmModel', []);
const TpmType = enumeration('TpmType', []);
const TPMInfo = struct('TPMInfo', { id: str, model: TpmModel });
const AudiodevInfo = struct('Audiodev', { id: str });
const PRManagerInfo = struct('PRManagerInfo', { id: str, connected: bool });
const QCryptodevInfo = struct('QCryptodevInfo', { id: str });
const FirmwareLog = struct('FirmwareLog', { version: optional(str), log: str });
const PciInfo = struct('PciInfo', { bus: int });
const GICCapability = struct('GICCapability', { version: int, emulated: bool, kernel: bool });

function noBalloon(): never {
  throw new QemuError('No balloon device has been activated', { errorClass: 'DeviceNotActive' });
}

export const commands = [
  defineCommand({
    name: 'balloon',
    doc: 'Asks the guest to shrink or grow to `value` bytes; fails, since there is no balloon device.',
    args: struct('balloon', { value: int }),
    handler: noBalloon,
  }),
  defineCommand({
    name: 'query-balloon',
    doc: 'Tells how much memory the guest was left; fails, since there is no balloon device.',
    returns: BalloonInfo,
    handler: noBalloon,
  }),

  defineCommand({
    name: 'query-hv-balloon-status-report',
    doc: 'Tells the last report of a Hyper-V balloon; fails, since there is none.',
    returns: HvBalloonInfo,
    handler: () => {
      throw new QemuError('no hv-balloon device present');
    },
  }),

  defineCommand({
    name: 'query-vm-generation-id',
    doc: 'Tells the generation id shown to the guest; fails, since no such device exists.',
    returns: GuidInfo,
    handler: () => {
      throw new QemuError('VM Generation ID device not found');
    },
  }),

  defineCommand({
    name: 'query-acpi-ospm-status',
    doc: 'Tells what the guest reported about its ACPI slots; fails, since no ACPI device keeps such reports.',
    returns: list(ACPIOSTInfo),
    handler: () => {
      throw new QemuError('command is not supported, missing ACPI device');
    },
  }),

  defineCommand({
    name: 'query-firmware-log',
    doc: 'Gives the log of the firmware; fails, since no firmware writes one.',
    args: struct('query-firmware-log', { 'max-size': optional(size) }),
    returns: FirmwareLog,
    handler: () => {
      throw new QemuError('firmware log buffer not found');
    },
  }),

  defineCommand({
    name: 'query-gic-capabilities',
    doc: 'Tells which interrupt controllers of the Arm family are possible; empty.',
    returns: list(GICCapability),
    handler: ({ system }) => {
      if (system.settings.arch === 'x86_64') {
        throw new QemuError('GIC hardware is not available on this target');
      }
      return [];
    },
  }),

  defineCommand({ name: 'query-pci', doc: 'Lists PCI buses; empty.', returns: list(PciInfo), handler: () => [] }),
  defineCommand({ name: 'query-tpm', doc: 'Lists TPM devices; empty.', returns: list(TPMInfo), handler: () => [] }),
  defineCommand({
    name: 'query-tpm-models',
    doc: 'Lists TPM models that can be made; empty.',
    returns: list(TpmModel),
    handler: () => [],
  }),
  defineCommand({
    name: 'query-tpm-types',
    doc: 'Lists TPM backends that can be made; empty.',
    returns: list(TpmType),
    handler: () => [],
  }),
  defineCommand({
    name: 'query-audiodevs',
    doc: 'Lists audio backends; empty.',
    returns: list(AudiodevInfo),
    handler: () => [],
  }),
  defineCommand({
    name: 'query-pr-managers',
    doc: 'Lists managers of persistent reservations; empty.',
    returns: list(PRManagerInfo),
    handler: () => [],
  }),
  defineCommand({
    name: 'query-cryptodev',
    doc: 'Lists crypto devices; empty.',
    returns: list(QCryptodevInfo),
    handler: () => [],
  }),
];

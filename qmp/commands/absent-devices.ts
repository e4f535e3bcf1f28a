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
  defineCommand({ name: 'balloon', args: struct('balloon', { value: int }), handler: noBalloon }),
  defineCommand({ name: 'query-balloon', returns: BalloonInfo, handler: noBalloon }),

  defineCommand({
    name: 'query-hv-balloon-status-report',
    returns: HvBalloonInfo,
    handler: () => {
      throw new QemuError('no hv-balloon device present');
    },
  }),

  defineCommand({
    name: 'query-vm-generation-id',
    returns: GuidInfo,
    handler: () => {
      throw new QemuError('VM Generation ID device not found');
    },
  }),

  defineCommand({
    name: 'query-acpi-ospm-status',
    returns: list(ACPIOSTInfo),
    handler: () => {
      throw new QemuError('command is not supported, missing ACPI device');
    },
  }),

  defineCommand({
    name: 'query-firmware-log',
    args: struct('query-firmware-log', { 'max-size': optional(size) }),
    returns: FirmwareLog,
    handler: () => {
      throw new QemuError('firmware log buffer not found');
    },
  }),

  defineCommand({
    name: 'query-gic-capabilities',
    returns: list(GICCapability),
    handler: ({ system }) => {
      if (system.settings.arch === 'x86_64') {
        throw new QemuError('GIC hardware is not available on this target');
      }
      return [];
    },
  }),

  defineCommand({ name: 'query-pci', returns: list(PciInfo), handler: () => [] }),
  defineCommand({ name: 'query-tpm', returns: list(TPMInfo), handler: () => [] }),
  defineCommand({ name: 'query-tpm-models', returns: list(TpmModel), handler: () => [] }),
  defineCommand({ name: 'query-tpm-types', returns: list(TpmType), handler: () => [] }),
  defineCommand({ name: 'query-audiodevs', returns: list(AudiodevInfo), handler: () => [] }),
  defineCommand({ name: 'query-pr-managers', returns: list(PRManagerInfo), handler: () => [] }),
  defineCommand({ name: 'query-cryptodev', returns: list(QCryptodevInfo), handler: () => [] }),
];

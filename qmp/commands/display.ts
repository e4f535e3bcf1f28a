import { bool, enumeration, int, list, optional, str, struct, union } from '../../src/qom/qapi.js';
import { deviceNotFound, QemuError } from '../../src/system/errors.js';
import type { JsonObject } from '../../src/system/json.js';
import { defineCommand } from '../command.js';

// These machines have no display, keyboard or mouse.
const DisplayType = enumeration('DisplayType', ['none']);
const DisplayOptions = union<{ type: 'none' }>('DisplayOptions', { type: DisplayType }, 'type', {});
const MouseInfo = struct('MouseInfo', { name: str, index: int, current: bool, absolute: bool });
const VncInfo = struct('VncInfo', { enabled: bool });

const DisplayProtocol = enumeration('DisplayProtocol', ['vnc', 'spice']);
const SetPasswordAction = enumeration('SetPasswordAction', ['keep', 'fail', 'disconnect']);
function spiceNotInUse(): QemuError {
  return new QemuError('SPICE is not in use', { errorClass: 'DeviceNotActive' });
}

const vncDisplay = struct('SetPasswordOptionsVnc', { display: optional(str) });
const ImageFormat = enumeration('ImageFormat', ['ppm', 'png']);

const DisplayUpdateType = enumeration('DisplayUpdateType', ['vnc']);
const DisplayReloadOptions = union<JsonObject>('DisplayReloadOptions', { type: DisplayUpdateType }, 'type', {
  vnc: struct('DisplayReloadOptionsVNC', { 'tls-certs': optional(bool) }),
});
const DisplayUpdateOptions = struct('DisplayUpdateOptions', { type: DisplayUpdateType });

function withoutVnc(): never {
  throw new QemuError("vnc is invalid, missing 'CONFIG_VNC'");
}

export const commands = [
  defineCommand({
    name: 'query-mice',
    doc: 'Lists pointing devices; empty.',
    returns: list(MouseInfo),
    handler: () => [],
  }),
  defineCommand({
    name: 'query-display-options',
    doc: 'Tells which display was asked for: none.',
    returns: DisplayOptions,
    handler: () => ({ type: 'none' as const }),
  }),
  defineCommand({
    name: 'query-vnc',
    doc: 'Tells whether there is a VNC server: no.',
    returns: VncInfo,
    handler: () => ({ enabled: false }),
  }),

  defineCommand({
    name: 'set_password',
    doc: 'Sets the password of a display server; fails, since there is none.',
    args: union<JsonObject>(
      'SetPasswordOptions',
      { protocol: DisplayProtocol, password: str, connected: optional(SetPasswordAction) },
      'protocol',
      { vnc: vncDisplay },
    ),
    handler: (_, { protocol, connected }) => {
      if (protocol === 'spice') throw spiceNotInUse();
      if (connected !== undefined && connected !== 'keep') {
        throw new QemuError("parameter 'connected' must be 'keep' when 'protocol' is 'vnc'");
      }
      throw new QemuError('Could not set password');
    },
  }),

  defineCommand({
    name: 'expire_password',
    doc: 'Sets when the password of a display server expires; fails, since there is none.',
    args: union<JsonObject>('ExpirePasswordOptions', { protocol: DisplayProtocol, time: str }, 'protocol', {
      vnc: vncDisplay,
    }),
    handler: (_, { protocol }) => {
      if (protocol === 'spice') throw spiceNotInUse();
      throw new QemuError('Could not set password expire time');
    },
  }),

  defineCommand({
    name: 'screendump',
    doc: 'Saves what a display shows; fails, since there is none.',
    args: struct('screendump', {
      filename: str,
      device: optional(str),
      head: optional(int),
      format: optional(ImageFormat),
    }),
    handler: (_, { device, head }) => {
      if (device !== undefined) throw deviceNotFound(device);
      if (head !== undefined) throw new QemuError("'head' must be specified together with 'device'");
      throw new QemuError('There is no console to take a screendump from');
    },
  }),

  defineCommand({
    name: 'display-reload',
    doc: 'Reloads settings of a display server; fails, since there is none.',
    args: DisplayReloadOptions,
    handler: withoutVnc,
  }),
  defineCommand({
    name: 'display-update',
    doc: 'Changes settings of a display server; fails, since there is none.',
    args: DisplayUpdateOptions,
    handler: withoutVnc,
  }),
];

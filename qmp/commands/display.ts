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
  defineCommand({ name: 'query-mice', returns: list(MouseInfo), handler: () => [] }),
  defineCommand({ name: 'query-display-options', returns: DisplayOptions, handler: () => ({ type: 'none' as const }) }),
  defineCommand({ name: 'query-vnc', returns: VncInfo, handler: () => ({ enabled: false }) }),

  defineCommand({
    name: 'set_password',
    args: union<JsonObject>(
      'SetPasswordOptions',
      { protocol: DisplayProtocol, password: str, connected: optional(SetPasswordAction) },
      'protocol',
      { vnc: vncDisplay },
    ),
    handler: () => {
      throw new QemuError('Could not set password');
    },
  }),

  defineCommand({
    name: 'expire_password',
    args: union<JsonObject>('ExpirePasswordOptions', { protocol: DisplayProtocol, time: str }, 'protocol', {
      vnc: vncDisplay,
    }),
    handler: () => {
      throw new QemuError('Could not set password expire time');
    },
  }),

  defineCommand({
    name: 'screendump',
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

  defineCommand({ name: 'display-reload', args: DisplayReloadOptions, handler: withoutVnc }),
  defineCommand({ name: 'display-update', args: DisplayUpdateOptions, handler: withoutVnc }),
];

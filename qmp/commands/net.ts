import { bool, list, optional, str, struct } from '../../src/qom/qapi.js';
import { deviceNotFound, QemuError } from '../../src/system/errors.js';
import { defineCommand } from '../command.js';

// These machines have no network interfaces.
const RxFilterInfo = struct('RxFilterInfo', { name: str, 'main-mac': str });

export const commands = [
  defineCommand({
    name: 'query-rx-filter',
    doc: 'Lists the receive filters of network interfaces; empty.',
    args: struct('query-rx-filter', { name: optional(str) }),
    returns: list(RxFilterInfo),
    handler: (_, { name }) => {
      if (name !== undefined) throw new QemuError(`invalid net client name: ${name}`);
      return [];
    },
  }),

  defineCommand({
    name: 'netdev_del',
    doc: 'Removes a network backend; fails, since none exists.',
    args: struct('netdev_del', { id: str }),
    allowPreconfig: true,
    handler: (_, { id }) => {
      throw deviceNotFound(id);
    },
  }),

  defineCommand({
    name: 'set_link',
    doc: 'Plugs or unplugs a network cable; fails, since there is no network.',
    args: struct('set_link', { name: str, up: bool }),
    handler: (_, { name }) => {
      throw deviceNotFound(name);
    },
  }),
];

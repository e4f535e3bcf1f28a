import { closeSync } from 'node:fs';
import { int, list, optional, str, struct } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import { fdSetsOf } from '../../src/system/fd-sets.js';
import { defineCommand } from '../command.js';

const AddfdInfo = struct('AddfdInfo', { 'fdset-id': int, fd: int });
const FdsetFdInfo = struct('FdsetFdInfo', { fd: int, opaque: optional(str) });
const FdsetInfo = struct('FdsetInfo', { 'fdset-id': int, fds: list(FdsetFdInfo) });

export const commands = [
  defineCommand({
    name: 'getfd',
    doc: 'Keeps the descriptor that came with the request (SCM_RIGHTS) under a name, for this client.',
    args: struct('getfd', { fdname: str }),
    handler: ({ client }, { fdname }) => {
      const fd = client.receivedDescriptor();
      if (/^[0-9]/.test(fdname)) {
        closeSync(fd);
        throw new QemuError("Parameter 'fdname' expects a name not starting with a digit");
      }
      client.keepDescriptor(fdname, fd);
    },
  }),

  defineCommand({
    name: 'closefd',
    doc: 'Closes a descriptor kept by `getfd`.',
    args: struct('closefd', { fdname: str }),
    handler: ({ client }, { fdname }) => client.closeNamedDescriptor(fdname),
  }),

  defineCommand({
    name: 'add-fd',
    doc: 'Puts the descriptor that came with the request into a set, which `/dev/fdset/ID` opens.',
    args: struct('add-fd', { 'fdset-id': optional(int), opaque: optional(str) }),
    returns: AddfdInfo,
    handler: ({ client, system }, { 'fdset-id': id, opaque }) => {
      const fd = client.receivedDescriptor();
      try {
        return { 'fdset-id': fdSetsOf(system).add(fd, id, opaque), fd };
      } catch (error) {
        closeSync(fd);
        throw error;
      }
    },
  }),

  defineCommand({
    name: 'remove-fd',
    doc: 'Takes one descriptor or all out of a set.',
    args: struct('remove-fd', { 'fdset-id': int, fd: optional(int) }),
    handler: ({ system }, { 'fdset-id': id, fd }) => fdSetsOf(system).remove(id, fd),
  }),

  defineCommand({
    name: 'query-fdsets',
    doc: 'Lists the sets of descriptors.',
    returns: list(FdsetInfo),
    handler: ({ system }) =>
      fdSetsOf(system)
        .list()
        .map(([id, entries]) => ({
          'fdset-id': id,
          fds: entries.map(({ fd, opaque }) => ({ fd, ...(opaque === undefined ? {} : { opaque }) })),
        })),
  }),
];

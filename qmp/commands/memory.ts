import { closeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { MaybePromise } from '../../src/qom/property.js';
import { bool, enumeration, int, list, optional, size, str, struct, uint64 } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import type { Int64 } from '../../src/system/json.js';
import { osErrorText } from '../../src/system/os-error.js';
import { defineCommand } from '../command.js';
import type { MonitorContext } from '../context.js';
import { checkMemoryReadable, readPhysical, readVirtual } from '../guest-memory.js';

const DumpGuestMemoryFormat = enumeration('DumpGuestMemoryFormat', [
  'elf',
  'kdump-zlib',
  'kdump-lzo',
  'kdump-snappy',
  'kdump-raw-zlib',
  'kdump-raw-lzo',
  'kdump-raw-snappy',
  'win-dmp',
]);
const DumpStatus = enumeration('DumpStatus', ['none', 'active', 'completed', 'failed']);
const DumpQueryResult = struct('DumpQueryResult', { status: DumpStatus, completed: int, total: int });
const DumpGuestMemoryCapability = struct('DumpGuestMemoryCapability', { formats: list(DumpGuestMemoryFormat) });

/** Bytes copied at a time, so that a large save does not hold up the monitor. */
const CHUNK = 1 << 20;

/** Writes guest-physical memory to a file; where nothing answers, zeros. */
async function savePhysical({ system }: MonitorContext, address: Int64, length: Int64, path: string): Promise<void> {
  checkMemoryReadable(system);
  await saveMemory(address, length, path, (at, count) => readPhysical(system, at, count) ?? new Uint8Array(count));
}

async function saveMemory(
  address: Int64,
  length: Int64,
  path: string,
  read: (at: bigint, count: number) => MaybePromise<Uint8Array>,
): Promise<void> {
  const file = await open(path, 'w', 0o666).catch((error: unknown) => {
    throw new QemuError(`Could not open '${path}': ${osErrorText(error)}`);
  });
  try {
    const end = BigInt(address) + BigInt(length);
    for (let at = BigInt(address); at < end; at += BigInt(CHUNK)) {
      const count = end - at < CHUNK ? Number(end - at) : CHUNK;
      await file.write(await read(at, count));
    }
  } catch (error) {
    throw error instanceof QemuError
      ? error
      : new QemuError(`writing memory to '${path}' failed: ${osErrorText(error)}`);
  } finally {
    await file.close();
  }
}

export const commands = [
  defineCommand({
    name: 'pmemsave',
    doc: 'Saves a range of guest-physical memory to a file.',
    args: struct('pmemsave', { val: uint64, size, filename: str }),
    handler: (ctx, { val, size: length, filename }) => savePhysical(ctx, val, length, filename),
  }),

  defineCommand({
    name: 'memsave',
    doc: 'Saves a range of virtual memory, as a CPU sees it, to a file.',
    args: struct('memsave', { val: uint64, size, filename: str, 'cpu-index': optional(int) }),
    handler: async ({ system }, { val, size: length, filename, 'cpu-index': cpu = 0 }) => {
      const index = Number(cpu);
      const { cpuAccess } = system.machine;
      if (cpuAccess === undefined || !system.machine.cpus().some((each) => each.index === index)) {
        throw new QemuError("Parameter 'cpu-index' expects a CPU number");
      }
      await saveMemory(val, length, filename, async (at, count) => {
        const bytes = await readVirtual(system, cpuAccess, index, at, count);
        if (bytes !== undefined) return bytes;
        throw new QemuError(`Invalid addr 0x${at.toString(16).padStart(16, '0')}/size ${length} specified`);
      });
    },
  }),

  defineCommand({
    name: 'dump-guest-memory',
    doc: 'Dumps the memory of the guest; checks its arguments, then fails.',
    args: struct('dump-guest-memory', {
      paging: bool,
      protocol: str,
      detach: optional(bool),
      begin: optional(int),
      length: optional(int),
      format: optional(DumpGuestMemoryFormat),
    }),
    handler: ({ system, client }, args) => {
      const part = args.paging || args.begin !== undefined || args.length !== undefined;
      if (part && args.format !== undefined && args.format !== 'elf') {
        throw new QemuError("kdump-compressed format doesn't support paging or filter");
      }
      if (args.begin !== undefined && args.length === undefined) throw new QemuError("Parameter 'length' is missing");
      if (args.begin === undefined && args.length !== undefined) throw new QemuError("Parameter 'begin' is missing");
      const [, protocol, name = ''] = /^(fd|file):(.*)$/s.exec(args.protocol) ?? [];
      if (protocol === undefined) throw new QemuError("parameter 'protocol' must start with 'file:' or 'fd:'");
      const fd = protocol === 'fd' ? client.takeNamedDescriptor(name) : undefined;
      if (fd !== undefined) closeSync(fd);
      else if (protocol === 'fd') throw new QemuError(`File descriptor named '${name}' has not been found`);
      checkMemoryReadable(system);
      throw new QemuError('guest memory cannot be dumped by this program');
    },
  }),

  defineCommand({
    name: 'query-dump',
    doc: 'Tells the state of the last memory dump: none.',
    returns: DumpQueryResult,
    handler: () => ({ total: 0, status: 'none' as const, completed: 0 }),
  }),

  defineCommand({
    name: 'query-dump-guest-memory-capability',
    doc: 'Lists the formats of memory dumps; empty.',
    returns: DumpGuestMemoryCapability,
    handler: () => ({ formats: [] }),
  }),
];

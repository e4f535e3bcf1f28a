import { existsSync, mkdtempSync, readFileSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFacts } from '../../src/host/host-facts.js';
import { HostMemoryBackend } from '../../src/hostmem/backend.js';
import { ramBlocks } from '../../src/hostmem/ram-blocks.js';
import type { UserObjects } from '../../src/qom/user-creatable.js';
import type { JsonObject } from '../../src/system/json.js';
import type { System } from '../../src/system/system.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { deadline, eventually } from '../support/deadline.js';
import { createTestSystem } from '../support/system.js';
import { thrown } from '../support/thrown.js';

const test = suite('hostmem/backend');
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const directory = mkdtempSync(join(tmpdir(), 'hostmem-'));
test.after(() => rmSync(directory, { recursive: true }));

interface Setup {
  readonly system: System;
  readonly objects: UserObjects;
  add(type: string, options: JsonObject): Promise<HostMemoryBackend>;
  message(type: string, options: JsonObject): Promise<string>;
}

function setUp(): Setup {
  const { system } = createTestSystem();
  const objects = createUserObjects(system);
  const add = async (type: string, options: JsonObject) => {
    const made = objects.add({ 'qom-type': `memory-backend-${type}`, id: 'm', ...options });
    const object = await deadline(`memory-backend-${type}`, made, 60_000);
    assert.instance(object, HostMemoryBackend);
    return object as HostMemoryBackend;
  };
  return { system, objects, add, message: async (type, options) => (await thrown(() => add(type, options))).message };
}

/** The line of /proc/self/maps of the mapping that starts at `address`. */
function mapsLine(address: bigint): string {
  const start = address.toString(16).padStart(8, '0');
  const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
  return lines.find((line) => line.startsWith(`${start}-`)) ?? '';
}

/** A field of its entry in /proc/self/smaps. */
function smaps(address: bigint, field: string): string {
  const text = readFileSync('/proc/self/smaps', 'utf8');
  const entry = text.slice(text.search(new RegExp(`^0*${address.toString(16)}-`, 'm')));
  return new RegExp(`^${field}:\\s+(.*)$`, 'm').exec(entry)?.[1]?.trim() ?? '';
}

function fill(backend: HostMemoryBackend, text: string): void {
  for (const window of backend.windows(0, text.length)) window.set(Buffer.from(text));
}

test('RAM is private anonymous memory by default and a shared memfd with share=on', async () => {
  const { objects, add } = setUp();
  const ram = await add('ram', { size: 4 * MIB });
  assert.match(mapsLine(ram.address), /^\S+ rw-p 00000000 00:00 0 *$/);
  assert.is(ram.fd, undefined);
  assert.is(ram.pageSize, new HostFacts().pageSize());
  objects.delete('m');
  const shared = await add('ram', { size: 4 * MIB, share: true });
  assert.match(mapsLine(shared.address), / rw-s .*\/memfd:memory-backend-ram/);
  fill(shared, 'guest');
  const back = Buffer.alloc(5);
  readSync(shared.fd ?? -1, back, 0, 5, 0);
  assert.is(back.toString(), 'guest');
});

test('deleting an object unmaps its memory and closes its file', async () => {
  const { objects, add } = setUp();
  const backend = await add('memfd', { size: MIB });
  const { address, fd } = backend;
  assert.match(mapsLine(address), /memfd:memory-backend-memfd/);
  assert.ok(existsSync(`/proc/self/fd/${fd}`));
  objects.delete('m');
  await eventually('the file to be closed', () => !existsSync(`/proc/self/fd/${fd}`));
  assert.not.match(mapsLine(address), /memfd:memory-backend-memfd/);
});

test('a memfd is sealed unless seal=off, and copied on write with share=off', async () => {
  const { objects, add } = setUp();
  const { fd = -1 } = await add('memfd', { size: MIB });
  assert.throws(() => writeFileSync(`/proc/self/fd/${fd}`, Buffer.alloc(2 * MIB)), /EPERM/);
  objects.delete('m');
  const open = await add('memfd', { size: MIB, seal: false, share: false });
  assert.match(mapsLine(open.address), / rw-p /);
  fill(open, 'private');
  const back = Buffer.alloc(7);
  readSync(open.fd ?? -1, back, 0, 7, 0);
  assert.is(back.toString('latin1'), '\0'.repeat(7));
});

test('prealloc populates all of it, at the start or later, and leaves the main thread free', async () => {
  const { objects, add } = setUp();
  const early = await add('memfd', { size: 96 * MIB, prealloc: true, 'prealloc-threads': 2 });
  assert.is(smaps(early.address, 'Rss'), `${96 * 1024} kB`);
  objects.delete('m');
  const later = await add('ram', { size: 64 * MIB });
  assert.is(smaps(later.address, 'Rss'), '0 kB');
  await deadline('prealloc', Promise.resolve(later.set('prealloc', true)));
  assert.is(smaps(later.address, 'Rss'), `${64 * 1024} kB`);
  await later.set('prealloc', false);
  assert.is(later.get('prealloc'), true);
});

test('an object whose memory is being populated cannot be deleted', async () => {
  const { objects, add } = setUp();
  const backend = await add('ram', { size: 64 * MIB });
  const populating = Promise.resolve(backend.set('prealloc', true));
  assert.is((await thrown(() => objects.delete('m'))).message, "object 'm' is in use, can not be deleted");
  await deadline('prealloc', populating);
  objects.delete('m');
});

test('64 GiB of memory cost nothing until they are used', async () => {
  const { add } = setUp();
  const backend = await add('memfd', { size: 64 * GIB, reserve: false });
  const last = [...backend.windows(64 * GIB - 4, 4)];
  last[0]?.set([1, 2, 3, 4]);
  assert.is(last.length, 1);
  assert.ok(Number.parseInt(smaps(backend.address, 'Rss'), 10) <= 2048);
  assert.is(backend.get('size'), 64 * GIB);
});

test('dump and merge act on the mapping, whenever they are set', async () => {
  const { add } = setUp();
  const backend = await add('ram', { size: MIB, dump: false });
  const flags = () => smaps(backend.address, 'VmFlags').split(' ');
  assert.ok(flags().includes('dd'));
  await backend.set('dump', true);
  assert.not.ok(flags().includes('dd'));
  if (backend.merge) {
    assert.ok(flags().includes('mg'));
    await backend.set('merge', false);
    assert.not.ok(flags().includes('mg'));
  }
});

test('the policy is what the kernel reports', async () => {
  const { objects, add, message } = setUp();
  const numaMaps = (backend: HostMemoryBackend) =>
    new RegExp(`^0*${backend.address.toString(16)} (\\S+)`, 'm').exec(
      readFileSync('/proc/self/numa_maps', 'utf8'),
    )?.[1];
  for (const policy of ['bind', 'interleave'] as const) {
    const backend = await add('ram', { size: MIB, policy, 'host-nodes': [0, 0] });
    assert.is(numaMaps(backend), `${policy}:0`);
    assert.equal(backend.get('host-nodes'), [0]);
    objects.delete('m');
  }
  assert.is(await message('ram', { size: MIB, policy: 'bind' }), 'host-nodes must be set for policy bind');
  assert.is(
    await message('ram', { size: MIB, policy: 'bind', 'host-nodes': [99] }),
    'cannot bind memory to host NUMA nodes: Invalid argument',
  );
  assert.is(await message('ram', { size: MIB, 'host-nodes': [128] }), 'Invalid host-nodes value: 128');
});

test('a file is made, grown once, kept, and its offset and alignment are honoured', async () => {
  const { objects, add } = setUp();
  const path = join(directory, 'ram.bin');
  const first = await add('file', { size: MIB, 'mem-path': path, share: true, align: 4 * MIB });
  assert.is(first.address % BigInt(4 * MIB), 0n);
  assert.ok(mapsLine(first.address).endsWith(path));
  fill(first, 'kept');
  objects.delete('m');
  assert.is(statSync(path).size, MIB);
  assert.is(readFileSync(path).toString('latin1', 0, 4), 'kept');
  const second = await add('file', { size: MIB / 2, offset: MIB / 2, 'mem-path': path, share: true });
  fill(second, 'half');
  objects.delete('m');
  assert.is(readFileSync(path).toString('latin1', MIB / 2, MIB / 2 + 4), 'half');
});

test('discard-data gives the pages of a file back', async () => {
  const { objects, add } = setUp();
  const path = join(directory, 'discard.bin');
  const backend = await add('file', { size: MIB, 'mem-path': path, share: true, 'discard-data': true });
  fill(backend, 'gone');
  objects.delete('m');
  assert.is(statSync(path).size, MIB);
  assert.is(readFileSync(path).toString('latin1', 0, 4), '\0\0\0\0');
});

test('a directory gives a file without a name, and a failure leaves no file', async () => {
  const { objects, add, message } = setUp();
  const backend = await add('file', { size: MIB, 'mem-path': directory });
  assert.match(mapsLine(backend.address), /qemu_back_mem\.m\..*\(deleted\)/);
  objects.delete('m');
  const path = join(directory, 'never.bin');
  assert.is(
    await message('file', { size: MIB, 'mem-path': path, align: 3 }),
    'alignment 0x3 must be multiples of page size 0x1000',
  );
  assert.not.ok(existsSync(path));
});

test('a read-only file is ROM, or copied on write with rom=off', async () => {
  const { objects, add, message } = setUp();
  const path = join(directory, 'ro.bin');
  const options = { size: MIB, 'mem-path': path, readonly: true };
  assert.is(
    await message('file', options),
    `can't open backing store ${path} for guest RAM: No such file or directory`,
  );
  writeFileSync(path, Buffer.alloc(MIB));
  const rom = await add('file', options);
  assert.match(mapsLine(rom.address), / r--p /);
  assert.is(rom.region.kind, 'rom');
  assert.is(rom.get('rom'), 'on');
  objects.delete('m');
  const copy = await add('file', { ...options, rom: 'off' });
  assert.match(mapsLine(copy.address), / rw-p /);
  objects.delete('m');
  assert.is(
    await message('file', { ...options, rom: 'off', share: true }),
    "property 'rom' = 'off' is incompatible with 'readonly' = 'on' and 'share' = 'on'",
  );
  assert.is(
    await message('file', { ...options, 'mem-path': directory }),
    `can't open backing store ${directory} for guest RAM: Is a directory`,
  );
});

test('a file that is too small is refused', async () => {
  const { message } = setUp();
  const path = join(directory, 'small.bin');
  writeFileSync(path, 'x'.repeat(100));
  assert.is(
    await message('file', { size: MIB, 'mem-path': path }),
    "backing store size 0x64 is too small for 'size' option 0x100000 plus 'offset' option 0x0",
  );
});

test('sizes off the page grid and beyond the address space are refused in one sentence', async () => {
  const { message } = setUp();
  assert.is(await message('ram', { size: 4097 }), "backend 'memory-backend-ram' memory size must be multiple of 4 KiB");
  assert.is(
    await message('memfd', { size: 63 * MIB, hugetlb: true }),
    "backend 'memory-backend-memfd' memory size must be multiple of 2 MiB",
  );
  assert.is(
    await message('memfd', { size: 6 * MIB, hugetlb: true, hugetlbsize: 3 * MIB }),
    'Hugepage size must be a power of 2',
  );
  for (const size of [2 ** 60, 2n ** 63n, 2n ** 64n - 4096n]) {
    assert.is(await message('ram', { size }), "cannot set up guest memory 'm': Cannot allocate memory");
    const mapped = 'unable to map backing store for guest RAM: Cannot allocate memory';
    assert.is(await message('memfd', { size }), mapped);
    assert.is(await message('file', { size, 'mem-path': directory }), mapped);
  }
});

test('any size in whole pages gives memory of that size or QEMU says why not', async () => {
  const { objects, add } = setUp();
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 2 ** 40 }), fc.constantFrom('ram', 'memfd'), async (pages, type) => {
      const size = pages * 4096;
      const backend = await add(type, { size, reserve: false }).catch((error) => {
        assert.match(error.message, /Cannot allocate memory$/);
        return undefined;
      });
      if (backend === undefined) return;
      assert.is(backend.size, size);
      assert.is(backend.region.size, BigInt(size));
      objects.delete('m');
    }),
    { numRuns: 60 },
  );
});

test('what was fixed at allocation cannot be set again', async () => {
  const { add } = setUp();
  const backend = await add('file', { size: MIB, 'mem-path': directory });
  const refused = {
    size: [MIB, 'cannot change property size of memory-backend-file '],
    share: [true, 'cannot change property value'],
    reserve: [true, 'cannot change property value'],
    'mem-path': ['/x', "cannot change property 'mem-path' of memory-backend-file"],
    align: [4096, "cannot change property 'align' of memory-backend-file"],
    readonly: [true, "cannot change property 'readonly' of memory-backend-file."],
    'prealloc-threads': [0, "property 'prealloc-threads' of memory-backend-file doesn't take value '0'"],
    'prealloc-context': ['nope', "Device 'nope' not found"],
  } as const;
  for (const [name, [value, sentence]] of Object.entries(refused)) {
    assert.is((await thrown(() => backend.set(name, value))).message, sentence);
  }
});

test('the region is a child named after the object, or after its path', async () => {
  const { system, objects, add } = setUp();
  const backend = await add('ram', { size: MIB });
  assert.is(backend.component('m[0]'), backend.region);
  assert.is(backend.region.get('container'), '');
  const options = { id: 'c', size: MIB, 'x-use-canonical-path-for-ramblock-id': true };
  const canonical = await add('ram', options);
  assert.is(canonical.component('\\x2fobjects\\x2fc[0]'), canonical.region);
  assert.equal(
    ramBlocks(system, 'all').map(({ id, offset, size }) => ({ id, offset, size })),
    [
      { id: 'm', offset: 0, size: MIB },
      { id: '/objects/c', offset: MIB, size: MIB },
    ],
  );
  assert.equal(ramBlocks(system), []);
  objects.delete('m');
  assert.is((await add('ram', { id: 'd', size: MIB / 2 })).ramOffset, 0);
});

test('huge pages come from the pool of the host, or the error says how to get them', async () => {
  const { add } = setUp();
  const facts = new HostFacts();
  const pool = facts.hugePages().find(({ size }) => size === facts.defaultHugePageSize());
  if (pool === undefined) return console.log('SKIP this kernel has no huge pages');
  const usable = pool.free - pool.reserved;
  const size = (usable + 1) * pool.size;
  const error = await thrown(() => add('memfd', { size, hugetlb: true }));
  assert.is(error.message, 'unable to map backing store for guest RAM: Cannot allocate memory');
  assert.match(
    error.hint ?? '',
    `echo ${pool.total + 1} | sudo tee /sys/kernel/mm/hugepages/hugepages-${pool.size / 1024}kB/nr_hugepages`,
  );
  if (usable === 0) return;
  const backend = await add('memfd', { size: pool.size, hugetlb: true });
  assert.is(smaps(backend.address, 'KernelPageSize'), `${pool.size / 1024} kB`);
  assert.is(backend.pageSize, pool.size);
});

test.run();

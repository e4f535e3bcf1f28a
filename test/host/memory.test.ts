import { closeSync, ftruncateSync, readFileSync, readSync, statSync, writeSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { HostError } from '../../src/host/libc.js';
import { Advice, addSeals, type Mapping, MemPolicy, memfdCreate, mmap, Seal } from '../../src/host/memory.js';
import { deadline } from '../support/deadline.js';

const test = suite('host/memory');
const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** One field of the mapping's entry in /proc/self/smaps. */
function smaps(mapping: Mapping, field: string): string {
  const start = mapping.address.toString(16);
  const text = readFileSync('/proc/self/smaps', 'utf8');
  const entry = text.slice(text.search(new RegExp(`^0*${start}-`, 'm')));
  return new RegExp(`^${field}:\\s+(.*)$`, 'm').exec(entry)?.[1]?.trim() ?? '';
}

test('a memfd and its shared mapping are the same bytes', () => {
  const fd = memfdCreate('guest-ram');
  ftruncateSync(fd, 4 * MIB);
  using mapping = mmap({ size: 4 * MIB, fd });
  const [window] = mapping.windows();
  assert.is(window?.length, 4 * MIB);
  window?.set(Buffer.from('from memory'), 3 * MIB);
  const back = Buffer.alloc(11);
  readSync(fd, back, 0, 11, 3 * MIB);
  assert.is(back.toString(), 'from memory');
  writeSync(fd, 'from file', 5);
  assert.is(Buffer.from(window?.subarray(5, 14) ?? []).toString(), 'from file');
  closeSync(fd);
});

test('a private mapping does not change its file', () => {
  const fd = memfdCreate('private');
  ftruncateSync(fd, MIB);
  using mapping = mmap({ size: MIB, fd, shared: false });
  for (const window of mapping.windows(0, 4)) window.fill(9);
  const back = Buffer.alloc(4);
  readSync(fd, back, 0, 4, 0);
  assert.equal([...back], [0, 0, 0, 0]);
  closeSync(fd);
});

test('windows are cut at 1 GiB and cover the range asked for', () => {
  using mapping = mmap({ size: 5 * GIB, noReserve: true });
  assert.equal(
    [...mapping.windows()].map((window) => window.length),
    [GIB, GIB, GIB, GIB, GIB],
  );
  const pieces = [...mapping.windows(GIB - 8, GIB + 16)];
  assert.equal(
    pieces.map((window) => window.length),
    [8, GIB, 8],
  );
  pieces[2]?.set([1, 2, 3, 4, 5, 6, 7, 8]);
  const [again] = mapping.windows(2 * GIB, 8);
  assert.equal([...(again ?? [])], [1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal([...mapping.windows(5 * GIB, 0)], []);
});

test('a range outside of the mapping is refused', () => {
  const mapping = mmap({ size: MIB });
  for (const [offset, length] of [
    [0, MIB + 1],
    [MIB + 1, 0],
    [-1, 1],
    [1, -1],
    [0.5, 1],
    [Number.NaN, 1],
    [0, Number.POSITIVE_INFINITY],
  ] as const) {
    assert.throws(() => [...mapping.windows(offset, length)], /outside of a mapping of 1048576 bytes/);
  }
  mapping.unmap();
  mapping.unmap();
  assert.throws(() => [...mapping.windows()], /not mapped/);
  assert.throws(() => mapping.advise(Advice.DONTDUMP), /not mapped/);
});

test('unmap gives the address range back', () => {
  const mapping = mmap({ size: 16 * MIB });
  assert.not.equal(smaps(mapping, 'Size'), '');
  const start = mapping.address.toString(16);
  mapping.unmap();
  assert.not.match(readFileSync('/proc/self/maps', 'utf8'), new RegExp(`^0*${start}-`, 'm'));
});

test('advice and policy reach the kernel', () => {
  using mapping = mmap({ size: 8 * MIB, shared: false });
  mapping.advise(Advice.DONTDUMP);
  mapping.advise(Advice.HUGEPAGE);
  mapping.advise(Advice.MERGEABLE);
  const flags = smaps(mapping, 'VmFlags').split(' ');
  for (const flag of ['dd', 'hg', 'mg']) assert.ok(flags.includes(flag), `${flag} in ${flags}`);
  mapping.bind(MemPolicy.bind, [0]);
  const start = mapping.address.toString(16);
  assert.match(readFileSync('/proc/self/numa_maps', 'utf8'), new RegExp(`^${start} bind:0`, 'm'));
  mapping.bind(MemPolicy.interleave, [0]);
  assert.match(readFileSync('/proc/self/numa_maps', 'utf8'), new RegExp(`^${start} interleave:0`, 'm'));
  mapping.bind(MemPolicy.default, []);
  assert.match(readFileSync('/proc/self/numa_maps', 'utf8'), new RegExp(`^${start} default`, 'm'));
  assert.throws(
    () => mapping.bind(MemPolicy.bind, [1000]),
    (error: HostError) => error.syscall === 'mbind',
  );
});

test('populate allocates every page and keeps what was there', async () => {
  const fd = memfdCreate('populate');
  ftruncateSync(fd, 160 * MIB);
  writeSync(fd, 'kept', 100 * MIB);
  using mapping = mmap({ size: 160 * MIB, fd });
  assert.ok(Number.parseInt(smaps(mapping, 'Rss'), 10) < 1024);
  await deadline('populate', mapping.populate(), 60_000);
  assert.is(smaps(mapping, 'Rss'), `${160 * 1024} kB`);
  const [window] = mapping.windows(100 * MIB, 4);
  assert.is(Buffer.from(window ?? []).toString(), 'kept');
  closeSync(fd);
});

test('populate leaves the event loop free and stops at an abort', async () => {
  const mapping = mmap({ size: 2 * GIB });
  const controller = new AbortController();
  const started = mapping.populate({ signal: controller.signal });
  let turns = 0;
  while (turns < 3) {
    await new Promise((resolve) => setImmediate(resolve));
    turns++;
  }
  controller.abort();
  await deadline(
    'aborted populate',
    started.then(
      () => assert.unreachable(),
      (error: HostError) => assert.is(error.code, 'ECANCELED'),
    ),
    60_000,
  );
  assert.ok(Number.parseInt(smaps(mapping, 'Rss'), 10) < (2 * GIB) / 1024);
  mapping.unmap();
});

test('unmap during populate waits for the running slice', async () => {
  const mapping = mmap({ size: 256 * MIB });
  const populating = mapping.populate();
  mapping.unmap();
  await deadline(
    'populate of unmapped memory',
    populating.then(
      () => assert.unreachable(),
      (error: HostError) => assert.is(error.code, 'ECANCELED'),
    ),
    60_000,
  );
  const start = mapping.address.toString(16);
  assert.not.match(readFileSync('/proc/self/maps', 'utf8'), new RegExp(`^0*${start}-`, 'm'));
});

test('seals hold', () => {
  const fd = memfdCreate('sealed', { sealable: true });
  ftruncateSync(fd, 4096);
  addSeals(fd, Seal.SHRINK | Seal.GROW);
  assert.throws(() => ftruncateSync(fd, 8192), /EPERM/);
  closeSync(fd);
  const plain = memfdCreate('plain');
  assert.throws(
    () => addSeals(plain, Seal.GROW),
    (error: HostError) => error.code === 'EPERM',
  );
  closeSync(plain);
});

test('a huge page size that is no power of two or not supported is refused', () => {
  assert.throws(() => memfdCreate('odd', { hugePageSize: 3 * MIB }), /3145728 is not a power of two/);
  assert.throws(
    () => memfdCreate('odd', { hugePageSize: 8192 }),
    (error: HostError) => error.syscall === 'memfd_create',
  );
});

test('a huge page memfd has the page size asked for', () => {
  for (const size of [2 * MIB, GIB]) {
    const fd = memfdCreate('huge', { hugePageSize: size });
    assert.is(statSync(`/proc/self/fd/${fd}`).blksize, size);
    closeSync(fd);
  }
});

test('mmap names the errno of a hopeless size', () => {
  assert.throws(
    () => mmap({ size: 2 ** 52 }),
    (error: HostError) => error.code === 'ENOMEM',
  );
  assert.throws(
    () => mmap({ size: 0 }),
    (error: HostError) => error.code === 'EINVAL',
  );
});

test('memory can be released off the main thread, in slices', async () => {
  const mapping = mmap({ size: 5 * MIB });
  const start = mapping.address.toString(16);
  await deadline('release', mapping.release(2 * MIB));
  const line = readFileSync('/proc/self/maps', 'utf8').match(new RegExp(`^0*${start}-.* rw-s`, 'm'));
  assert.is(line, null);
  assert.throws(() => [...mapping.windows()], /not mapped any more/);
  mapping.unmap();
});

test('a mapping can be aligned beyond its pages, and takes no address space beside it', () => {
  for (const align of [64 * 1024, 2 * MIB, 1 * GIB]) {
    using mapping = mmap({ size: 3 * MIB, align });
    assert.is(mapping.address % BigInt(align), 0n);
    assert.is(smaps(mapping, 'Size'), `${3 * 1024} kB`);
    const end = (mapping.address + BigInt(mapping.size)).toString(16);
    const around = readFileSync('/proc/self/maps', 'utf8').match(
      new RegExp(`^(\\S+-0*${mapping.address.toString(16)}|0*${end}-\\S+) ---p.*$`, 'm'),
    );
    assert.is(around, null);
  }
});

test.run();

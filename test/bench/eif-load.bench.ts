// Loading an image into guest RAM against the floor: read() of the same files into an identical mapping, then zlib.crc32
// over the same bytes, in the same page state; both into a shared memfd, as the machines' guest RAM is. Each measurement
// is a process of its own, floor and product in turn.
import { execFile } from 'node:child_process';
import { closeSync, existsSync, ftruncateSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { planImage, writeImage } from '../../src/eif/build.js';
import { loadEif } from '../../src/eif/load.js';
import { bytesPayload, ImageFile } from '../../src/eif/read.js';
import { memfdCreate, mmap } from '../../src/host/memory.js';
import type { GuestRam } from '../../src/system/guest-ram.js';
import { deadline } from '../support/deadline.js';
import { bzImage, pattern } from '../support/kernels.js';
import { MemoryRam } from '../support/memory-ram.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const RAM_SIZE = GIB + 64 * MIB;
const LOAD_OFFSET = 8 * MIB;
const ROUNDS = 5;

interface Job {
  work: 'floor' | 'product';
  pages: 'populated' | 'fresh';
  /** The EIF, or kernel and initrd. */
  files: string[];
}
interface Result {
  ms: number;
  crc: number;
  /** Highest resident size beyond the bytes of guest RAM touched. */
  beyond: number;
}

function floor(ram: GuestRam, files: string[]): number {
  let offset = LOAD_OFFSET;
  let crc = 0;
  for (const path of files) {
    const fd = openSync(path, 'r');
    const { size } = statSync(path);
    let position = 0;
    for (const window of ram.windows(offset, size)) {
      for (let done = 0; done < window.length; )
        done += readSync(fd, window, done, window.length - done, position + done);
      position += window.length;
    }
    for (const window of ram.windows(offset, size)) crc = crc32(window, crc);
    offset += size;
    closeSync(fd);
  }
  return crc;
}

async function product(ram: GuestRam, [kernel = '', initrd]: string[]): Promise<number> {
  const options = { kernel, arch: 'x86_64', ram, warn: () => undefined } as const;
  return (await loadEif(initrd === undefined ? options : { ...options, initrd, append: 'console=ttyS0' })).crc32;
}

async function child({ work, pages, files }: Job): Promise<Result> {
  const fd = memfdCreate('bench-ram');
  ftruncateSync(fd, RAM_SIZE);
  const ram = mmap({ fd, size: RAM_SIZE });
  if (pages === 'populated') await ram.populate();
  const started = performance.now();
  const crc = work === 'floor' ? floor(ram, files) : await product(ram, files);
  const ms = performance.now() - started;
  const peak = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024;
  const touched = pages === 'populated' ? RAM_SIZE : files.reduce((bytes, path) => bytes + statSync(path).size, 0);
  return { ms, crc, beyond: peak - touched };
}

async function measure(job: Job): Promise<Result> {
  const self = fileURLToPath(import.meta.url);
  const { stdout } = await deadline(
    `${job.work} on ${job.pages} pages`,
    promisify(execFile)(process.execPath, [self, JSON.stringify(job)]),
    120_000,
  );
  return JSON.parse(stdout);
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

/** The medians of floor and product in ms, their ratio, and the product's highest memory beyond guest RAM in bytes. */
async function compare(what: string, pages: Job['pages'], files: string[]): Promise<{ ratio: number; beyond: number }> {
  const floors: number[] = [];
  const products: number[] = [];
  let beyond = 0;
  for (let round = 0; round < ROUNDS; round++) {
    floors.push((await measure({ work: 'floor', pages, files })).ms);
    const result = await measure({ work: 'product', pages, files });
    products.push(result.ms);
    beyond = Math.max(beyond, result.beyond);
  }
  const [base, ours] = [median(floors), median(products)];
  const ratio = ours / base;
  console.log(
    `${what}, ${pages} pages: ${ours.toFixed(0)} ms, floor ${base.toFixed(0)} ms, ratio ${ratio.toFixed(2)}, ` +
      `peak RSS beyond guest RAM ${(beyond / MIB).toFixed(0)} MiB`,
  );
  return { ratio, beyond };
}

async function bench(): Promise<void> {
  // In memory when possible, so that no disk takes part.
  const dir = await mkdtemp(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'eif-bench-'));
  const test = suite('eif load bench');
  const [kernel, initrd, eif] = ['kernel', 'initrd', 'image.eif'].map((name) => join(dir, name)) as [
    string,
    string,
    string,
  ];
  test.before(async () => {
    await writeFile(kernel, bzImage(12 * MIB));
    const block = pattern(16 * MIB);
    const file = await open(initrd, 'w');
    for (let at = 0; at < GIB; at += block.length) await file.write(block);
    await file.close();
    await writeEif(eif, kernel, initrd);
  });
  test.after(() => rm(dir, { recursive: true }));

  for (const pages of ['populated', 'fresh'] as const) {
    test(`a 1 GiB EIF loads in at most 1.2 times the floor, with less than 100 MiB of its own, on ${pages} pages`, async () => {
      const { ratio, beyond } = await compare('1 GiB EIF', pages, [eif]);
      assert.ok(ratio <= 1.2, `ratio ${ratio}`);
      assert.ok(beyond < 100 * MIB, `${beyond} bytes`);
    });
    test(`a kernel and an initrd of 1 GiB are wrapped in at most 1.5 times the floor, on ${pages} pages`, async () => {
      const { ratio, beyond } = await compare('kernel and 1 GiB initrd', pages, [kernel, initrd]);
      assert.ok(ratio <= 1.5, `ratio ${ratio}`);
      assert.ok(beyond < 100 * MIB, `${beyond} bytes`);
    });
  }
  test.run();
}

/** Wraps kernel and initrd and writes the image to a file. */
async function writeEif(path: string, kernelPath: string, initrdPath: string): Promise<void> {
  const kernel = await ImageFile.open(kernelPath, 'no kernel');
  const initrd = await ImageFile.open(initrdPath, 'no initrd');
  const plan = planImage('x86_64', { kernel, cmdline: bytesPayload(Buffer.from('console=ttyS0')), initrd });
  const ram = new MemoryRam(plan.size);
  await writeImage(plan, ram, 0);
  await Promise.all([kernel.close(), initrd.close()]);
  const file = await open(path, 'w');
  for (const window of ram.windows(0, plan.size)) await file.writev([window]);
  await file.close();
}

const [job] = process.argv.slice(2);
if (job === undefined) await bench();
else console.log(JSON.stringify(await child(JSON.parse(job))));

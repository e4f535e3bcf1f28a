import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';

const caching = suite('build/cached-main');
let root = '';
let cache = '';

/** A copy of the bundle that may be damaged. */
caching.before.each(async () => {
  root = await mkdtemp(join(tmpdir(), 'cached-main-'));
  await cp('dist/bundle', join(root, 'dist/bundle'), { recursive: true, preserveTimestamps: true });
  await symlink(resolve('node_modules'), join(root, 'node_modules'));
  const [name] = (await sources()).filter((file) => file.endsWith('.cache'));
  assert.ok(name, 'the build makes a cache');
  cache = join(root, 'dist/bundle/src', name);
});
caching.after.each(() => rm(root, { recursive: true }));

function sources(): Promise<string[]> {
  return readdir(join(root, 'dist/bundle/src'));
}

/** Runs the program with no flags for Node, and checks its answer. */
async function answers(): Promise<void> {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const bin = join(root, 'dist/bundle/src/bin/qemu-system-x86_64.js');
  const { stdout } = await deadline('--version', promisify(execFile)(process.execPath, [bin, '--version'], { env }));
  assert.match(stdout, /^QEMU emulator version /);
}

caching('the cache that the build made is taken as it is', async () => {
  const before = await stat(cache);
  await answers();
  assert.is((await stat(cache)).ino, before.ino);
});

caching('without a cache the program runs and makes one', async () => {
  await rm(cache);
  await answers();
  assert.ok((await stat(cache)).size > 0);
});

caching('a cache that is damaged, cut off or empty is replaced', async () => {
  const good = await readFile(cache);
  for (const bad of [Buffer.from('not a cache'), good.subarray(0, good.length / 2), Buffer.alloc(0)]) {
    await writeFile(cache, bad);
    await answers();
    assert.ok((await stat(cache)).size > bad.length);
    const { ino } = await stat(cache);
    await answers();
    assert.is((await stat(cache)).ino, ino, 'the next run takes the new one');
  }
});

caching('the program runs where the cache cannot be read or written, and leaves nothing behind', async () => {
  await rm(cache);
  await mkdir(join(cache, 'in-the-way'), { recursive: true });
  const before = await sources();
  await answers();
  assert.equal(await sources(), before);
});

caching.run();

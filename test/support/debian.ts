import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { deadline } from './deadline.js';

const cache = resolve('.tmp/debian');
const run = promisify(execFile);

/**
 * A directory with the content of a Debian package, downloaded by apt-get when it is not there yet.
 *
 * @returns undefined when this machine cannot get it
 */
export async function debianPackage(name: string): Promise<string | undefined> {
  const dir = join(cache, name);
  try {
    await access(dir);
    return dir;
  } catch {
    // Not there yet.
  }
  const draft = `${dir}.${process.pid}`;
  try {
    await mkdir(draft, { recursive: true });
    await deadline(`apt-get download ${name}`, run('apt-get', ['download', '-q', name], { cwd: draft }), 120_000);
    await deadline('dpkg-deb', run('sh', ['-c', 'dpkg-deb -x *.deb . && rm *.deb'], { cwd: draft }), 60_000);
    await rename(draft, dir);
    return dir;
  } catch {
    await rm(draft, { recursive: true, force: true });
    return undefined;
  }
}

/** The package a Debian package of the archive depends on, matched by `pattern`. */
export async function debianDependency(name: string, pattern: RegExp): Promise<string | undefined> {
  try {
    return pattern.exec((await run('apt-cache', ['depends', name])).stdout)?.[0];
  } catch {
    return undefined;
  }
}

/** An archive as the kernel takes it for an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst). */
export function initramfs(files: readonly { name: string; mode: number; data: Buffer }[]): Buffer {
  const entries = [...files, { name: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) }];
  return Buffer.concat(
    entries.flatMap(({ name, mode, data }, inode) => {
      const fields = [inode + 1, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
      const header = `070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}\0`;
      return [pad(Buffer.from(header)), pad(data)];
    }),
  );
}

function pad(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}

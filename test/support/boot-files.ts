import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeHeader, decodeSectionHeader, SECTION_HEADER_SIZE } from '../../src/eif/codec/header.js';

/** The enclave with a real Linux that the repository has. */
export const demoEif = fileURLToPath(new URL('../../../test/guests/linux/demo.eif', import.meta.url));

/** Its kernel, as a file in `dir`. */
export function enclaveKernel(dir: string): string {
  const image = readFileSync(demoEif);
  const start = Number(decodeHeader(image)?.table[0]?.offset);
  const payload = start + SECTION_HEADER_SIZE;
  const size = Number(decodeSectionHeader(image.subarray(start))?.size);
  const path = join(dir, 'vmlinuz');
  writeFileSync(path, image.subarray(payload, payload + size));
  return path;
}

/** Debian's kernel for clouds: an installed one, or the package's, kept for the next run. */
export function debianKernel(dir: string): string | undefined {
  const isKernel = (name: string) => /^vmlinuz-.*-cloud-amd64$/.test(name);
  const installed = readdirSync('/boot').find(isKernel);
  if (installed !== undefined) return join('/boot', installed);
  const kept = join(tmpdir(), 'nitro-emu-debian-kernel');
  if (existsSync(kept)) return kept;
  const depends = spawnSync('apt-cache', ['depends', 'linux-image-cloud-amd64'], { encoding: 'utf8' });
  const name = /Depends: (linux-image-\S+)/.exec(depends.stdout ?? '')?.[1];
  if (name === undefined) return undefined;
  const got = spawnSync('apt-get', ['download', name], { cwd: dir, timeout: 300_000 });
  const file = readdirSync(dir).find((entry) => entry.startsWith(name));
  if (got.status !== 0 || file === undefined) return undefined;
  execFileSync('dpkg', ['-x', join(dir, file), join(dir, 'package')]);
  const kernel = readdirSync(join(dir, 'package/boot')).find(isKernel);
  if (kernel === undefined) return undefined;
  writeFileSync(kept, readFileSync(join(dir, 'package/boot', kernel)));
  return kept;
}

const init = `#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys
$bb mount -t proc none /proc
$bb mount -t sysfs none /sys
echo "INIT-UP cpus=$($bb nproc) $($bb cat /proc/cmdline)"
$bb cat /proc/interrupts /proc/iomem
$bb ls -l /sys/bus/virtio/devices
$bb poweroff -f
`;

/** A ramdisk that says INIT-UP with CPUs and command line, shows interrupts, memory and devices, and powers off. */
export function testRamdisk(dir: string): Buffer | undefined {
  const busybox = '/usr/bin/busybox';
  if (!existsSync(busybox)) return undefined;
  const root = join(dir, 'root');
  mkdirSync(join(root, 'bin'), { recursive: true });
  writeFileSync(join(root, 'bin/busybox'), readFileSync(busybox), { mode: 0o755 });
  writeFileSync(join(root, 'init'), init, { mode: 0o755 });
  const archive = { cwd: root, input: 'bin\nbin/busybox\ninit\n', maxBuffer: 64 * 1024 * 1024 };
  return execFileSync(busybox, ['cpio', '-o', '-H', 'newc'], { ...archive, stdio: ['pipe', 'pipe', 'ignore'] });
}

/** The ELF file inside a bzImage packed by lz4 (boot.rst, payload_offset); without PVH its note is renamed. */
export function unpackedKernel(path: string, pvh: boolean): Buffer {
  const file = readFileSync(path);
  const start = (file.readUInt8(0x1f1) + 1) * 512 + file.readUInt32LE(0x248);
  const payload = file.subarray(start, start + file.readUInt32LE(0x24c) - 4);
  const elf = execFileSync('lz4', ['-dc'], {
    input: payload,
    maxBuffer: 512 * 1024 * 1024,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  const note = elf.indexOf(Buffer.from('04000000080000001200000058656e00', 'hex'));
  if (note < 0) throw new Error('the kernel has no PVH note');
  if (!pvh) elf.writeUInt32LE(0x7f, note + 8);
  return elf;
}

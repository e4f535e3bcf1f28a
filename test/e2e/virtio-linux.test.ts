// The vsock device against the driver of a real Linux: Debian's QEMU has the CPU, the device is behind its vhost-user.
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UnixBackend } from '../../src/hw/virtio/vsock/backend-unix.js';
import { enclaveKernel } from '../support/boot-files.js';
import { deadline, eventually } from '../support/deadline.js';
import { VsockBackEnd } from '../support/vhost-user-backend.js';

const test = suite('vsock device against the driver of Linux');
const run = promisify(execFile);
const BOOT_MS = 60_000;

const needs = [
  ['qemu-system-x86_64', '--version'],
  ['gcc', '--version'],
  ['cpio', '--version'],
  ['python3', '-c', 'import socket; socket.AF_VSOCK'],
];
let missing: string | undefined;
for (const [program = '', ...args] of needs) {
  await run(program, args).catch(() => {
    missing = `${program} is missing`;
  });
}

/** A ramdisk with the guest's program as its init. */
function ramdisk(dir: string): string {
  const root = join(dir, 'root');
  mkdirSync(join(root, 'dev'), { recursive: true });
  execFileSync('gcc', ['-static', '-O2', '-o', join(root, 'init'), resolve('test/e2e/virtio/linux-guest.c')]);
  execFileSync('sh', ['-c', 'mknod -m 600 root/dev/console c 5 1; cd root; find . | cpio -o -H newc > ../ramdisk'], {
    cwd: dir,
    stdio: 'ignore',
  });
  return join(dir, 'ramdisk');
}

test('streams of a Linux guest, both ways, to a client in Python', async () => {
  if (missing !== undefined) return console.log(`SKIP ${missing}`);
  const dir = mkdtempSync(join(tmpdir(), 'nitro-emu-linux-vsock-'));
  const uds = join(dir, 'uds');
  const backend = new UnixBackend(uds);
  const device = new VsockBackEnd(join(dir, 'vhost'), 4, backend);
  await backend.listen(device.muxer);
  const machine = 'microvm,acpi=off,memory-backend=m,pic=on,rtc=on';
  const args = [
    ...['-M', machine, '-accel', 'tcg', '-cpu', 'max', '-m', '512', '-smp', '1', '-nodefaults', '-no-reboot'],
    ...['-display', 'none', '-serial', 'stdio', '-global', 'virtio-mmio.force-legacy=false'],
    ...['-object', 'memory-backend-memfd,id=m,size=512M,share=on'],
    ...['-chardev', `socket,id=c,path=${join(dir, 'vhost')}`, '-device', 'vhost-user-vsock-device,chardev=c'],
    ...['-kernel', enclaveKernel(dir), '-initrd', ramdisk(dir)],
    ...['-append', 'console=ttyS0 tsc_early_khz=2000000 lpj=4000000 panic=-1 reboot=t'],
  ];
  const qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let serial = '';
  qemu.stdout.on('data', (data: Buffer) => {
    serial += data;
  });
  try {
    await eventually('the guest', () => serial.includes('guest ready'), BOOT_MS).catch((error: Error) => {
      throw new Error(`${error.message}\n${serial}`);
    });
    const client = run('python3', ['test/e2e/virtio/client.py', 'unix', uds]);
    const { stdout } = await deadline('the client', client, 300_000);
    const steps = ['streams', 'early_bytes', 'half_close', 'refused', 'guest_dials', 'stuck', 'many'];
    assert.equal(
      stdout.trim().split('\n'),
      steps.map((step) => `${step} ok`),
    );
    assert.equal(device.faults, []);
  } finally {
    qemu.kill('SIGKILL');
    backend.close();
    device.close();
    rmSync(dir, { recursive: true });
  }
});

test.run();

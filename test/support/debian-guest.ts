import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianDependency, debianPackage, initramfs } from './debian.js';

/** What Debian's kernel needs for the devices of this machine, in the order they load. */
const modules = [
  'virtio/virtio_ring',
  'virtio/virtio',
  'virtio/virtio_mmio',
  'acpi/button',
  'input/evdev',
  'char/hw_random/virtio-rng',
].map((name) => `drivers/${name}.ko`);
const vsock = ['vsock', 'vmw_vsock_virtio_transport_common', 'vmw_vsock_virtio_transport'].map(
  (name) => `net/vmw_vsock/${name}.ko`,
);

/** Says DEVICE with each virtio device's number and driver, then INIT-UP; powers off when the power button is pressed. */
const init = `#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc /sys /dev
$bb mount -t proc none /proc
$bb mount -t sysfs none /sys
$bb mount -t devtmpfs none /dev
for module in /modules/*; do $bb insmod $module; done
for device in /sys/bus/virtio/devices/*; do
  echo "DEVICE $($bb cat $device/device) $($bb basename $($bb readlink $device/driver))"
done
# Opened before INIT-UP: a press that nobody listens to is lost.
for events in /dev/input/event*; do
  exec 3< $events
  ($bb dd bs=24 count=1 <&3 of=/dev/null 2>/dev/null; echo BUTTON; $bb poweroff -f) &
done
echo "INIT-UP cpus=$($bb nproc) $($bb uname -r)"
wait
`;

export interface DebianGuest {
  readonly kernel: string;
  readonly initrd: string;
}

/**
 * Debian's kernel for clouds with a ramdisk that has its modules for the machine's devices.
 *
 * @param dir for the ramdisk
 * @returns undefined when this machine cannot get it
 */
export async function debianGuest(dir: string): Promise<DebianGuest | undefined> {
  const name = await debianDependency('linux-image-cloud-amd64', /linux-image-\d\S*/);
  const image = name === undefined ? undefined : await debianPackage(name);
  const busybox = await debianPackage('busybox-static');
  if (image === undefined || busybox === undefined) return undefined;
  const file = readdirSync(join(image, 'boot')).find((entry) => entry.startsWith('vmlinuz-')) ?? '';
  const tree = join(image, 'lib/modules', file.slice('vmlinuz-'.length), 'kernel');
  const loaded = [...modules, ...vsock].map((path, index) => ({
    name: `modules/${String(index).padStart(2, '0')}`,
    mode: 0o100644,
    data: readFileSync(join(tree, path)),
  }));
  const directory = (path: string) => ({ name: path, mode: 0o40755, data: Buffer.alloc(0) });
  const program = (path: string, data: Buffer) => ({ name: path, mode: 0o100755, data });
  const archive = initramfs([
    directory('bin'),
    directory('modules'),
    program('bin/busybox', readFileSync(join(busybox, 'bin/busybox'))),
    program('init', Buffer.from(init)),
    ...loaded,
  ]);
  const initrd = join(dir, 'debian-ramdisk');
  writeFileSync(initrd, archive);
  return { kernel: join(image, 'boot', file), initrd };
}

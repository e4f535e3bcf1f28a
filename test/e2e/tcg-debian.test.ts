// Debian's own kernel on the software CPU, with ACPI and its drivers as modules.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DebianGuest, debianGuest } from '../support/debian-guest.js';
import { BOOT_MS, withLinux } from '../support/linux-process.js';
import { scratchDir } from '../support/scratch.js';

const test = suite("tcg: Debian's cloud kernel");
// The kernel's tests of its own ciphers take longer than the rest of the boot.
const append = 'console=ttyS0 panic=-1 reboot=k cryptomgr.notests';
const guest = await debianGuest(scratchDir());

/** The arguments that boot it. */
function boots({ kernel, initrd }: DebianGuest, ...more: string[]) {
  return { kernel, machine: 'acpi=on', memory: '512M', args: ['-initrd', initrd, '-append', append, ...more] };
}

for (const cpus of [1, 2]) {
  test(`with acpi=on and -smp ${cpus} its modules drive the virtio devices, and the power button ends it`, async () => {
    if (guest === undefined) return console.log("SKIP apt-get cannot get Debian's kernel or busybox");
    await withLinux({ ...boots(guest, '-device', 'virtio-rng-device'), cpus }, async (linux) => {
      const qmp = await linux.qmp();
      await linux.says(`INIT-UP cpus=${cpus} 6.1.`, BOOT_MS);
      // Numbers of devices: virtio 1.2, section 5; Debian 12 has no driver for the NSM.
      assert.match(linux.console, 'DEVICE 0x0013 vmw_vsock_virtio_transport');
      assert.match(linux.console, 'DEVICE 0x0004 virtio_rng');
      assert.match(linux.console, 'DEVICE 0x0021');
      await qmp.run('system_powerdown');
      assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-shutdown' });
      assert.is(await linux.status(), 0, linux.stderr);
      assert.match(linux.console, /BUTTON[\s\S]*reboot: Power down/);
      assert.is(linux.stderr, '');
    });
  });
}

test.run();

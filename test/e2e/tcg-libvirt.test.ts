// Real libvirt drives a real Linux with ACPI on the software CPU.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type DebianGuest, debianGuest } from '../support/debian-guest.js';
import { emulatorPath } from '../support/emulator.js';
import { Libvirt, libvirtUnavailable, type Terminal } from '../support/libvirt.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('tcg: libvirt');
const guest = await debianGuest(scratchDir());
const unavailable =
  (await libvirtUnavailable()) ?? (guest === undefined ? "apt-get cannot get Debian's kernel or busybox" : undefined);

function domain({ kernel, initrd }: DebianGuest): string {
  return `
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>linux</name>
  <memory unit='MiB'>512</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='nitro-enclave'>hvm</type>
    <kernel>${kernel}</kernel>
    <initrd>${initrd}</initrd>
    <cmdline>console=ttyS0 panic=-1 reboot=k cryptomgr.notests</cmdline>
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>${emulatorPath()}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <console type='pty'/>
  </devices>
  <qemu:commandline><qemu:arg value='-machine'/><qemu:arg value='acpi=on'/></qemu:commandline>
</domain>`;
}

/** Waits until the guest has come up so many times. */
async function up(console: Terminal, times: number): Promise<void> {
  await console.until(new RegExp(`(INIT-UP[\\s\\S]*){${times}}`), 120_000);
}

test('a domain is defined, started, seen on its console, rebooted, shut down, started again and destroyed', async () => {
  if (unavailable !== undefined || guest === undefined) return console.log(`SKIP ${unavailable}`);
  const libvirt = await Libvirt.start();
  try {
    await libvirt.define(domain(guest));
    await libvirt.ok('start', 'linux');
    await libvirt.state('linux', 'running (booted)');
    const terminal = libvirt.terminal('console', 'linux');
    await up(terminal, 1);
    assert.match(await libvirt.log('linux'), /-machine nitro-enclave,[\s\S]*-accel tcg/);
    await libvirt.ok('suspend', 'linux');
    await libvirt.state('linux', 'paused (user)');
    await libvirt.ok('resume', 'linux');
    // libvirt's reboot: the power button, and a reset once the guest has powered off.
    await libvirt.ok('reboot', 'linux');
    await terminal.until(/BUTTON[\s\S]*reboot: Power down/);
    await up(terminal, 2);
    await libvirt.state('linux', 'running (unpaused)');
    await libvirt.ok('shutdown', 'linux');
    await libvirt.state('linux', 'shut off (shutdown)');
    await terminal.end();
    await libvirt.ok('start', 'linux');
    await libvirt.state('linux', 'running (booted)');
    await libvirt.ok('destroy', 'linux');
    await libvirt.state('linux', 'shut off (destroyed)');
  } finally {
    await libvirt.remove();
  }
});

test.run();

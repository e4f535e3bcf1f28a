import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acpiTables } from '../../src/hw/i386/acpi.js';
import { zeroPage } from '../../src/hw/i386/boot-params.js';
import { type GuestOptions, type LoadedGuest, loadGuest } from '../../src/hw/i386/load-kernel.js';
import { virtioSlot } from '../../src/hw/i386/memory-layout.js';
import type { GuestMemory } from '../../src/system/guest-memory.js';
import { debianKernel, enclaveKernel, testRamdisk, unpackedKernel } from '../support/boot-files.js';
import { bootUnderQemu, qemuAcpiTables, registersAtEntry } from '../support/boot-under-qemu.js';
import { deadline } from '../support/deadline.js';
import { makeImage, text } from '../support/eif-image.js';
import { elfImage, MIB, machineMemory, pvhNote } from '../support/i386-kernels.js';

const test = suite('i386 boot e2e');
const has = (...programs: string[]) =>
  programs.every((program) => (process.env.PATH ?? '').split(':').some((path) => existsSync(join(path, program))));
const skip = (reason: string) => console.log(`SKIP ${reason}`);
// TCG's clock is not to be calibrated against (spec software-cpu.md, section 1).
const QUIET_CLOCK = 'console=ttyS0 earlyprintk=serial,ttyS0 panic=-1 reboot=t tsc_early_khz=2000000 lpj=4000000';

let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'i386-boot-'));
});
test.after(() => rm(dir, { recursive: true }));

type Options = Partial<GuestOptions> & { kernel: string };
async function load(
  options: Options,
): Promise<{ guest: LoadedGuest; memory: GuestMemory; cpus: number; acpi: boolean }> {
  const given = { append: QUIET_CLOCK, memory: machineMemory(512 * MIB), cpus: 2, acpi: false, virtioSlots: [7, 6] };
  const all = { ...given, warn: (line: string) => assert.unreachable(line), ...options };
  return { ...all, guest: await deadline('the load', loadGuest(all), 60_000) };
}

/** Boots until the test ramdisk's init has spoken or the kernel has powered off. */
async function boot(options: Options): Promise<string> {
  const loaded = await load(options);
  const devices = ['-device', 'virtio-rng-device', '-device', 'virtio-serial-device'];
  const run = { ...loaded, dir, args: [...devices, '-global', 'virtio-mmio.force-legacy=off'] };
  return (await bootUnderQemu(run, 180_000, /Power off not available|Kernel panic/)).console;
}

test('the compiler sees the zero page as written', () => {
  if (!has('gcc')) return skip('gcc is not installed');
  const program = join(dir, 'zero-page');
  execFileSync('gcc', ['-o', program, fileURLToPath(new URL('../../../test/e2e/boot/zero-page.c', import.meta.url))]);
  const page = zeroPage({
    setupHeader: new Uint8Array(0x7b),
    cmdline: 0x1_00020000,
    initrd: { addr: 0x2_01000000, size: 0x3_00001234 },
    e820: [
      { addr: 0, size: 0x9fc00, type: 'ram' },
      { addr: 0x1_00000000, size: 0x2_00000000, type: 'reserved' },
    ],
    rsdp: 0xe0000,
  });
  assert.equal(JSON.parse(execFileSync(program, { input: page, encoding: 'utf8' })), {
    size: 4096,
    cmdline: 0x1_00020000,
    ramdisk: [0x2_01000000, 0x3_00001234],
    type_of_loader: 0xff,
    rsdp: 0xe0000,
    e820: [
      [0, 0x9fc00, 1],
      [0x1_00000000, 0x2_00000000, 2],
    ],
  });
});

/** Disassembles a table; what iasl complains of is an error. */
function disassemble(name: string, bytes: Uint8Array): string {
  const path = join(dir, `${name}.dat`);
  writeFileSync(path, bytes);
  const { stdout, stderr } = spawnSync('iasl', ['-d', path], { encoding: 'utf8', timeout: 60_000 });
  assert.not.match(`${stdout}${stderr}`, /error|warning|invalid|terminates/i);
  const text = readFileSync(join(dir, `${name}.dsl`), 'utf8');
  assert.not.match(text, /terminates|Incorrect checksum|Invalid|Unknown/i);
  return text;
}

/** The tables of a RSDP at 0xe0000, by signature. */
function splitTables(all: Buffer): Map<string, Buffer> {
  const tables = new Map<string, Buffer>();
  for (let at = 48; at + 36 <= all.length; at += 16) {
    const signature = all.toString('latin1', at, at + 4);
    if (/^(DSDT|FACP|APIC|XSDT)$/.test(signature))
      tables.set(signature, all.subarray(at, at + all.readUInt32LE(at + 4)));
  }
  return tables;
}

test('iasl disassembles every table without a complaint', () => {
  if (!has('iasl')) return skip('iasl (acpica-tools) is not installed');
  const slots = [7, 6, 5, 4, 3, 2, 1, 0].map((index) => virtioSlot(index, true));
  const tables = splitTables(Buffer.from(acpiTables(255, slots)));
  assert.equal([...tables.keys()].sort(), ['APIC', 'DSDT', 'FACP', 'XSDT']);
  for (const [signature, bytes] of tables) disassemble(signature, bytes);
});

test('the recorded DSDT is what iasl makes of dsdt.asl', () => {
  if (!has('iasl')) return skip('iasl (acpica-tools) is not installed');
  const data = (name: string) => fileURLToPath(new URL(`../../../test/hw/i386/${name}`, import.meta.url));
  execFileSync('iasl', ['-p', join(dir, 'compiled'), data('dsdt.asl')], { stdio: 'ignore' });
  const compiled = readFileSync(join(dir, 'compiled.aml')).subarray(36);
  assert.is(JSON.parse(readFileSync(data('dsdt.json'), 'utf8')).terms, compiled.toString('hex'));
});

test("devices, registers and CPUs are those of the tables that QEMU's microvm makes", async () => {
  if (!has('iasl', 'qemu-system-x86_64')) return skip('iasl (acpica-tools) or qemu-system-x86_64 is not installed');
  const theirs = splitTables(Buffer.concat([Buffer.alloc(48), alignTables(await qemuAcpiTables(3))]));
  const ours = splitTables(Buffer.from(acpiTables(3, [virtioSlot(7, true), virtioSlot(6, true)])));
  const text = (tables: Map<string, Buffer>, name: string) => {
    const table = Buffer.from(tables.get(name) ?? assert.unreachable(`no ${name}`) ?? '');
    // QEMU leaves the checksum to its firmware.
    table[9] = 0;
    table[9] = -table.reduce((sum, byte) => sum + byte, 0);
    writeFileSync(join(dir, 'compare.dat'), table);
    execFileSync('iasl', ['-d', join(dir, 'compare.dat')], { stdio: 'ignore' });
    return readFileSync(join(dir, 'compare.dsl'), 'utf8').replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '');
  };
  /** QEMU's made ours: no fw_cfg, edges, an event method without a local, and an id that is no string. */
  const devices = (dsl: string) =>
    dsl
      .slice(dsl.indexOf('Scope'))
      .replace(/Device \(FWCF\)[\s\S]*?(?=Device \(COM1\))/, '')
      .replace('EisaId ("PNP0C0C")', '"PNP0C0C"')
      .replace('Local0 = ESEL', '')
      .replace('((Local0 & 0x02) == 0x02)', '(ESEL & 0x02)')
      .replace(/0x03F8,\s+0x00,/, '0x03F8, 0x01,')
      .replaceAll('ResourceConsumer, Level', 'ResourceConsumer, Edge')
      .replace(/\s+/g, ' ');
  assert.is(devices(text(ours, 'DSDT')), devices(text(theirs, 'DSDT')));
  const fields = (dsl: string) =>
    dsl
      .split('\n')
      .filter((line) => / : /.test(line))
      .map((line) => line.replace(/^\[.*?\]\s*/, '').trim())
      .filter((line) => !/^(Table Length|Revision|Checksum|Oem|Asl|FACS|DSDT|Hypervisor|Raw)/.test(line));
  for (const name of ['FACP', 'APIC']) assert.equal(fields(text(ours, name)), fields(text(theirs, name)), name);
});

/** QEMU packs its tables; `splitTables` looks at borders of 16 bytes. */
function alignTables(packed: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at + 36 <= packed.length; ) {
    const size = packed.readUInt32LE(at + 4);
    if (size < 36 || at + size > packed.length) break;
    parts.push(packed.subarray(at, at + size), Buffer.alloc((16 - (size % 16)) % 16));
    at += size;
  }
  return Buffer.concat(parts);
}

for (const protocol of ['linux64', 'pvh'] as const) {
  test(`a CPU that loads our tables holds the state we say it has: ${protocol}`, async () => {
    if (!has('qemu-system-x86_64', 'gdb', 'as', 'ld')) return skip('QEMU, gdb or binutils are not installed');
    // `jmp .` in both modes
    const code = { addr: 0x200000n, bytes: Buffer.from('ebfe', 'hex') };
    const kernel = join(dir, `spin-${protocol}`);
    const notes = protocol === 'pvh' ? [{ type: 4, addr: 0n, bytes: pvhNote(0x200000) }] : [];
    writeFileSync(kernel, elfImage([code, ...notes], 0x200000n));
    const loaded = await load({ kernel, cpus: 1 });
    assert.is(loaded.guest.protocol, protocol);
    const { state } = loaded.guest;
    const seen = registersAtEntry({ ...loaded, dir });
    for (const name of ['rip', 'rsp', 'rbx', 'rsi', 'cr0', 'cr3', 'cr4', 'efer'] as const) {
      assert.is(seen.register(name), state[name], name);
    }
    for (const name of ['es', 'ss', 'ds', 'fs', 'gs'] as const)
      assert.equal(seen.segment(name), seen.expected(state.ds), name);
    assert.equal(seen.segment('cs'), seen.expected(state.cs));
    assert.equal(seen.table('gdt'), state.gdt);
  });
}

test('an EIF with the enclave kernel comes up with both CPUs, its ramdisks and its transports', async () => {
  const kernel = enclaveKernel(dir);
  const ramdisk = testRamdisk(dir);
  if (!has('qemu-system-x86_64', 'as', 'ld')) return skip('QEMU or binutils are not installed');
  if (ramdisk === undefined) return skip('busybox (busybox-static) is not installed');
  const half = ramdisk.subarray(0, 4);
  const path = join(dir, 'enclave.eif');
  const sections = [
    { type: 1, bytes: readFileSync(kernel) },
    { type: 2, bytes: text('nokaslr') },
    { type: 5, bytes: text('{}') },
    { type: 3, bytes: half },
    { type: 3, bytes: ramdisk.subarray(half.length) },
  ];
  writeFileSync(path, makeImage({ sections }));
  const console = await boot({ kernel: path });
  assert.match(console, /MPTABLE: OEM ID: NITROEMU/);
  const line = `nokaslr ${QUIET_CLOCK} virtio_mmio.device=512@0xfeb00e00:12 virtio_mmio.device=512@0xfeb00c00:11`;
  assert.ok(console.includes(`INIT-UP cpus=2 ${line}`), console);
  assert.match(console, /virtio0 -> .*virtio-mmio\.0/);
  assert.match(console, /virtio1 -> .*virtio-mmio\.1/);
});

for (const protocol of ['pvh', 'linux64'] as const) {
  test(`the unpacked enclave kernel comes up by ${protocol}`, async () => {
    const kernel = enclaveKernel(dir);
    const ramdisk = testRamdisk(dir);
    if (!has('qemu-system-x86_64', 'as', 'ld', 'lz4')) return skip('QEMU, binutils or lz4 are not installed');
    if (ramdisk === undefined) return skip('busybox (busybox-static) is not installed');
    const path = join(dir, 'vmlinux');
    const initrd = join(dir, 'initrd');
    writeFileSync(path, unpackedKernel(kernel, protocol === 'pvh'));
    writeFileSync(initrd, ramdisk);
    const described = execFileSync('readelf', ['-hlW', path], { encoding: 'utf8' });
    const { guest } = await load({ kernel: path, initrd });
    assert.is(guest.protocol, protocol);
    for (const [, addr] of described.matchAll(/^ {2}LOAD +\S+ +\S+ +(0x\S+)/gm)) {
      assert.ok(
        guest.placed.some((part) => part.what === 'kernel' && part.addr === Number(addr)),
        addr,
      );
    }
    assert.match(await boot({ kernel: path, initrd }), /INIT-UP cpus=2 console=ttyS0/);
  });
}

test("Debian's own kernel finds all by ACPI, and powers off by it", async () => {
  if (!has('qemu-system-x86_64', 'as', 'ld')) return skip('QEMU or binutils are not installed');
  const ramdisk = testRamdisk(dir);
  if (ramdisk === undefined) return skip('busybox (busybox-static) is not installed');
  const kernel = debianKernel(dir);
  if (kernel === undefined) return skip("Debian's linux-image-cloud-amd64 is not to be had");
  const initrd = join(dir, 'initrd');
  writeFileSync(initrd, ramdisk);
  const console = await boot({ kernel, initrd, acpi: true });
  assert.ok(console.includes(`INIT-UP cpus=2 ${QUIET_CLOCK}`), console);
  assert.not.match(console, /ACPI (BIOS )?(Error|Warning)|Firmware Bug/);
  assert.match(console, /IO-APIC +9-edge +ACPI:Ged/);
  assert.match(console, /00:00: ttyS0 at I\/O 0x3f8/);
  assert.match(console, /feb00e00-feb00fff : LNRO0005:00/);
  assert.match(console, /ACPI: PM: Preparing to enter system sleep state S5/);
});

test.run();

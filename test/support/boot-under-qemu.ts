import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Segment } from '../../src/hw/i386/gdt.js';
import type { LoadedGuest } from '../../src/hw/i386/load-kernel.js';
import type { GuestMemory } from '../../src/system/guest-memory.js';
import { deadline } from './deadline.js';

const stub = fileURLToPath(new URL('../../../test/e2e/boot/stub.S', import.meta.url));
/** What QEMU shows as ROM below 1 MiB when its firmware file has that size. */
const ROM = { base: 0xe0000, size: 0x20000 };
const STUB_SIZE = 0x10000;
const STUB_CODE = 0xf000;

export interface QemuBoot {
  guest: LoadedGuest;
  memory: GuestMemory;
  /** For the files it writes. */
  dir: string;
  cpus: number;
  acpi: boolean;
  /** Further arguments. */
  args?: string[];
}

/** The 128 KiB of firmware: what the guest has there, and code in the last 4 KiB that enters the guest. */
function firmware(guest: LoadedGuest, memory: GuestMemory, dir: string): string {
  const { state, protocol } = guest;
  const symbols = {
    LONG: protocol === 'linux64' ? 1 : 0,
    CR0: state.cr0,
    CR3: state.cr3,
    CR4: state.cr4,
    CODE: state.cs.selector,
    DATA: state.ds.selector,
    RBX: state.rbx,
    RSI: state.rsi,
    RSP: state.rsp,
    RIP: state.rip,
    GDT_BASE: state.gdt.base,
    GDT_LIMIT: state.gdt.limit,
  };
  const object = join(dir, 'stub.o');
  const binary = join(dir, 'stub.bin');
  const defined = Object.entries(symbols).flatMap(([name, value]) => ['--defsym', `${name}=${value}`]);
  execFileSync('as', ['--64', ...defined, '-o', object, stub]);
  execFileSync('ld', ['-m', 'elf_x86_64', '-Ttext=0', '-e', '0', '--oformat', 'binary', '-o', binary, object]);
  const code = readFileSync(binary);
  if (code.length !== STUB_SIZE) throw new Error(`the stub has ${code.length} bytes`);
  const rom = Buffer.from(memory.read(ROM.base, ROM.size));
  code.copy(rom, ROM.size - STUB_SIZE + STUB_CODE, STUB_CODE);
  const path = join(dir, 'rom.bin');
  writeFileSync(path, rom);
  return path;
}

/** The command line that starts the loaded guest under Debian's QEMU, from its first instruction on. */
export function qemuArguments({ guest, memory, dir, cpus, acpi, args = [] }: QemuBoot): string[] {
  const total = memory.ranges.reduce((sum, { size }) => sum + size, 0);
  const loaders = guest.placed
    .filter(({ addr }) => addr < ROM.base || addr >= ROM.base + ROM.size)
    .flatMap(({ addr, size }, i) => {
      const path = join(dir, `part${i}.bin`);
      writeFileSync(path, memory.read(addr, size));
      return ['-device', `loader,file=${path},addr=0x${addr.toString(16)},force-raw=on`];
    });
  const machine = `microvm,acpi=${acpi ? 'on' : 'off'},ioapic2=off,x-option-roms=off,auto-kernel-cmdline=off,rtc=on`;
  return [
    ...['-M', machine, '-accel', 'tcg', '-cpu', 'max', '-m', `${total / 2 ** 20}M`, '-smp', `${cpus}`],
    ...['-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none'],
    ...['-bios', firmware(guest, memory, dir), ...loaders, ...args],
  ];
}

/** Runs the guest until it powers off or `ms` are over. Resolves with what it wrote to its serial port. */
export async function bootUnderQemu(
  boot: QemuBoot,
  ms: number,
  until?: RegExp,
): Promise<{ console: string; ended: boolean }> {
  const qemu = spawn('qemu-system-x86_64', [...qemuArguments(boot), '-serial', 'stdio'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  let ended = true;
  const end = once(qemu, 'close');
  const stop = () => {
    ended = false;
    qemu.kill();
  };
  qemu.stdout.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    if (until?.test(text)) stop();
  });
  const timer = setTimeout(stop, ms);
  await deadline('QEMU', end, ms + 30_000);
  clearTimeout(timer);
  return { console: text, ended };
}

/** CPU 0's registers at the guest's first instruction, as QEMU's `info registers` shows them. */
export function registersAtEntry(boot: QemuBoot) {
  const { state, protocol } = boot.guest;
  const socket = join(boot.dir, `gdb-${protocol}.sock`);
  const qemu = spawn('qemu-system-x86_64', [
    ...qemuArguments(boot),
    ...['-serial', 'null', '-S', '-chardev', `socket,path=${socket},server=on,wait=off,id=g`, '-gdb', 'chardev:g'],
  ]);
  try {
    const commands = [
      'set architecture i386:x86-64',
      'set tcp connect-timeout 30',
      `target remote ${socket}`,
      `hbreak *0x${state.rip.toString(16)}`,
      'continue',
      'monitor info registers',
      'kill',
    ].flatMap((command) => ['-ex', command]);
    const wait = `for i in $(seq 300); do [ -S "$0" ] && exec gdb -nx -batch "$@" 2>&1; sleep 0.1; done; exit 1`;
    const shown = execFileSync('sh', ['-c', wait, socket, ...commands], {
      encoding: 'utf8',
      timeout: 120_000,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return parseRegisters(shown, protocol === 'linux64');
  } finally {
    qemu.kill('SIGKILL');
  }
}

function parseRegisters(shown: string, long: boolean) {
  const number = (pattern: string): number => {
    const found = new RegExp(pattern).exec(shown)?.[1];
    if (found === undefined) throw new Error(`no ${pattern} in ${shown}`);
    return Number.parseInt(found, 16);
  };
  const names: Record<string, string> = long ? {} : { rip: 'EIP', rsp: 'ESP', rbx: 'EBX', rsi: 'ESI' };
  return {
    register: (name: string) => number(`\\b${names[name] ?? name.toUpperCase()} *=([0-9a-f]+)`),
    /** Selector, base, limit and the upper word of the descriptor, less the accessed bit. */
    segment: (name: string) => {
      const found = new RegExp(`^${name.toUpperCase()} *=(\\S+) (\\S+) (\\S+) (\\S+)`, 'm').exec(shown);
      const [selector, base, limit, flags] = (found ?? []).slice(1).map((word) => Number.parseInt(word, 16));
      return [selector, base, limit, (flags ?? 0) & 0xf0ff00];
    },
    expected: ({ selector, base, limit, type, s, dpl, present, avl, l, db, g }: Segment) => {
      const access = type | (s << 4) | (dpl << 5) | (present << 7);
      return [selector, base, limit, (access << 8) | (avl << 20) | (l << 21) | (db << 22) | (g << 23)];
    },
    table: (name: string) => {
      const found = new RegExp(`^${name.toUpperCase()}= +(\\S+) (\\S+)`, 'm').exec(shown);
      const [base, limit] = (found ?? []).slice(1).map((word) => Number.parseInt(word, 16));
      return { base, limit };
    },
  };
}

/** The ACPI tables that QEMU's microvm makes for two virtio devices, read out of its fw_cfg (docs/specs/fw_cfg.rst). */
export async function qemuAcpiTables(cpus: number): Promise<Buffer> {
  const ask = (selector: number, length: number): Buffer => {
    const commands = [`o /h 0x510 ${selector}`, ...Array.from({ length }, () => 'i /b 0x511'), 'quit'];
    const shown = execFileSync(
      'qemu-system-x86_64',
      [
        ...['-M', 'microvm,acpi=on,ioapic2=off', '-accel', 'tcg', '-S', '-display', 'none', '-monitor', 'stdio'],
        ...['-m', '512M', '-smp', `${cpus}`, '-nodefaults', '-serial', 'null'],
        ...['-device', 'virtio-rng-device', '-device', 'virtio-serial-device'],
      ],
      { input: `${commands.join('\n')}\n`, encoding: 'latin1', timeout: 60_000 },
    );
    return Buffer.from([...shown.matchAll(/portb\[0x0511\] = (0x[0-9a-f]+)/g)].map(([, byte]) => Number(byte)));
  };
  const directory = ask(0x19, 4 + 64 * 16);
  for (let at = 4; at < directory.length; at += 64) {
    if (directory.toString('latin1', at + 8, at + 26) !== 'etc/acpi/tables\0\0\0') continue;
    return ask(directory.readUInt16BE(at + 4), directory.readUInt32BE(at));
  }
  throw new Error('QEMU offers no ACPI tables');
}

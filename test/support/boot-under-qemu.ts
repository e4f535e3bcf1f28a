import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
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
  const code = execFileSync('cat', [binary]);
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

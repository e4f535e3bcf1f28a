import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as abi from '../../accel/kvm/abi.js';
import { encodeMsrs } from '../../accel/kvm/power-on.js';
import { decodeRegisters, encodeRegs, encodeSregs } from '../../accel/kvm/registers.js';
import { decodeCpuid, encodeCpuid } from '../../accel/kvm/system.js';
import type { Segment } from '../../src/hw/i386/gdt.js';

const test = suite('kvm abi e2e');
const usable =
  existsSync('/usr/include/linux/kvm.h') &&
  (process.env.PATH ?? '').split(':').some((dir) => existsSync(join(dir, 'gcc')));

const dir = mkdtempSync(join(tmpdir(), 'kvm-abi-'));
test.after(() => rmSync(dir, { recursive: true }));

function checked(name: string, body: () => void): void {
  test(name, () => {
    if (usable && process.arch === 'x64') return body();
    console.log('SKIP needs gcc and the headers of x86-64 Linux');
  });
}

/** Output of a C program. */
function runC(name: string, source: string): string {
  const program = join(dir, name);
  execFileSync('gcc', ['-o', program, source]);
  return execFileSync(program, { encoding: 'utf8' });
}

/** Members of struct kvm_run whose names in abi.ts differ from C's by more than a dot. */
const members: Record<string, string> = {
  immediate_exit: 'immediate_exit',
  exit_reason: 'exit_reason',
  fail_entry_reason: 'fail_entry.hardware_entry_failure_reason',
  system_event_type: 'system_event.type',
};

checked('every number is that of the header', () => {
  const expressions: [string, number, string][] = [];
  for (const [name, value] of Object.entries(abi)) {
    if (name.startsWith('KVM_') && typeof value === 'number') expressions.push([name, value, name]);
  }
  for (const [name, size] of Object.entries(abi.Size)) expressions.push([name, size, `sizeof(struct ${name})`]);
  for (const [name, offset] of Object.entries(abi.Run)) {
    expressions.push([name, offset, `offsetof(struct kvm_run, ${members[name] ?? name.replace('_', '.')})`]);
  }
  const groups = { KVM_EXIT_: abi.Exit, KVM_SYSTEM_EVENT_: abi.SystemEvent, KVM_MP_STATE_: abi.MpState };
  for (const [prefix, group] of Object.entries(groups)) {
    for (const [name, value] of Object.entries(group)) expressions.push([prefix + name, value, prefix + name]);
  }
  const lines = expressions.map(([name, , expression]) => `printf("${name} %lu\\n", (unsigned long)(${expression}));`);
  const source = join(dir, 'numbers.c');
  const includes = ['<linux/kvm.h>', '<stddef.h>', '<stdio.h>'].map((file) => `#include ${file}\n`).join('');
  writeFileSync(source, `${includes}int main(void) { ${lines.join('\n')} return 0; }\n`);
  const told = runC('numbers', source).trim().split('\n');
  assert.equal(
    expressions.map(([name, value]) => `${name} ${value}`),
    told,
  );
  assert.ok(told.length > 90);
});

checked('structures are those that the compiler makes', () => {
  const source = fileURLToPath(new URL('../../../test/e2e/kvm/structs.c', import.meta.url));
  const structs = new Map(
    runC('structs', source)
      .trim()
      .split('\n')
      .map((line): [string, Buffer] => {
        const [name = '', hex = ''] = line.split(' ');
        return [name, Buffer.from(hex, 'hex')];
      }),
  );
  const struct = (name: string) => structs.get(name) ?? Buffer.alloc(0);
  const same = (name: string, ours: Buffer) => assert.is(ours.toString('hex'), struct(name).toString('hex'), name);
  same('memory_region', abi.memoryRegion(1, 0x100000000, 0x40000000, 0x7f0000000000n));
  same('irqfd', abi.irqfd(33, 5));
  same('ioeventfd', abi.ioeventfd(0xfeb00050, 3, 34));
  same('device_attr', abi.tscOffsetAttr(0x7f0000001000n));
  same('cpuid', encodeCpuid(decodeCpuid(struct('cpuid'))));
  assert.equal(decodeCpuid(struct('cpuid')), [
    { leaf: 1, subleaf: 0, indexed: false, eax: 2, ebx: 3, ecx: 0xffffffff, edx: 5 },
    { leaf: 4, subleaf: 3, indexed: true, eax: 6, ebx: 0, ecx: 0, edx: 0 },
  ]);
  same(
    'msrs',
    encodeMsrs([
      [0x10, 7n],
      [0xc0000102, 0xffffffffffffffffn],
    ]),
  );
  const registers = decodeRegisters(struct('regs'), struct('sregs'), struct('debugregs'), abi.MpState.HALTED);
  assert.equal(registers.general, [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n, 11n, 12n, 13n, 14n, 15n, 16n]);
  const { rip, rflags, cr0, cr2, cr3, cr4, cr8, efer, gdt, idt, debug, halted } = registers;
  assert.equal(
    { rip, rflags, cr0, cr2, cr3, cr4, cr8, efer, gdt, idt, debug, halted },
    {
      rip: 17n,
      rflags: 18n,
      cr0: 104n,
      cr2: 105n,
      cr3: 106n,
      cr4: 107n,
      cr8: 108n,
      efer: 109n,
      gdt: { base: 100n, limit: 101 },
      idt: { base: 102n, limit: 103 },
      debug: [200n, 201n, 202n, 203n, 204n, 205n],
      halted: true,
    },
  );
  assert.equal(
    registers.segments,
    Array.from({ length: 8 }, (_, i) => {
      const n = i + 1;
      const access = n | 0x10 | ((n & 3) << 5) | 0x80;
      const high = ((n >> 3) & 1) | (((n >> 1) & 1) << 1) | ((n & 1) << 2) | (((n >> 2) & 1) << 3);
      const flags = n === 7 ? 0 : (access << 8) | (high << 20);
      return { selector: 8 * n, base: BigInt(0x1000 * n), limit: 0xfffff - n, flags };
    }),
  );
});

test('a boot state reads back as it was written', () => {
  const segment = (n: number): Segment => {
    const [selector, base, limit] = [8 * n, 0x100 * n, 0xffff + n];
    return { selector, base, limit, type: n, s: 1, dpl: 0, present: 1, avl: 1, l: 0, db: 1, g: 1 };
  };
  const state = {
    ...{ rip: 0x1_00000000, rsp: 2, rbx: 3, rsi: 4, rflags: 5 },
    ...{ cs: segment(1), ds: segment(2), tr: segment(3) },
    ...{ gdt: { base: 6, limit: 7 }, idt: { base: 8, limit: 9 } },
    ...{ cr0: 0x80000011, cr3: 10, cr4: 11, efer: 12 },
  };
  const reset = Buffer.alloc(abi.Size.kvm_sregs, 0);
  reset.writeBigUInt64LE(0xfee00900n, 272);
  const sregs = encodeSregs(reset, state);
  assert.is(sregs.readBigUInt64LE(272), 0xfee00900n);
  const registers = decodeRegisters(encodeRegs(state), sregs, Buffer.alloc(abi.Size.kvm_debugregs), 0);
  assert.is(registers.rip, 0x1_00000000n);
  assert.equal([registers.general[7], registers.general[1], registers.general[4]], [2n, 3n, 4n]);
  assert.equal(
    registers.segments.map(({ selector }) => selector),
    [16, 8, 16, 16, 16, 16, 0, 24],
  );
  assert.equal(registers.segments[1], { selector: 8, base: 0x100n, limit: 0x10000, flags: 0xd09100 });
  assert.equal([registers.cr0, registers.cr3, registers.cr4, registers.efer], [0x80000011n, 10n, 11n, 12n]);
  assert.is(registers.halted, false);
});

test.run();

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CpuRegisters } from '../../../src/hw/i386/cpu-registers.js';
import { codeLine, registerDump } from '../../../src/hw/i386/register-dump.js';

const test = suite('register-dump');

/** `info registers` of Debian's QEMU 7.2 (TCG) at its reset, in SeaBIOS, and in a Linux kernel. */
const recorded = JSON.parse(
  readFileSync(new URL('../../../../test/hw/i386/register-dump.json', import.meta.url), 'utf8'),
) as Record<string, string>;

/** The registers that a dump shows. */
function parse(text: string): CpuRegisters {
  const words = new Map(
    [...text.matchAll(/(\w+) *= *([0-9a-f]+)/g)].map(([, name = '', value]) => [name, `0x${value}`]),
  );
  const word = (...names: string[]) => BigInt(names.map((name) => words.get(name)).find((w) => w !== undefined) ?? 0);
  const table = (name: string) => {
    const [, base, limit] = new RegExp(`${name}= +(\\w+) (\\w+)`).exec(text) ?? [];
    return { base: BigInt(`0x${base}`), limit: Number(`0x${limit}`) };
  };
  const names = 'AX BX CX DX SI DI BP SP'.split(' ').map((name) => [`R${name}`, `E${name}`]);
  return {
    general: [...names, ...Array.from({ length: 8 }, (_, i) => [`R${i + 8}`])].map((pair) => word(...pair)),
    rip: word('RIP', 'EIP'),
    rflags: word('RFL', 'EFL'),
    segments: 'ES CS SS DS FS GS LDT TR'.split(' ').map((name) => {
      const [, selector, base, limit, flags] =
        new RegExp(`^${name} *=(\\w+) (\\w+) (\\w+) (\\w+)`, 'm').exec(text) ?? [];
      return {
        selector: Number(`0x${selector}`),
        base: BigInt(`0x${base}`),
        limit: Number(`0x${limit}`),
        flags: Number(`0x${flags}`),
      };
    }),
    gdt: table('GDT'),
    idt: table('IDT'),
    cr0: word('CR0'),
    cr2: word('CR2'),
    cr3: word('CR3'),
    cr4: word('CR4'),
    cr8: 0n,
    debug: ['DR0', 'DR1', 'DR2', 'DR3', 'DR6', 'DR7'].map((name) => word(name)),
    efer: word('EFER'),
    halted: /HLT=1/.test(text),
  };
}

for (const [mode, text] of Object.entries(recorded)) {
  test(`registers in ${mode} read as QEMU shows them`, () => {
    assert.is(registerDump(parse(text)), text);
  });
}

test('the code line marks the byte at RIP and shows what cannot be read', () => {
  assert.is(codeLine([0x90, 0xf4, undefined], 1), 'Code=90 <f4> ??\n');
});

test.run();

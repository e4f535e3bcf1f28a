import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { failureText, type GuestFailure } from '../../../accel/kvm/failure.js';
import type { CpuRegisters } from '../../../src/hw/i386/cpu-registers.js';
import { registerDump } from '../../../src/hw/i386/register-dump.js';

const test = suite('accel/kvm/failure');

const flat = { selector: 0, base: 0n, limit: 0xffff, flags: 0x9300 };
function registersAt(rip: bigint, base = 0n): CpuRegisters {
  const segments = Array.from({ length: 8 }, (_, i) => ({ ...flat, base: i === 1 ? base : 0n }));
  const zero = { cr0: 0x10n, cr2: 0n, cr3: 0n, cr4: 0n, cr8: 0n, efer: 0n, halted: false };
  const table = { base: 0n, limit: 0xffff };
  const [general, debug] = [new Array<bigint>(16).fill(0n), new Array<bigint>(6).fill(0n)];
  return { ...zero, general, debug, segments, rip, rflags: 2n, gdt: table, idt: table };
}

/** Memory that holds the low byte of each address, up to 0x200. */
const byte = (address: bigint) => (address < 0x200n ? Number(address & 0xffn) : undefined);
const lines = (failure: GuestFailure, rip = 0x100n) => failureText(failure, registersAt(rip), byte).split('\n');

test("an instruction that is not emulated comes with KVM's words, registers and code", () => {
  const registers = registersAt(0x1f8n);
  const text = failureText({ kind: 'internal', suberror: 1, data: [0x10n, 2n] }, registers, byte);
  const code = Array.from({ length: 50 }, (_, i) => {
    const at = 0x1f8 - 20 + i;
    const shown = at < 0x200 ? (at & 0xff).toString(16).padStart(2, '0') : '??';
    return i === 20 ? `<${shown}>` : shown;
  });
  const cause =
    'KVM internal error. Suberror: 1\nextra data[0]: 0x0000000000000010\nextra data[1]: 0x0000000000000002\nemulation failure\n';
  assert.is(text, `${cause}${registerDump(registers)}Code=${code.join(' ')}`);
});

test('each failure has a line of its own', () => {
  const first = (failure: GuestFailure) => lines(failure)[0];
  assert.is(first({ kind: 'entry', reason: 0x80000021n }), 'KVM: entry failed, hardware error 0x80000021');
  assert.is(first({ kind: 'run', reason: 'Bad address' }), 'error: kvm run failed Bad address');
  assert.is(first({ kind: 'exit', reason: 35 }), 'KVM: unknown exit, hardware reason 35');
  assert.is(first({ kind: 'internal', suberror: 3, data: [] }), 'KVM internal error. Suberror: 3');
  assert.is(first({ kind: 'system-event', type: 3 }), 'KVM: unknown system event 3');
});

test('code begins at address 0 where there is nothing before', () => {
  const code = lines({ kind: 'run', reason: 'x' }, 2n).at(-1) ?? '';
  assert.ok(code.startsWith('Code=00 01 <02> 03'), code);
});

test('code is found through the base of CS', () => {
  const text = failureText({ kind: 'run', reason: 'x' }, registersAt(0x20n, 0x100n), byte);
  assert.match(text, / <20> 21/);
});

test.run();

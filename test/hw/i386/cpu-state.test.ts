import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { longModeEntry, pvhEntry } from '../../../src/hw/i386/cpu-state.js';
import { MIB, machineMemory } from '../../support/i386-kernels.js';

const test = suite('CPU state');

test('Linux is entered in long mode with its zero page in RSI', () => {
  const memory = machineMemory(32 * MIB);
  const state = longModeEntry(memory, 0x100200);
  assert.is(state.rip, 0x100200);
  assert.is(state.rsi, 0x7000);
  assert.is(state.rflags, 2);
  assert.is(state.efer, 0x500);
  assert.is(state.cr0, 0x80000011);
  assert.is(state.cr4, 0x20);
  assert.equal([state.cs.selector, state.cs.l, state.cs.db], [0x10, 1, 0]);
  assert.equal([state.ds.selector, state.ds.base, state.ds.limit], [0x18, 0, 0xffffffff]);
  assert.equal([state.tr.selector, state.tr.type], [0x20, 11]);
});

test('the page tables map the first GiB onto itself and no more', () => {
  const memory = machineMemory(32 * MIB);
  memory.write(0x9000, new Uint8Array(0x3000).fill(0xee));
  const { cr3 } = longModeEntry(memory, 0x100200);
  /** A walk of 4 levels that ends at 2 MiB pages (AMD APM volume 2, section 5.3). */
  const walk = (addr: number): number | undefined => {
    let table = cr3;
    for (const shift of [39, 30, 21]) {
      const index = Math.floor(addr / 2 ** shift) % 512;
      const entry = Number(Buffer.from(memory.read(table + index * 8, 8)).readBigUInt64LE());
      if ((entry & 3) !== 3) return undefined;
      table = entry - (entry % 4096);
      if (shift === 21) return (entry & 0x80) === 0 ? undefined : table + (addr % 2 ** 21);
    }
    return undefined;
  };
  for (let addr = 0x1234; addr < 2 ** 30; addr += 2 ** 21) assert.is(walk(addr), addr);
  for (const addr of [2 ** 30, 2 ** 39, 2 ** 47 - 1]) assert.is(walk(addr), undefined);
});

test('a PVH kernel is entered in protected mode with its start info in EBX', () => {
  const memory = machineMemory(32 * MIB);
  const state = pvhEntry(memory, 0x1000040);
  assert.equal([state.rip, state.rbx, state.rsi], [0x1000040, 0x6000, 0]);
  assert.equal([state.cr0, state.cr3, state.cr4, state.efer], [0x11, 0, 0, 0]);
  assert.equal([state.cs.l, state.cs.db, state.cs.limit, state.tr.limit], [0, 1, 0xffffffff, 0x67]);
  assert.is(Buffer.from(memory.read(state.gdt.base, state.gdt.limit + 1)).readBigUInt64LE(0x10), 0x00cf9b000000ffffn);
});

test.run();

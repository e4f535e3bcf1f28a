import { readFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { replay, unpackAnswers } from '../../support/chip-script.js';
import { randomScript, recordedAnswers, recordedScripts } from '../../support/chip-script-random.js';
import { chipsBoard } from '../../support/chips-board.js';
import { chipsSurvive } from '../../support/chips-fuzz.js';

const test = suite('hw/intc/chips');

test('after reset an ISA interrupt reaches the boot CPU through PIC and LINT0, and no other CPU', () => {
  const { chips, initPics, outb } = chipsBoard(2);
  initPics();
  chips.applyLines(1 << 12, 1 << 12);
  assert.is(chips.pendingVector(0), 0x3c);
  assert.is(chips.pendingVector(1), undefined);
  assert.is(chips.acknowledge(0), 0x3c);
  assert.is(chips.pendingVector(0), undefined);
  outb(0xa0, 0x20);
  outb(0x20, 0x20);
  chips.applyLines(1 << 12, 1 << 12);
  assert.is(chips.pendingVector(0), 0x3c);
});

test('a pulse is an edge, also of a line that was low before and after', () => {
  const { chips, redirect, outb } = chipsBoard();
  outb(0x21, 0xff);
  redirect(12, 0x45);
  for (let i = 0; i < 2; i++) {
    chips.applyLines(0, 1 << 12);
    assert.is(chips.pendingVector(0), 0x45);
    chips.acknowledge(0);
    chips.apic(0).writeRegister(0xb0, 0);
    assert.is(chips.pendingVector(0), undefined);
  }
});

test('a level pin interrupts again after EOI as long as its line is up', () => {
  const { chips, redirect, outb } = chipsBoard();
  outb(0x21, 0xff);
  redirect(11, 0x8041);
  chips.applyLines(1 << 11, 1 << 11);
  assert.is(chips.acknowledge(0), 0x41);
  assert.is(chips.pendingVector(0), undefined);
  chips.apic(0).writeRegister(0xb0, 0);
  assert.is(chips.pendingVector(0), 0x41);
  chips.acknowledge(0);
  chips.applyLines(0, 0);
  chips.apic(0).writeRegister(0xb0, 0);
  assert.is(chips.pendingVector(0), undefined);
});

test('a line that stays up over a reset still interrupts', () => {
  const { chips, redirect } = chipsBoard();
  chips.applyLines(1 << 11, 1 << 11);
  chips.reset();
  chips.applyLines(1 << 11, 0);
  redirect(11, 0x8041);
  assert.is(chips.pendingVector(0), 0x41);
});

test('PIT and local APIC timer interrupt when they are due', () => {
  const { chips, initPics, outb, at } = chipsBoard();
  initPics();
  outb(0x43, 0x34);
  outb(0x40, 0xa9, 0x04);
  const falls = Math.ceil((1192 * 1e9) / 1193182);
  assert.is(chips.nextDeadline(), falls);
  at(falls);
  assert.is(chips.pendingVector(0), undefined);
  at(Math.ceil((1193 * 1e9) / 1193182));
  assert.is(chips.acknowledge(0), 0x30);
  outb(0x43, 0x30);

  const apic = chips.apic(0);
  apic.writeRegister(0x320, 0x80);
  apic.writeRegister(0x3e0, 0xb);
  apic.writeRegister(0x380, 5_000_000);
  assert.is(chips.nextDeadline() - Math.ceil((1193 * 1e9) / 1193182), 5_000_000);
  at(chips.nextDeadline());
  assert.is(chips.acknowledge(0), 0x80);
  assert.is(chips.nextDeadline(), Infinity);
});

for (const { family, seed, length } of recordedScripts) {
  test(`${family}: recorded random accesses are answered as by QEMU`, async () => {
    const answers: Record<string, number[]> = JSON.parse(await readFile(recordedAnswers, 'utf8'));
    assert.equal(replay(randomScript(family, seed, length), unpackAnswers(answers[family] ?? [])), []);
  });
}

test('whatever guests write, nothing throws, an interrupt is the one that was announced, and deadlines lie ahead', () => {
  chipsSurvive(1000);
});

test.run();

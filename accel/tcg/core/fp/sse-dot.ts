// DPPS and DPPD: products, then sums in stages. A lane's sum differs from another's only in which NaN wins; the order of
// operands is that of Intel's processors, found by experiment.
import { begin, faults } from './mxcsr';
import { Env } from './number';
import { ADD, finish, lane32, lane64, MUL } from './sse-arith';

/** Ends one stage: true when it has raised an unmasked exception. */
function stageFaults(): bool {
  if (faults()) return true;
  Env.flags = 0;
  return false;
}

/** Products that bits 4 to 7 of `imm` leave out are +0. */
function product32(d: usize, s: usize, imm: i32, lane: i32): u32 {
  if (!(imm & (16 << lane))) return 0;
  return lane32(MUL, load<u32>(d + 4 * lane), load<u32>(s + 4 * lane));
}

export function dpps(d: usize, s: usize, imm: i32): void {
  begin();
  const p0 = product32(d, s, imm, 0);
  const p1 = product32(d, s, imm, 1);
  const p2 = product32(d, s, imm, 2);
  const p3 = product32(d, s, imm, 3);
  if (stageFaults()) return;
  const q0 = lane32(ADD, p1, p0);
  const q1 = lane32(ADD, p0, p1);
  const q2 = lane32(ADD, p3, p2);
  const q3 = lane32(ADD, p2, p3);
  if (stageFaults()) return;
  const r0: u64 = lane32(ADD, q0, q2);
  const r1: u64 = lane32(ADD, q1, q3);
  const r2: u64 = lane32(ADD, q2, q0);
  const r3: u64 = lane32(ADD, q3, q1);
  finish(d, (imm & 1 ? r0 : 0) | ((imm & 2 ? r1 : 0) << 32), (imm & 4 ? r2 : 0) | ((imm & 8 ? r3 : 0) << 32));
}

export function dppd(d: usize, s: usize, imm: i32): void {
  begin();
  const p0 = imm & 16 ? lane64(MUL, load<u64>(d), load<u64>(s)) : 0;
  const p1 = imm & 32 ? lane64(MUL, load<u64>(d, 8), load<u64>(s, 8)) : 0;
  if (stageFaults()) return;
  const r0 = lane64(ADD, p0, p1);
  const r1 = lane64(ADD, p1, p0);
  finish(d, imm & 1 ? r0 : 0, imm & 2 ? r1 : 0);
}

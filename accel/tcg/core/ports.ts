import { FLAG_IOPL, GP } from './bits';
import { raiseError } from './exceptions';
import { portIn, portOut } from './host';
import { failed, readSystem } from './memory';
import { getRegister, setRegister, sizeOf } from './operands';
import { IMM } from './record';
import { protectedMode, SEG_TR, segment } from './segments';
import { CPL, EFLAGS, GPR, SEG_LIMIT, SLOT_SEGBASE } from './state';

const RAX: usize = 0;
const RDX: usize = 16;

/** Whether the privilege or the map of the task allows a port; raises #GP(0) when not. */
export function portAllowed(port: u32, bytes: u32): bool {
  if (!protectedMode() || load<u32>(CPL) <= (load<u32>(EFLAGS) & FLAG_IOPL) >> 12) return true;
  const limit = load<u32>(segment(SEG_TR), SEG_LIMIT);
  const task = load<u64>(GPR + SLOT_SEGBASE + SEG_TR * 8);
  if (limit >= 103) {
    const map = <u32>readSystem(task + 102, 1);
    if (failed()) return false;
    const at = map + (port >> 3);
    if (at + 1 <= limit) {
      const bits = <u32>readSystem(task + at, 1);
      if (failed()) return false;
      if (((bits >> (port & 7)) & ((1 << bytes) - 1)) == 0) return true;
    }
  }
  raiseError(GP, 0);
  return false;
}

function input(rec: usize, port: u32): void {
  const size = sizeOf(rec);
  if (portAllowed(port, 1 << size)) setRegister(RAX, size, <u64>portIn(port, 1 << size));
}

function output(rec: usize, port: u32): void {
  const size = sizeOf(rec);
  if (portAllowed(port, 1 << size)) portOut(port, 1 << size, <u32>getRegister(RAX, size));
}

export function op_in_port(rec: usize): void {
  input(rec, <u32>load<u8>(rec, IMM));
}
export function op_out_port(rec: usize): void {
  output(rec, <u32>load<u8>(rec, IMM));
}
export function op_in_dx(rec: usize): void {
  input(rec, <u32>getRegister(RDX, 1));
}
export function op_out_dx(rec: usize): void {
  output(rec, <u32>getRegister(RDX, 1));
}

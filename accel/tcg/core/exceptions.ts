import { PF } from './bits';
import { CR2, EXC_ERROR, EXC_VECTOR, EXIT, EXIT_UNIMPLEMENTED, PEND_EXCEPTION, PEND_EXIT, PENDING } from './state';

/** In EXC_ERROR: the exception has no error code. */
export const NO_ERROR: u32 = 0xffffffff;

/** An exception of the current instruction, which must not have changed anything. */
export function raise(vector: u32): void {
  raiseError(vector, NO_ERROR);
}

/** An exception with an error code. */
export function raiseError(vector: u32, error: u32): void {
  store<u32>(EXC_VECTOR, vector);
  store<u32>(EXC_ERROR, error);
  store<u32>(PENDING, PEND_EXCEPTION);
}

export function pageFault(address: u64, error: u32): void {
  store<u64>(CR2, address);
  raiseError(PF, error);
}

/** Stops the machine: the current instruction is known but not emulated. */
export function notEmulated(): void {
  store<u32>(EXIT, EXIT_UNIMPLEMENTED);
  store<u32>(PENDING, PEND_EXIT);
}

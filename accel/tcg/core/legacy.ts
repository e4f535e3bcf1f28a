import { unsupported } from './operands';

// Decimal arithmetic and BOUND of 32-bit programs: not emulated.

export function op_daa(rec: usize): void {
  unsupported(rec);
}
export function op_das(rec: usize): void {
  unsupported(rec);
}
export function op_aaa(rec: usize): void {
  unsupported(rec);
}
export function op_aas(rec: usize): void {
  unsupported(rec);
}
export function op_aam(rec: usize): void {
  unsupported(rec);
}
export function op_aad(rec: usize): void {
  unsupported(rec);
}
export function op_salc(rec: usize): void {
  unsupported(rec);
}
export function op_bound(rec: usize): void {
  unsupported(rec);
}

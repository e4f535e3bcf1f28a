// Moves of SSE and MMX by the number of bytes moved; registers are named by their addresses.

/** MOVAPS, MOVUPS, MOVDQA, LDDQU, ... */
export function move16(d: usize, s: usize): void {
  v128.store(d, v128.load(s));
}

/** The low 8 bytes; those above stay (MOVSD between registers, MOVLPS, and all stores of 8 bytes). */
export function move8(d: usize, s: usize): void {
  store<u64>(d, load<u64>(s));
}

export function move4(d: usize, s: usize): void {
  store<u32>(d, load<u32>(s));
}

/** 8 bytes into an XMM register whose upper half becomes 0 (MOVQ, MOVSD from memory). */
export function move8Clear(d: usize, s: usize): void {
  v128.store(d, v128.load_zero<u64>(s));
}

export function move4Clear(d: usize, s: usize): void {
  v128.store(d, v128.load_zero<u32>(s));
}

/** 4 bytes into 8, zeros above (MOVD to an MMX or general register). */
export function move4To8(d: usize, s: usize): void {
  store<u64>(d, load<u32>(s));
}

/** Into the upper half (MOVHPS, MOVLHPS). */
export function moveToHigh(d: usize, s: usize): void {
  store<u64>(d, load<u64>(s), 8);
}

/** From the upper half (MOVHPS to memory, MOVHLPS). */
export function moveFromHigh(d: usize, s: usize): void {
  store<u64>(d, load<u64>(s, 8));
}

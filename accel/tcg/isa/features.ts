/** CPUID features (QEMU's names) that the software CPU has; a row with another one is an invalid opcode. */
export const features: readonly string[] = [
  ...['fpu', 'cmov', 'mmx', 'fxsr', 'sse', 'sse2', 'pni', 'ssse3', 'sse4.1', 'sse4.2', 'popcnt', 'xsave', 'xsaveopt'],
  ...['fsgsbase', 'rdtscp', 'rdrand', 'rdseed', 'movbe'],
];

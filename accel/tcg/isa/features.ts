/** CPUID features (QEMU's names) that the software CPU has; a row with another one is an invalid opcode. */
export const features: readonly string[] = ['popcnt', 'fsgsbase', 'rdtscp', 'rdrand', 'rdseed', 'movbe'];

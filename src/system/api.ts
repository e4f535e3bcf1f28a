export { cpuTypeName, createCpu, parseCpuModel } from './cpu.js';
export { asError, QemuError } from './errors.js';
export { Signal } from './events.js';
export { Machine } from './machine.js';
export { createAlias, createRegion, MemoryRegion } from './memory.js';
export { cpuPlace } from './smp.js';

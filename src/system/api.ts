export { cpuTypeName, createCpu } from './cpu.js';
export { asError, QemuError } from './errors.js';
export { Signal } from './events.js';
export { Machine } from './machine.js';
export { createRegion, MemoryRegion } from './memory.js';

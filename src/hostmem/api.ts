export { HostMemoryBackend } from './backend.js';
export { type DefaultBackend, machineRam, mapMachineRam } from './machine-ram.js';
export { type RamBlock, ramBlocks } from './ram-blocks.js';

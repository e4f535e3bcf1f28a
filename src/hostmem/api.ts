export { HostMemoryBackend } from './backend.js';
export { type DefaultBackend, machineRam, mapMachineRam } from './machine-ram.js';
export { Memdev, memdevs, type RamBlock, ramBlocks } from './ram-blocks.js';

export { eventfd, ioctl, ioctlBlocking } from './fd.js';
export { HostFacts } from './host-facts.js';
export { HostError, strerror } from './libc.js';
export { addressOf, Mapping, mapOver, mmap, trimHeap } from './memory.js';
export { watch } from './reactor.js';
export { kickThread, takeKicks } from './threads.js';

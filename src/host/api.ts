export { ioctlBlocking } from './fd.js';
export { HostFacts } from './host-facts.js';
export { HostError, strerror } from './libc.js';
export { watch } from './reactor.js';

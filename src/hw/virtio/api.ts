export type { DeviceEvent } from './device-plan.js';
export { DeviceThread } from './device-thread.js';
export { QUEUE_NOTIFY } from './mmio.js';
export { nsmBoot } from './nsm-boot.js';

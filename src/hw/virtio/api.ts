export type { DeviceEvent, DevicePlan } from './device-plan.js';
export { DeviceThread } from './device-thread.js';
export { QUEUE_NOTIFY } from './mmio.js';
export type { VirtioMmioTransport } from './mmio-device.js';

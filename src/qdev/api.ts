export { Bus } from './bus.js';
export { Device } from './device.js';
export { addChildBus, addDevice, createDevice, plugBuiltin } from './device-add.js';

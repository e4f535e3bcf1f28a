export { openEnclave } from './enclave-view.js';
export { addNsmProperties } from './nsm-properties.js';

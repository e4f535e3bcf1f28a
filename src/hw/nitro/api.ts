export { type Attestation, openAttestation } from './attestation-ca.js';
export { defineHeartbeat } from './heartbeat.js';
export { addNsmProperties } from './nsm-properties.js';
export { EnclaveSerialBus } from './serial-bus.js';
export { defineSerialVsock } from './serial-vsock.js';
export { defineVsockBusTypes, findBridge, NITRO_VSOCK, NitroVsockBridge } from './vsock-bus.js';

export { FaultBoard } from '../../attestation/faults.js';
export { openAttestation } from './attestation-ca.js';
export { addNsmProperties } from './nsm-properties.js';

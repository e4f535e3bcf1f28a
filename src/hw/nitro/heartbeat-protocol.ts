/** Where the enclave's init looks for its parent before it goes on (init.c of aws-nitro-enclaves-sdk-bootstrap). */
export const HEARTBEAT_PORT = 9000;
/** What it sends and wants back. */
export const HEARTBEAT_BYTE = 0xb7;

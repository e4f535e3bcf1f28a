// QEMU, docs/interop/vhost-user.rst; <linux/vhost.h>

export const Request = {
  getFeatures: 1,
  setFeatures: 2,
  setOwner: 3,
  setMemTable: 5,
  setVringNum: 8,
  setVringAddr: 9,
  setVringBase: 10,
  getVringBase: 11,
  setVringKick: 12,
  setVringCall: 13,
  getProtocolFeatures: 15,
  setProtocolFeatures: 16,
  setVringEnable: 18,
  getConfig: 24,
} as const;

export type RequestName = keyof typeof Request;

/** VHOST_USER_F_PROTOCOL_FEATURES, among the virtio feature bits. */
export const F_PROTOCOL_FEATURES = 1n << 30n;
/** Protocol features. */
export const ProtocolFeature = { replyAck: 1n << 3n, config: 1n << 9n } as const;

const HEADER_SIZE = 12;
const VERSION = 1;
const VERSION_MASK = 3;
const FLAG_REPLY = 4;
const FLAG_NEED_REPLY = 8;
/** The longest reply that any request here has is far shorter. */
const REPLY_MAX = 4096;
const CONFIG_HEADER_SIZE = 12;
const REGION_SIZE = 32;

/** The back end does not speak the protocol. */
export class VhostUserError extends Error {
  override readonly name = 'VhostUserError';
}

/** Guest RAM as the back end maps it, in the order of its descriptors. */
export interface MemoryRegion {
  readonly guestAddress: bigint;
  /** Bytes. */
  readonly size: bigint;
  /** Where this process has it; rings are told in these addresses. */
  readonly userAddress: bigint;
  /** Offset in the file of the descriptor. */
  readonly offset: bigint;
}

/** Rings in addresses of this process. */
export interface VringAddresses {
  readonly desc: bigint;
  readonly used: bigint;
  readonly avail: bigint;
}

/** A whole request. @param needReply ask for an acknowledgement (REPLY_ACK) of what else has no reply */
export function encodeRequest(name: RequestName, payload: Uint8Array, needReply: boolean): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, Request[name], true);
  view.setUint32(4, VERSION | (needReply ? FLAG_NEED_REPLY : 0), true);
  view.setUint32(8, payload.length, true);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}

/** Takes replies out of a stream of bytes. */
export class ReplyReader {
  #bytes: Uint8Array = new Uint8Array(0);

  /** @returns the replies that are complete. @throws VhostUserError for what is none; the stream is of no use any more */
  push(data: Uint8Array): { request: number; payload: Uint8Array }[] {
    const bytes = new Uint8Array(this.#bytes.length + data.length);
    bytes.set(this.#bytes);
    bytes.set(data, this.#bytes.length);
    const view = new DataView(bytes.buffer);
    const replies = [];
    let at = 0;
    while (bytes.length - at >= HEADER_SIZE) {
      const flags = view.getUint32(at + 4, true);
      const size = view.getUint32(at + 8, true);
      if ((flags & (VERSION_MASK | FLAG_REPLY)) !== (VERSION | FLAG_REPLY)) {
        throw new VhostUserError(`a message with flags 0x${flags.toString(16)} instead of a reply`);
      }
      if (size > REPLY_MAX) throw new VhostUserError(`a reply of ${size} bytes`);
      if (bytes.length - at < HEADER_SIZE + size) break;
      const payload = bytes.slice(at + HEADER_SIZE, at + HEADER_SIZE + size);
      replies.push({ request: view.getUint32(at, true), payload });
      at += HEADER_SIZE + size;
    }
    this.#bytes = bytes.slice(at);
    return replies;
  }
}

export function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** @throws VhostUserError unless the payload is one */
export function readU64(payload: Uint8Array): bigint {
  return sized(payload, 8).getBigUint64(0, true);
}

/** The payload of set-vring-num, -base and -enable, and of get-vring-base with 0. */
export function vringState(index: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, index, true);
  view.setUint32(4, value, true);
  return bytes;
}

/** The value in the reply to get-vring-base. @throws VhostUserError */
export function readVringState(payload: Uint8Array, index: number): number {
  const view = sized(payload, 8);
  const got = view.getUint32(0, true);
  if (got !== index) throw new VhostUserError(`a reply about ring ${got} instead of ${index}`);
  return view.getUint32(4, true);
}

export function vringAddr(index: number, { desc, used, avail }: VringAddresses): Uint8Array {
  const bytes = new Uint8Array(40);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, index, true);
  view.setBigUint64(8, desc, true);
  view.setBigUint64(16, used, true);
  view.setBigUint64(24, avail, true);
  return bytes;
}

export function memTable(regions: readonly MemoryRegion[]): Uint8Array {
  const bytes = new Uint8Array(8 + REGION_SIZE * regions.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, regions.length, true);
  for (const [i, { guestAddress, size, userAddress, offset }] of regions.entries()) {
    const at = 8 + REGION_SIZE * i;
    view.setBigUint64(at, guestAddress, true);
    view.setBigUint64(at + 8, size, true);
    view.setBigUint64(at + 16, userAddress, true);
    view.setBigUint64(at + 24, offset, true);
  }
  return bytes;
}

/** Asks for the first `size` bytes of the configuration space. */
export function configRequest(size: number): Uint8Array {
  const bytes = new Uint8Array(CONFIG_HEADER_SIZE + size);
  new DataView(bytes.buffer).setUint32(4, size, true);
  return bytes;
}

/** @throws VhostUserError unless the payload has as many bytes of configuration */
export function readConfig(payload: Uint8Array, size: number): Uint8Array {
  sized(payload, CONFIG_HEADER_SIZE + size);
  return payload.slice(CONFIG_HEADER_SIZE);
}

function sized(payload: Uint8Array, size: number): DataView {
  if (payload.length !== size) throw new VhostUserError(`a reply with ${payload.length} bytes instead of ${size}`);
  return new DataView(payload.buffer, payload.byteOffset, size);
}

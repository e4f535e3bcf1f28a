// <linux/virtio_vsock.h>
export const HEADER_SIZE = 44;
export const TYPE_STREAM = 1;
/** The largest payload a driver may put in one packet (Linux: VIRTIO_VSOCK_MAX_PKT_BUF_SIZE). */
export const PAYLOAD_MAX = 64 * 1024;

export const Op = {
  request: 1,
  response: 2,
  rst: 3,
  shutdown: 4,
  rw: 5,
  creditUpdate: 6,
  creditRequest: 7,
} as const;

/** Flags of Op.shutdown: what its sender will not do any more. */
export const Shutdown = { receive: 1, send: 2, both: 3 } as const;

/** Header of a packet. CIDs are 64 bits; one beyond 2^53 is no address and may come out rounded. */
export interface PacketHeader {
  readonly srcCid: number;
  readonly dstCid: number;
  readonly srcPort: number;
  readonly dstPort: number;
  /** Payload bytes. */
  readonly len: number;
  readonly type: number;
  readonly op: number;
  readonly flags: number;
  /** The sender's receive buffer in bytes. */
  readonly bufAlloc: number;
  /** Bytes the sender has handed on, modulo 2^32. */
  readonly fwdCnt: number;
}

/** @param bytes at least HEADER_SIZE */
export function decodeHeader(bytes: Uint8Array): PacketHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_SIZE);
  return {
    srcCid: Number(view.getBigUint64(0, true)),
    dstCid: Number(view.getBigUint64(8, true)),
    srcPort: view.getUint32(16, true),
    dstPort: view.getUint32(20, true),
    len: view.getUint32(24, true),
    type: view.getUint16(28, true),
    op: view.getUint16(30, true),
    flags: view.getUint32(32, true),
    bufAlloc: view.getUint32(36, true),
    fwdCnt: view.getUint32(40, true),
  };
}

export function encodeHeader(header: PacketHeader): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE);
  const view = new DataView(bytes.buffer);
  setCid(view, 0, header.srcCid);
  setCid(view, 8, header.dstCid);
  view.setUint32(16, header.srcPort, true);
  view.setUint32(20, header.dstPort, true);
  view.setUint32(24, header.len, true);
  view.setUint16(28, header.type, true);
  view.setUint16(30, header.op, true);
  view.setUint32(32, header.flags, true);
  view.setUint32(36, header.bufAlloc, true);
  view.setUint32(40, header.fwdCnt, true);
  return bytes;
}

/** A BigInt takes as long as all other fields together. */
function setCid(view: DataView, offset: number, cid: number): void {
  view.setUint32(offset, cid % 2 ** 32, true);
  view.setUint32(offset + 4, Math.floor(cid / 2 ** 32), true);
}

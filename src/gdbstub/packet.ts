// GDB Remote Serial Protocol: gdb manual, appendix E, "Overview" and "Packet Acknowledgment".
const START = 0x24; // $
const END = 0x23; // #
const ESCAPE = 0x7d; // }
const REPEAT = 0x2a; // *
const ACK = 0x2b; // +
const NAK = 0x2d; // -
const INTERRUPT = 0x03;
const ESCAPE_XOR = 0x20;

/** Longest packet that gdb may send, bytes between `$` and `#` as they are on the wire. */
export const PACKET_SIZE = 0x1000;

/** What a debugger sends. */
export type GdbInput =
  | { readonly type: 'packet'; readonly body: Buffer }
  | { readonly type: 'interrupt' }
  | { readonly type: 'ack' }
  | { readonly type: 'nak' }
  /** A packet whose checksum is wrong, or one that is too long. */
  | { readonly type: 'damaged' };

type State = 'idle' | 'body' | 'checksum';

/** Cuts a stream of bytes into packets, whatever pieces it comes in. Noise between packets is skipped. */
export class GdbPacketReader {
  #state: State = 'idle';
  #body: number[] = [];
  #tooLong = false;
  #escaped = false;
  #sum = 0;
  #checksum = '';

  *read(bytes: Uint8Array): Generator<GdbInput> {
    for (const byte of bytes) {
      const input = this.#take(byte);
      if (input !== undefined) yield input;
    }
  }

  #take(byte: number): GdbInput | undefined {
    if (byte === START && this.#state !== 'checksum') return this.#begin();
    switch (this.#state) {
      case 'idle':
        if (byte === INTERRUPT) return { type: 'interrupt' };
        if (byte === ACK) return { type: 'ack' };
        return byte === NAK ? { type: 'nak' } : undefined;
      case 'body':
        return this.#takeBody(byte);
      case 'checksum':
        return this.#takeChecksum(byte);
    }
  }

  #begin(): undefined {
    this.#state = 'body';
    this.#body = [];
    this.#tooLong = false;
    this.#escaped = false;
    this.#sum = 0;
  }

  #takeBody(byte: number): undefined {
    if (byte === END) {
      this.#state = 'checksum';
      this.#checksum = '';
      return;
    }
    this.#sum = (this.#sum + byte) & 0xff;
    if (byte === ESCAPE) {
      this.#escaped = true;
      return;
    }
    if (this.#body.length >= PACKET_SIZE) this.#tooLong = true;
    else this.#body.push(this.#escaped ? byte ^ ESCAPE_XOR : byte);
    this.#escaped = false;
  }

  #takeChecksum(byte: number): GdbInput | undefined {
    this.#checksum += String.fromCharCode(byte);
    if (this.#checksum.length < 2) return undefined;
    this.#state = 'idle';
    const right = /^[0-9a-f]{2}$/i.test(this.#checksum) && Number.parseInt(this.#checksum, 16) === this.#sum;
    return right && !this.#tooLong ? { type: 'packet', body: Buffer.from(this.#body) } : { type: 'damaged' };
  }
}

const reserved = new Set([START, END, ESCAPE, REPEAT]);

/** A packet as it goes out: escaped, with its checksum. Text is taken as Latin-1. */
export function encodePacket(body: string | Uint8Array): Buffer {
  const plain = typeof body === 'string' ? Buffer.from(body, 'latin1') : body;
  const wire: number[] = [];
  for (const byte of plain) {
    if (reserved.has(byte)) wire.push(ESCAPE, byte ^ ESCAPE_XOR);
    else wire.push(byte);
  }
  const sum = wire.reduce((total, byte) => (total + byte) & 0xff, 0);
  const checksum = sum.toString(16).padStart(2, '0');
  return Buffer.concat([Buffer.of(START), Buffer.from(wire), Buffer.from(`#${checksum}`)]);
}

import { Op, type PacketHeader, Shutdown } from './packet.js';

/** Starts a timer. @returns a function that stops it */
export type After = (ms: number, callback: () => void) => () => void;

export interface ConnectionLimits {
  /** Bytes of the guest's data that may wait for the host, as announced to the guest. */
  readonly receiveBuffer: number;
  /** Bytes of the host's data that may wait for the guest before the host is asked to pause. */
  readonly sendBuffer: number;
  /** The guest's time to answer a REQUEST, milliseconds. */
  readonly requestMs: number;
  /** The guest's time to answer a SHUTDOWN of both directions, milliseconds. */
  readonly shutdownMs: number;
}

/** The host's end of a connection: what the guest does reaches it through these. */
export interface HostEnd {
  /** The guest accepted the host's request. */
  opened(): void;
  /** Data from the guest; the bytes are the receiver's. It says consumed() for them. */
  data(bytes: Uint8Array): void;
  /** The guest will send no more. */
  guestFinished(): void;
  /** The send buffer, once full, has room again. */
  drained(): void;
  /** The connection is over. @param flush the guest finished properly: what it sent must still be delivered */
  over(flush: boolean): void;
}

/** What a connection needs of the muxer. */
export interface ConnectionPort {
  readonly after: After;
  /** Something may have become ready to be taken. */
  ready(): void;
  /** The connection is over and out of the table. @param rst the guest must be told by a RST */
  remove(rst: boolean): void;
}

/** A packet to the guest, less its addresses. */
export interface Outgoing {
  readonly op: number;
  readonly flags: number;
  readonly payload: Uint8Array;
}

const NOTHING = new Uint8Array(0);

/**
 * One stream between a guest port and a host port (virtio 1.2, 5.10.6): states, credit, half closes. It holds no socket
 * and no clock. Its phase: `asked` by the guest, the host has not answered; `requesting` by the host, the guest has not
 * answered; `open`; `over`.
 */
export class Connection {
  #phase: 'asked' | 'requesting' | 'open' | 'over';
  readonly #limits: ConnectionLimits;
  readonly #port: ConnectionPort;
  #host: HostEnd | undefined;
  #stopTimer: (() => void) | undefined;

  // From the guest: all counters modulo 2^32.
  #received = 0;
  #forwarded = 0;
  #announced = 0;
  #guestShut = 0;

  // To the guest.
  #peerBuffer = 0;
  #peerForwarded = 0;
  #sent = 0;
  readonly #out: Uint8Array[] = [];
  #outBytes = 0;
  #full = false;
  #hostShut = 0;
  #shutSent = 0;
  #hostGone = false;
  #failed = false;
  #opening: number | undefined;
  #creditDue = false;
  #creditAsked = false;

  private constructor(phase: 'asked' | 'requesting', limits: ConnectionLimits, port: ConnectionPort) {
    this.#phase = phase;
    this.#limits = limits;
    this.#port = port;
  }

  /** The guest asked by `request`; accept() or abort() follows. */
  static asked(request: PacketHeader, limits: ConnectionLimits, port: ConnectionPort): Connection {
    const connection = new Connection('asked', limits, port);
    connection.#takeCredit(request);
    return connection;
  }

  /** The host asks: bind() follows, then opened() or over(). */
  static requesting(limits: ConnectionLimits, port: ConnectionPort): Connection {
    const connection = new Connection('requesting', limits, port);
    connection.#opening = Op.request;
    connection.#stopTimer = port.after(limits.requestMs, () => connection.abort());
    return connection;
  }

  get over(): boolean {
    return this.#phase === 'over';
  }

  /** What every packet to the guest says of this end; the caller sends it, so the guest then knows. */
  announce(): { bufAlloc: number; fwdCnt: number } {
    this.#announced = this.#forwarded;
    this.#creditDue = false;
    return { bufAlloc: this.#limits.receiveBuffer, fwdCnt: this.#forwarded };
  }

  /** Bytes that the guest has room for. */
  get credit(): number {
    const unread = (this.#sent - this.#peerForwarded) >>> 0;
    return Math.max(0, this.#peerBuffer - unread);
  }

  /** The guest has said that it has sent all it will. */
  get guestFinished(): boolean {
    return (this.#guestShut & Shutdown.send) !== 0;
  }

  /** A packet of this connection from the guest. The payload is this connection's to keep. */
  receive(header: PacketHeader, payload: Uint8Array): void {
    if (this.over) return;
    this.#takeCredit(header);
    switch (header.op) {
      case Op.rst:
        this.#end(false);
        break;
      case Op.response:
        if (this.#phase === 'requesting' && this.#opening === undefined) this.#open();
        else this.abort();
        break;
      case Op.rw:
        this.#receiveData(payload);
        break;
      case Op.shutdown:
        this.#receiveShutdown(header.flags);
        break;
      case Op.creditUpdate:
        break;
      case Op.creditRequest:
        this.#creditDue = true;
        break;
      default:
        this.abort();
    }
    // Every packet may bring credit.
    this.#port.ready();
  }

  #takeCredit({ bufAlloc, fwdCnt }: PacketHeader): void {
    this.#peerBuffer = bufAlloc;
    this.#peerForwarded = fwdCnt;
    if (this.credit > 0) this.#creditAsked = false;
  }

  #open(): void {
    this.#phase = 'open';
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    this.#host?.opened();
  }

  #receiveData(payload: Uint8Array): void {
    const waiting = (this.#received - this.#forwarded) >>> 0;
    const allowed = this.#phase === 'open' && !this.guestFinished;
    if (!allowed || waiting + payload.length > this.#limits.receiveBuffer) {
      this.abort();
      return;
    }
    this.#received = (this.#received + payload.length) >>> 0;
    if (this.#hostGone) this.consumed(payload.length);
    else if (payload.length > 0) this.#host?.data(payload);
  }

  #receiveShutdown(flags: number): void {
    if (this.#phase !== 'open') {
      this.abort();
      return;
    }
    const added = flags & Shutdown.both & ~this.#guestShut;
    this.#guestShut |= added;
    if ((added & Shutdown.receive) !== 0) this.#dropOutput();
    if ((added & Shutdown.send) !== 0) this.#host?.guestFinished();
    this.#finishIfFlushed();
  }

  /** The guest has closed and the host has all its data: nothing is left to do. */
  #finishIfFlushed(): void {
    if (this.#guestShut === Shutdown.both && this.#received === this.#forwarded) this.#end(true);
  }

  #dropOutput(): void {
    this.#out.length = 0;
    this.#outBytes = 0;
    this.#drained();
  }

  #drained(): void {
    if (!this.#full || this.#outBytes > this.#limits.sendBuffer / 2) return;
    this.#full = false;
    this.#host?.drained();
  }

  #end(rst: boolean): void {
    if (this.over) return;
    this.#phase = 'over';
    this.#stopTimer?.();
    this.#out.length = 0;
    this.#outBytes = 0;
    this.#port.remove(rst);
    this.#host?.over(this.guestFinished);
  }

  /** Gives the host's end of a connection that the host asks for. */
  bind(host: HostEnd): void {
    this.#host = host;
  }

  /** The host takes the guest's request. */
  accept(host: HostEnd): void {
    this.#host = host;
    this.#phase = 'open';
    this.#opening = Op.response;
    this.#port.ready();
  }

  /** Ends the connection at once, by a RST to the guest. */
  abort(): void {
    this.#end(true);
  }

  /**
   * Data for the guest, kept until the guest takes it; dropped when the guest will not receive.
   *
   * @returns false when the host shall pause until drained()
   */
  send(bytes: Uint8Array): boolean {
    if (this.over || (this.#guestShut & Shutdown.receive) !== 0 || bytes.length === 0) return true;
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    this.#full = this.#outBytes >= this.#limits.sendBuffer;
    this.#port.ready();
    return !this.#full;
  }

  /** The host will send no more. */
  finish(): void {
    this.#hostShut |= Shutdown.send;
    this.#port.ready();
  }

  /**
   * The host's end does not exist any more; what it sent before is still delivered.
   *
   * @param failed the guest shall then see a reset instead of an end
   */
  gone(failed: boolean): void {
    if (this.over) return;
    if (this.#phase !== 'open' || (failed && this.#outBytes === 0)) {
      this.abort();
      return;
    }
    this.#hostShut = Shutdown.both;
    this.#hostGone = true;
    this.#failed = failed;
    this.consumed((this.#received - this.#forwarded) >>> 0);
    this.#port.ready();
  }

  /** The host has taken `count` bytes of the guest's data. */
  consumed(count: number): void {
    if (this.over) return;
    this.#forwarded = (this.#forwarded + count) >>> 0;
    const believed = this.#limits.receiveBuffer - ((this.#received - this.#announced) >>> 0);
    if (believed < this.#limits.receiveBuffer / 2 && !this.guestFinished) {
      this.#creditDue = true;
      this.#port.ready();
    }
    this.#finishIfFlushed();
  }

  /** Whether take() has a packet. */
  get hasOutput(): boolean {
    if (this.over) return false;
    if (this.#opening !== undefined) return true;
    if (this.#phase !== 'open') return false;
    if (this.#outBytes > 0 && (this.credit > 0 || !this.#creditAsked)) return true;
    return this.#creditDue || this.#shutdownDue;
  }

  get #shutdownDue(): boolean {
    return this.#outBytes === 0 && (this.#hostShut & ~this.#shutSent) !== 0;
  }

  /** The next packet to the guest. @param space payload bytes that fit */
  take(space: number): Outgoing | undefined {
    if (!this.hasOutput) return undefined;
    if (this.#opening !== undefined) {
      const op = this.#opening;
      this.#opening = undefined;
      return bare(op);
    }
    if (this.#outBytes > 0) {
      const room = Math.min(space, this.credit);
      if (room > 0) return { op: Op.rw, flags: 0, payload: this.#takeData(room) };
      if (!this.#creditAsked) {
        this.#creditAsked = true;
        return bare(Op.creditRequest);
      }
    } else if (this.#shutdownDue) {
      this.#shutSent = this.#hostShut;
      if (this.#shutSent === Shutdown.both) {
        this.#stopTimer = this.#port.after(this.#limits.shutdownMs, () => this.abort());
      }
      return bare(Op.shutdown, this.#shutSent);
    }
    return bare(Op.creditUpdate);
  }

  #takeData(room: number): Uint8Array {
    const [chunk = NOTHING] = this.#out;
    const payload = chunk.subarray(0, room);
    if (payload.length === chunk.length) this.#out.shift();
    else this.#out[0] = chunk.subarray(room);
    this.#outBytes -= payload.length;
    this.#sent = (this.#sent + payload.length) >>> 0;
    this.#drained();
    if (this.#failed && this.#outBytes === 0) this.abort();
    return payload;
  }
}

function bare(op: number, flags = 0): Outgoing {
  return { op, flags, payload: NOTHING };
}

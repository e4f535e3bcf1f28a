import type { TraceValue } from '../../../system/trace.js';
import type { GuestDialer, HostStream, VsockBackend } from './backend.js';
import { type After, Connection, type ConnectionLimits, type ConnectionPort } from './connection.js';
import { join, type Linger } from './join.js';
import { encodeHeader, Op, type PacketHeader, TYPE_STREAM } from './packet.js';

/** VMADDR_CID_LOCAL, VMADDR_CID_HOST and an enclave's parent: all mean the host's side. */
const HOST_CIDS: ReadonlySet<number> = new Set([1, 2, 3]);
/** The source of connections that the host opens: enclaves know their parent as CID 3. */
const PARENT_CID = 3;
/** Ports of the host's ends start here, as in Firecracker. */
const FIRST_HOST_PORT = 2 ** 30;

export interface MuxerLimits extends ConnectionLimits {
  /** Connections, with those that still deliver what a gone guest socket sent. */
  readonly connections: number;
  /** Answers to packets of no connection that may wait for the guest; more are dropped. */
  readonly resets: number;
  /** A stream that delivers what is left may stand still this long, milliseconds. */
  readonly lingerMs: number;
}

/**
 * Buffers as Linux's sockets have them, times as Firecracker's; but a Linux on the software CPU takes some 4 s for
 * 1,000 connections at once.
 */
export const MUXER_LIMITS: MuxerLimits = {
  connections: 1023,
  receiveBuffer: 256 * 1024,
  sendBuffer: 64 * 1024,
  requestMs: 20_000,
  shutdownMs: 2_000,
  resets: 1024,
  lingerMs: 60_000,
};

export interface MuxerOptions {
  readonly guestCid: number;
  readonly backend: Pick<VsockBackend, 'connect'>;
  readonly limits?: Partial<MuxerLimits>;
  readonly after: After;
  /** take() may have something; called often. */
  readonly output: () => void;
  readonly trace: (what: string, ...values: TraceValue[]) => void;
}

/** A packet for the guest. */
export interface GuestPacket {
  readonly header: Uint8Array;
  readonly payload: Uint8Array;
}

interface Ends {
  readonly localCid: number;
  readonly localPort: number;
  readonly guestPort: number;
}

interface Entry {
  readonly ends: Ends;
  readonly connection: Connection;
}

/** The connections of one guest: finds each packet's, and serves them in turn where they have something to say. */
export class Muxer implements GuestDialer, Linger {
  readonly #options: MuxerOptions;
  readonly limits: MuxerLimits;
  readonly after: After;
  readonly #table = new Map<string, Entry>();
  readonly #ready = new Set<Entry>();
  readonly #resets: PacketHeader[] = [];
  readonly #lingering = new Set<HostStream>();
  #guestCid: number;
  #nextPort = FIRST_HOST_PORT;

  constructor(options: MuxerOptions) {
    this.#options = options;
    this.#guestCid = options.guestCid;
    this.limits = { ...MUXER_LIMITS, ...options.limits };
    this.after = options.after;
  }

  get guestCid(): number {
    return this.#guestCid;
  }

  /** Connections in the table, and streams that only deliver what is left. */
  get size(): { readonly connections: number; readonly lingering: number } {
    return { connections: this.#table.size, lingering: this.#lingering.size };
  }

  /** A packet from the guest, whose payload the muxer keeps. */
  receive(header: PacketHeader, payload: Uint8Array): void {
    if (header.srcCid !== this.#guestCid) {
      this.#options.trace('packet with a foreign source', header.srcCid);
      return;
    }
    const ends = { localCid: header.dstCid, localPort: header.dstPort, guestPort: header.srcPort };
    const entry = this.#table.get(key(ends));
    if (header.type !== TYPE_STREAM || !HOST_CIDS.has(header.dstCid)) {
      this.#options.trace('packet of an unknown type or destination', header.type, header.dstCid);
      if (header.op !== Op.rst) this.#reset(ends, header.type);
    } else if (header.op === Op.request && (entry === undefined || entry.connection.guestFinished)) {
      // A guest that finished and forgot the connection may use its port again.
      entry?.connection.receive({ ...header, op: Op.rst }, payload);
      this.#asked(ends, header);
    } else if (entry !== undefined) {
      entry.connection.receive(header, payload);
    } else if (header.op !== Op.rst) {
      this.#reset(ends);
    }
  }

  #asked(ends: Ends, request: PacketHeader): void {
    if (this.#isFull()) {
      this.#options.trace('too many connections', this.limits.connections);
      this.#reset(ends);
      return;
    }
    const { connection } = this.#add(ends, (port) => Connection.asked(request, this.limits, port));
    const destination = { cid: ends.localCid, port: ends.localPort, guestPort: ends.guestPort };
    this.#options.backend.connect(destination).then(
      (stream) => {
        if (connection.over) stream.destroy();
        else connection.accept(join(connection, stream, this));
      },
      (error: unknown) => {
        this.#options.trace('no connection', ends.localPort, error instanceof Error ? error.message : String(error));
        connection.abort();
      },
    );
  }

  dial(guestPort: number, stream: HostStream, opened: (hostPort: number) => void = () => {}): void {
    const localPort = this.#freePort();
    if (this.#isFull()) {
      this.#options.trace('too many connections', this.limits.connections);
      stream.destroy();
      return;
    }
    const ends = { localCid: PARENT_CID, localPort, guestPort };
    const { connection } = this.#add(ends, (port) => Connection.requesting(this.limits, port));
    connection.bind(join(connection, stream, this, () => opened(localPort)));
  }

  #isFull(): boolean {
    return this.#table.size + this.#lingering.size >= this.limits.connections;
  }

  #freePort(): number {
    const port = this.#nextPort;
    this.#nextPort = port === 2 ** 32 - 2 ? FIRST_HOST_PORT : port + 1;
    return port;
  }

  #add(ends: Ends, make: (port: ConnectionPort) => Connection): Entry {
    const port: ConnectionPort = {
      after: this.after,
      ready: () => this.#mark(entry),
      remove: (rst) => {
        this.#table.delete(key(ends));
        this.#ready.delete(entry);
        if (rst) this.#reset(ends);
      },
    };
    const entry: Entry = { ends, connection: make(port) };
    this.#table.set(key(ends), entry);
    this.#mark(entry);
    return entry;
  }

  #mark(entry: Entry): void {
    if (!entry.connection.hasOutput) return;
    this.#ready.add(entry);
    this.#options.output();
  }

  /** Answers a packet that no connection takes. */
  #reset({ localCid, localPort, guestPort }: Ends, type = TYPE_STREAM): void {
    if (this.#resets.length >= this.limits.resets) {
      this.#options.trace('too many resets wait', this.limits.resets);
      return;
    }
    this.#resets.push({
      ...{ srcCid: localCid, srcPort: localPort, dstCid: this.#guestCid, dstPort: guestPort },
      ...{ len: 0, type, op: Op.rst, flags: 0, bufAlloc: 0, fwdCnt: 0 },
    });
    this.#options.output();
  }

  get hasOutput(): boolean {
    return this.#resets.length > 0 || this.#ready.size > 0;
  }

  /**
   * The next packet for the guest; connections take turns, a packet each.
   *
   * @param space payload bytes that fit
   */
  take(space: number): GuestPacket | undefined {
    const reset = this.#resets.shift();
    if (reset !== undefined) return { header: encodeHeader(reset), payload: new Uint8Array(0) };
    for (const entry of this.#ready) {
      this.#ready.delete(entry);
      const { ends, connection } = entry;
      const outgoing = connection.take(space);
      if (outgoing === undefined) continue;
      const { op, flags, payload } = outgoing;
      const { bufAlloc, fwdCnt } = connection.announce();
      // Spelt out: spreading objects takes longer than all the rest of a packet.
      const header = encodeHeader({
        srcCid: ends.localCid,
        dstCid: this.#guestCid,
        srcPort: ends.localPort,
        dstPort: ends.guestPort,
        len: payload.length,
        type: TYPE_STREAM,
        op,
        flags,
        bufAlloc,
        fwdCnt,
      });
      if (connection.hasOutput) this.#ready.add(entry);
      return { header, payload };
    }
    return undefined;
  }

  lingers(stream: HostStream, on: boolean): void {
    if (on) this.#lingering.add(stream);
    else this.#lingering.delete(stream);
  }

  /** Ends all connections at once, with what waits to be delivered. */
  close(): void {
    this.reset();
    for (const stream of [...this.#lingering]) stream.destroy();
  }

  /** Drops every connection without a word to the guest, which was reset or gets a new CID. */
  reset(guestCid = this.#guestCid): void {
    for (const { connection } of [...this.#table.values()]) connection.abort();
    this.#ready.clear();
    this.#resets.length = 0;
    this.#guestCid = guestCid;
  }
}

function key({ localCid, localPort, guestPort }: Ends): string {
  return `${localCid}:${localPort}:${guestPort}`;
}

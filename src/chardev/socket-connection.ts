import type { CharPort } from './chardev.js';
import type { Peer } from './endpoint.js';
import { StreamLink } from './stream-link.js';
import { escapeData, negotiation, TelnetReader } from './telnet.js';

export interface ConnectionEvents {
  received(data: Uint8Array): void;
  break(): void;
  drained(): void;
  /** The peer has ended its side; `ended` follows. */
  inputEnded(): Promise<void>;
  /** The connection is over; called once. */
  ended(): void;
}

/** One peer of a socket chardev. It reads nothing until `resume`. */
export class SocketConnection implements CharPort {
  readonly peer: Peer;
  readonly #link: StreamLink;
  readonly #telnet: TelnetReader | undefined;
  readonly #events: ConnectionEvents;
  #over = false;

  constructor(peer: Peer, telnet: boolean, events: ConnectionEvents) {
    this.peer = peer;
    this.#events = events;
    this.#telnet = telnet ? new TelnetReader() : undefined;
    this.#link = new StreamLink(peer.stream, {
      received: (data) => this.#received(data),
      drained: () => events.drained(),
      inputEnded: () => events.inputEnded(),
      ended: () => void this.close(),
    });
    if (telnet) this.#link.write(negotiation);
  }

  #received(data: Uint8Array): void {
    const plain = this.#telnet === undefined ? data : this.#telnet.read(data, () => this.#events.break());
    // An empty message is one, too.
    if (plain.length > 0 || this.subprotocol !== undefined) this.#events.received(plain);
  }

  get connected(): boolean {
    return !this.#over;
  }

  get queued(): number {
    return this.#link.queued;
  }

  get subprotocol(): string | undefined {
    return this.peer.subprotocol;
  }

  write(data: Uint8Array): boolean {
    return this.#link.write(this.#telnet === undefined ? data : escapeData(data));
  }

  pause(): void {
    this.#link.setReading(false);
  }

  resume(): void {
    this.#link.setReading(true);
  }

  disconnect(): void {
    if (this.#over) return;
    this.#over = true;
    this.#link.abort();
    this.#events.ended();
  }

  takeDescriptor(): number | undefined {
    return this.peer.takeDescriptor?.();
  }

  takeSocket(): number | undefined {
    return this.peer.takeSocket?.();
  }

  /** Sends what is queued within a limit of time and ends the connection. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    const closed = this.#link.close();
    this.#events.ended();
    await closed;
  }
}

/** A byte stream of the host, as the muxer uses it: node's streams behind a thin adapter (host-stream.ts). */
export interface HostStream {
  /** Starts the events. Once. */
  attach(events: HostStreamEvents): void;
  /** Queues bytes, which the stream keeps; `written` follows. */
  write(bytes: Uint8Array): void;
  /** No more bytes follow: the peer sees the end after what was written. */
  end(): void;
  /** Stops `data` until resume(); a few events may still come. */
  pause(): void;
  resume(): void;
  /** Delivers what was written, then closes both ways. `closed` follows. */
  release(): void;
  /** Closes at once. `closed` follows. */
  destroy(): void;
}

export interface HostStreamEvents {
  /** The bytes are the receiver's. */
  data(bytes: Uint8Array): void;
  /** The peer will send no more. */
  end(): void;
  /** The peer's side has taken `count` of the bytes written. */
  written(count: number): void;
  /** Closed both ways. @param failed by an error, or before all was exchanged */
  closed(failed: boolean): void;
}

/** Where a guest's connection goes. */
export interface VsockDestination {
  /** The CID the guest named: 1, 2 or 3, which all mean the host's side. */
  readonly cid: number;
  readonly port: number;
  /** The guest's own port. */
  readonly guestPort: number;
}

/** How a backend opens connections to the guest. */
export interface GuestDialer {
  /**
   * Connects `stream` to a port of the guest. `opened` is told the host's port before any data flows; when nobody listens
   * the stream is destroyed.
   */
  dial(guestPort: number, stream: HostStream, opened?: (hostPort: number) => void): void;
}

/** What lies behind the vsock device on the host. */
export interface VsockBackend {
  /** Opens a stream for the guest. Ends within its own time limit. @throws when nobody takes it: the guest gets a RST */
  connect(destination: VsockDestination): Promise<HostStream>;
  /** Begins to take connections to the guest. @throws QemuError when an address cannot be had */
  listen(dialer: GuestDialer): Promise<void>;
  /** Stops listening; streams live on. */
  close(): void;
}

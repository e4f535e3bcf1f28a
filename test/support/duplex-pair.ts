import { Duplex } from 'node:stream';

/** One end of a connection in memory. */
class End extends Duplex {
  peer: End | undefined;

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.peer?.push(chunk);
    setImmediate(done);
  }

  override _final(done: () => void): void {
    this.peer?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { peer } = this;
    this.peer = undefined;
    if (peer !== undefined && !peer.destroyed) setImmediate(() => peer.destroy());
    done(error);
  }
}

/** Two streams: what is written to one is read from the other. Destroying one destroys the other. */
export function duplexPair(): [Duplex, Duplex] {
  const [a, b] = [new End(), new End()];
  a.peer = b;
  b.peer = a;
  return [a, b];
}

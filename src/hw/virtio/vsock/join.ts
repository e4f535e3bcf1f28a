import type { HostStream } from './backend.js';
import type { After, Connection, HostEnd } from './connection.js';

/** Keeps count of the streams whose connection is over while they deliver what is left. */
export interface Linger {
  readonly after: After;
  readonly limits: { readonly lingerMs: number };
  lingers(stream: HostStream, on: boolean): void;
}

/**
 * Joins a stream of the host to a connection: data both ways, the pace of the slower side, half closes.
 *
 * @param opened called when a connection that the host asked for is open; data flows after it
 */
export function join(connection: Connection, stream: HostStream, linger: Linger, opened?: () => void): HostEnd {
  let isClosed = false;
  let stopTimer: (() => void) | undefined;

  const watchLingering = (): void => {
    stopTimer?.();
    stopTimer = linger.after(linger.limits.lingerMs, () => stream.destroy());
  };
  const attach = (): void =>
    stream.attach({
      data: (bytes) => {
        if (!connection.send(bytes)) stream.pause();
      },
      end: () => connection.finish(),
      written: (count) => {
        connection.consumed(count);
        if (stopTimer !== undefined) watchLingering();
      },
      closed: (failed) => {
        isClosed = true;
        stopTimer?.();
        linger.lingers(stream, false);
        connection.gone(failed);
      },
    });
  if (opened === undefined) attach();

  return {
    opened: () => {
      opened?.();
      attach();
    },
    data: (bytes) => stream.write(bytes),
    guestFinished: () => stream.end(),
    drained: () => stream.resume(),
    over: (flush) => {
      if (isClosed) return;
      if (!flush) {
        stream.destroy();
        return;
      }
      linger.lingers(stream, true);
      watchLingering();
      stream.release();
    },
  };
}

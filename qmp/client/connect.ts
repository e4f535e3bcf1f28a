import { Duplex } from 'node:stream';
import { QmpClient } from './client.js';
import { type Endpoint, endpointName, parseEndpoint } from './endpoint.js';
import { QmpConnectionError, QmpTimeoutError } from './errors.js';
import { limited } from './limits.js';
import { ClientSession, type QmpGreeting } from './session.js';
import { openStream, StreamTransport } from './transport.js';

export interface ConnectOptions {
  /** Ends the attempt; the connection, once made, does not look at it. */
  readonly signal?: AbortSignal;
  /** Milliseconds that connecting may take, and as many for greeting and negotiation; default 10 s. */
  readonly timeoutMs?: number;
  /** Milliseconds that a command may take unless `execute` says otherwise, default 60 s; Infinity for no limit. */
  readonly commandTimeoutMs?: number;
  /** Enables out-of-band execution where the server offers it. No more than 8 in-band commands are then under way. */
  readonly oob?: boolean;
}

const defaultTimeoutMs = 10_000;

/**
 * Connects to a QMP server, ours or QEMU's, and negotiates.
 *
 * @param endpoint see `parseEndpoint` for texts; a stream is the client's from then on, which destroys it at the end
 * @throws QmpConnectionError (its `cause` has the system's error), QmpTimeoutError, the signal's reason, TypeError for a
 *   text that is no endpoint
 */
export async function connect(endpoint: string | Endpoint | Duplex, options: ConnectOptions = {}): Promise<QmpClient> {
  const { signal, timeoutMs = defaultTimeoutMs, commandTimeoutMs, oob = false } = options;
  const limits = { signal, timeoutMs };
  const target = typeof endpoint === 'string' ? parseEndpoint(endpoint) : endpoint;
  const name = target instanceof Duplex ? 'stream' : endpointName(target);
  const stream = target instanceof Duplex ? target : await open(target, name, limits);
  const transport = new StreamTransport(stream);
  const session = new ClientSession({ transport, endpoint: name, oob });
  transport.attach(session);
  try {
    // QEMU greets one client at a time and lets the next wait.
    const greeting = await limited<QmpGreeting>(`${name}: greeting`, limits, (resolve, reject) => {
      session.ready.then(resolve, reject);
      return undefined;
    });
    return new QmpClient(session, greeting, commandTimeoutMs);
  } catch (error) {
    session.close();
    throw error;
  }
}

async function open(endpoint: Endpoint, name: string, limits: { signal: AbortSignal | undefined; timeoutMs: number }) {
  try {
    return await openStream(endpoint, `${name}: connection`, limits);
  } catch (error) {
    if (limits.signal?.aborted || error instanceof QmpTimeoutError || !(error instanceof Error)) throw error;
    throw new QmpConnectionError(`${name}: ${reason(error)}`, error);
  }
}

/** Node's error for a name with several addresses has no message of its own. */
function reason(error: Error): string {
  return error instanceof AggregateError ? error.errors.map(({ message }) => message).join(', ') : error.message;
}

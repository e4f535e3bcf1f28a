import { access, unlink } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { dirname } from 'node:path';
import { asError, QemuError } from '../../../system/errors.js';
import { osErrorText } from '../../../system/os-error.js';
import type { GuestDialer, HostStream, VsockBackend, VsockDestination } from './backend.js';
import { DuplexHostStream } from './host-stream.js';
import { connectNet, listenNet } from './listen.js';

// Firecracker, docs/vsock.md
const COMMAND_SIZE_MIN = 'CONNECT 1\n'.length;
const COMMAND_SIZE_MAX = 32;
const PORT_MAX = 2n ** 32n - 2n;
/** The time a client has for its command. */
const COMMAND_LIMIT_MS = 10_000;

/**
 * The port that a client names: `CONNECT PORT`, the word in any case, between white space.
 *
 * @param command with its newline
 */
export function parseConnect(command: string): number | undefined {
  if (command.length < COMMAND_SIZE_MIN || command.length > COMMAND_SIZE_MAX) return undefined;
  const digits = /^\s*connect\s+(\d+)\s*\n$/i.exec(command)?.[1];
  if (digits === undefined || BigInt(digits) > PORT_MAX) return undefined;
  return Number(digits);
}

/**
 * Unix sockets in Firecracker's convention (machine property `vsock-uds=PATH`). Host to guest: connect to PATH, write
 * `CONNECT PORT\n`, read `OK HOSTPORT\n`, and the stream begins. Guest to host: PATH_PORT is connected to.
 */
export class UnixBackend implements VsockBackend {
  readonly #path: string;
  #server: Server | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async connect({ port }: VsockDestination): Promise<HostStream> {
    return new DuplexHostStream(await connectNet({ path: `${this.#path}_${port}` }));
  }

  async listen(dialer: GuestDialer): Promise<void> {
    const path = this.#path;
    const listen = () => listenNet({ path }, (socket) => void dialWanted(socket, dialer));
    try {
      // libuv calls a directory that is not there EACCES.
      await access(dirname(path));
      this.#server = await listen().catch(async (error: unknown) => {
        if (!(await isAbandoned(path))) throw error;
        await unlink(path);
        return await listen();
      });
    } catch (error) {
      throw new QemuError(`Failed to bind socket to ${path}: ${osErrorText(error)}`, { cause: asError(error) });
    }
  }

  close(): void {
    this.#server?.close();
  }
}

/** Whether a socket's file was left by a process that is gone. */
async function isAbandoned(path: string): Promise<boolean> {
  try {
    (await connectNet({ path })).destroy();
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
  }
}

async function dialWanted(socket: Socket, dialer: GuestDialer): Promise<void> {
  const stream = new DuplexHostStream(socket);
  const port = parseConnect(await readCommand(socket));
  if (port === undefined) stream.destroy();
  else dialer.dial(port, stream, (hostPort) => socket.write(`OK ${hostPort}\n`));
}

/** What comes up to the first newline; less when the socket ends, the time is up or the limit of a command is passed. */
function readCommand(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const finish = (): void => {
      clearTimeout(timer);
      socket.off('readable', take).off('end', finish).off('close', finish);
      resolve(text);
    };
    const take = (): void => {
      for (;;) {
        const data: Buffer | null = socket.read();
        if (data === null) return;
        const newline = data.indexOf(10);
        const length = newline < 0 ? data.length : newline + 1;
        text += data.toString('latin1', 0, length);
        // What follows the command belongs to the stream.
        if (length < data.length) socket.unshift(data.subarray(length));
        if (newline >= 0 || text.length > COMMAND_SIZE_MAX) {
          finish();
          return;
        }
      }
    };
    const timer = setTimeout(finish, COMMAND_LIMIT_MS);
    socket.on('readable', take).on('end', finish).on('close', finish);
  });
}

import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { member, readCbor } from '../attestation/cbor.js';

/** The command port of the demonstration enclave (test/guests/linux/README.md). */
const COMMAND_PORT = 5005;
const RETRY_MS = 20;
/** Longest line before an answer: a decimal length; or the answer to CONNECT. */
const LINE_LIMIT = 32;
/** NSM_RESPONSE_MAX_SIZE */
const ANSWER_LIMIT = 0x3000;

/** Talks to the demonstration enclave over vsock, by way of the socket of `vsock-uds=`. */
export class EnclaveClient {
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Buffer, undefined>;
  #received = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  /**
   * Connects as soon as the enclave listens.
   *
   * @param path the socket of `vsock-uds=`
   * @param signal ends the wait and, later, the connection
   * @throws AbortError
   */
  static async connect(path: string, signal: AbortSignal): Promise<EnclaveClient> {
    for (;;) {
      // A signal of its own for each attempt: sockets listen to theirs for as long as they live.
      const client = await EnclaveClient.#try(path, AbortSignal.any([signal]));
      if (client !== undefined) return client;
      await setTimeout(RETRY_MS, undefined, { signal });
    }
  }

  static async #try(path: string, signal: AbortSignal): Promise<EnclaveClient | undefined> {
    const socket = createConnection({ path, signal });
    const client = new EnclaveClient(socket);
    try {
      await once(socket, 'connect', { signal });
      socket.write(`CONNECT ${COMMAND_PORT}\n`);
      if (/^OK \d+$/.test(await client.#line())) return client;
    } catch {
      signal.throwIfAborted();
    }
    socket.destroy();
    return undefined;
  }

  /**
   * Asks for an attestation document.
   *
   * @throws Error when the enclave's NSM gives none
   */
  async attest(nonce: Uint8Array): Promise<Uint8Array> {
    const { item } = readCbor(await this.#command(`attest ${Buffer.from(nonce).toString('hex')}`));
    const answer = member(item, 'Attestation');
    const document = answer === undefined ? undefined : member(answer, 'document');
    if (document?.type === 'bytes') return document.value;
    const error = member(item, 'Error');
    throw new Error(`the NSM gave no document: ${error?.type === 'text' ? error.value : 'no Attestation response'}`);
  }

  /** Makes the kernel reset the machine (`reboot=k`); its answer may be lost with the connection. */
  reboot(): void {
    this.#socket.on('error', () => {}).write('reboot\n');
  }

  close(): void {
    this.#socket.destroy();
  }

  async #command(line: string): Promise<Uint8Array> {
    this.#socket.write(`${line}\n`);
    const length = Number(await this.#line());
    if (!Number.isInteger(length) || length > ANSWER_LIMIT)
      throw new Error('the enclave sent no answer of its protocol');
    while (this.#received.length < length) await this.#more();
    return this.#take(length);
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#received.indexOf('\n');
      if (end >= 0) return this.#take(end + 1).toString('latin1', 0, end);
      if (this.#received.length > LINE_LIMIT) throw new Error('the enclave sent a line that does not end');
      await this.#more();
    }
  }

  #take(length: number): Buffer {
    const taken = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return taken;
  }

  async #more(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    if (done === true) throw new Error('the enclave ended the connection');
    this.#received = Buffer.concat([this.#received, value]);
  }
}

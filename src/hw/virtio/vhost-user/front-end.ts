import {
  configRequest,
  encodeRequest,
  F_PROTOCOL_FEATURES,
  type MemoryRegion,
  memTable,
  ProtocolFeature,
  ReplyReader,
  Request,
  type RequestName,
  readConfig,
  readU64,
  readVringState,
  u64,
  VhostUserError,
  type VringAddresses,
  vringAddr,
  vringState,
} from './message.js';

/** A back end that does not answer within this time is lost. */
export const REPLY_LIMIT_MS = 5_000;

/** The way to the back end: a unix stream socket that carries descriptors. */
export interface VhostUserChannel {
  /** Sends all of `bytes`, in order; `fds` stay the caller's. */
  send(bytes: Uint8Array, fds: readonly number[]): void;
  /** Closes at once. */
  destroy(): void;
}

/** One ring as it is given to the back end. */
export interface Vring {
  readonly index: number;
  /** Entries. */
  readonly size: number;
  readonly addresses: VringAddresses;
  /** The next available index to be popped. */
  readonly base: number;
  /** Eventfd written for each notification of the driver. */
  readonly kick: number;
  /** Eventfd that the back end writes for each interrupt. */
  readonly call: number;
}

interface Waiting {
  readonly name: RequestName;
  readonly timer: NodeJS.Timeout;
  resolve(payload: Uint8Array): void;
  reject(error: Error): void;
}

/**
 * The front end's side of the vhost-user protocol: requests in order, each with its reply. Once something has failed
 * every request fails, and the channel is closed.
 */
export class VhostUserFrontEnd {
  readonly #channel: VhostUserChannel;
  readonly #lost: (error: Error) => void;
  readonly #reader = new ReplyReader();
  readonly #waiting: Waiting[] = [];
  #failure: Error | undefined;
  #acknowledges = false;

  /** @param lost told once when the back end is gone or does not follow the protocol */
  constructor(channel: VhostUserChannel, lost: (error: Error) => void) {
    this.#channel = channel;
    this.#lost = lost;
  }

  /** Bytes came from the back end. */
  receive(data: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      for (const { request, payload } of this.#reader.push(data)) this.#take(request, payload);
    } catch (error) {
      if (!(error instanceof VhostUserError)) throw error;
      this.fail(error);
    }
  }

  #take(request: number, payload: Uint8Array): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) throw new VhostUserError(`a reply to request ${request}, which was not made`);
    clearTimeout(waiting.timer);
    if (request === Request[waiting.name]) {
      waiting.resolve(payload);
      return;
    }
    const error = new VhostUserError(`a reply to request ${request} instead of ${Request[waiting.name]}`);
    waiting.reject(error);
    throw error;
  }

  /** The channel is of no use any more. */
  fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#close(error);
    this.#lost(error);
  }

  /** Ends the session; nobody is told. */
  close(): void {
    this.#failure ??= new Error('the session has ended');
    this.#close(this.#failure);
  }

  #close(error: Error): void {
    for (const { timer, reject } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(error);
    }
    this.#channel.destroy();
  }

  /** A request that has a reply. @throws VhostUserError, or why the channel failed */
  #ask(name: RequestName, payload: Uint8Array = new Uint8Array(0)): Promise<Uint8Array> {
    return this.#transmit(name, payload, [], false);
  }

  /** A request without a reply but the acknowledgement, where the back end gives one. @throws as #ask */
  async #tell(name: RequestName, payload: Uint8Array, fds: readonly number[] = []): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (!this.#acknowledges) {
      this.#channel.send(encodeRequest(name, payload, false), fds);
      return;
    }
    const status = readU64(await this.#transmit(name, payload, fds, true));
    if (status !== 0n) throw new VhostUserError(`the back end refused request ${Request[name]} (status ${status})`);
  }

  #transmit(name: RequestName, payload: Uint8Array, fds: readonly number[], needReply: boolean): Promise<Uint8Array> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      const late = () => this.fail(new VhostUserError(`no reply to request ${Request[name]} in ${REPLY_LIMIT_MS} ms`));
      this.#waiting.push({ name, timer: setTimeout(late, REPLY_LIMIT_MS), resolve, reject });
      this.#channel.send(encodeRequest(name, payload, needReply), fds);
    });
  }

  /**
   * The first exchange.
   *
   * @returns virtio features of the device
   * @throws VhostUserError also for a back end without protocol features or a configuration space
   */
  async connect(): Promise<bigint> {
    const features = readU64(await this.#ask('getFeatures'));
    if ((features & F_PROTOCOL_FEATURES) === 0n) throw new VhostUserError('the back end has no protocol features');
    const known = ProtocolFeature.replyAck | ProtocolFeature.config;
    const protocol = readU64(await this.#ask('getProtocolFeatures')) & known;
    if ((protocol & ProtocolFeature.config) === 0n) throw new VhostUserError('the back end has no configuration space');
    await this.#tell('setProtocolFeatures', u64(protocol));
    this.#acknowledges = (protocol & ProtocolFeature.replyAck) !== 0n;
    await this.#tell('setOwner', new Uint8Array(0));
    return features & ~F_PROTOCOL_FEATURES;
  }

  /** The first `size` bytes of the configuration space. */
  async config(size: number): Promise<Uint8Array> {
    return readConfig(await this.#ask('getConfig', configRequest(size)), size);
  }

  /** Gives the back end guest RAM and rings; it works on them from then on. @param fds of the files behind `memory` */
  async start(features: bigint, memory: readonly MemoryRegion[], fds: readonly number[], rings: readonly Vring[]) {
    await this.#tell('setFeatures', u64(features | F_PROTOCOL_FEATURES));
    await this.#tell('setMemTable', memTable(memory), fds);
    for (const { index, size, base, addresses, call, kick } of rings) {
      await this.#tell('setVringNum', vringState(index, size));
      await this.#tell('setVringBase', vringState(index, base));
      await this.#tell('setVringAddr', vringAddr(index, addresses));
      await this.#tell('setVringCall', u64(BigInt(index)), [call]);
      await this.#tell('setVringKick', u64(BigInt(index)), [kick]);
    }
    for (const { index } of rings) await this.#tell('setVringEnable', vringState(index, 1));
  }

  /** Takes a ring back. @returns its next available index */
  async stop(index: number): Promise<number> {
    return readVringState(await this.#ask('getVringBase', vringState(index, 0)), index);
  }
}

import type { RunState } from '../system/run-control.js';
import { encodePacket, GdbPacketReader, PACKET_SIZE } from './packet.js';
import { gdbRegisters, registerHex, registerValue, targetXml } from './registers.js';
import type { Breakpoint, BreakpointHit, DebugTarget } from './target.js';

/** What the stub needs of the rest of the machine. */
export interface GdbHost {
  /** Lets the machine run. */
  resume(): Promise<void>;
  /** Stops it; `state` is what the monitor shows. */
  pause(state: 'paused' | 'debug'): Promise<void>;
  readonly state: RunState;
  /** A line for the human monitor. @returns what it prints */
  monitor(line: string): Promise<string>;
  /** The debugger kills the machine. */
  kill(): void;
}

/** gdb's numbers of signals (include/gdb/signals.def). */
const GdbSignal = { int: 2, quit: 3, trap: 5, abort: 6, unknown: 143 } as const;
const signalOfState: Partial<Record<RunState, number>> = {
  debug: GdbSignal.trap,
  paused: GdbSignal.int,
  prelaunch: GdbSignal.trap,
  shutdown: GdbSignal.quit,
  'internal-error': GdbSignal.abort,
};

const OK = 'OK';
/** Numbers are those of errno, as QEMU's stub has them; gdb shows them only. */
const INVALID = 'E22';
const FAULT = 'E14';
const UNSUPPORTED = '';
/** Replies that go out unread by a debugger that acknowledges nothing are sent again this often. */
const RESEND_LIMIT = 5;
const BREAKPOINT_LIMIT = 1024;
const kinds: readonly Breakpoint['kind'][] = ['execute', 'execute', 'write', 'read', 'access'];
const watchNames = { write: 'watch', read: 'rwatch', access: 'awatch' } as const;

const hexText = (text: string): string => Buffer.from(text).toString('hex');
const threadOf = (cpu: number): string => (cpu + 1).toString(16).padStart(2, '0');

type Handler = (rest: string, body: Buffer) => string | undefined | Promise<string | undefined>;

/**
 * One debugger on the other side of a stream: GDB's Remote Serial Protocol, all-stop, vCPUs as threads (gdb manual,
 * appendix E). Packets are answered one at a time, in order.
 */
export class GdbStub {
  readonly #target: DebugTarget;
  readonly #host: GdbHost;
  readonly #write: (bytes: Uint8Array) => void;
  readonly #reader = new GdbPacketReader();
  readonly #breakpoints = new Map<string, Breakpoint>();
  #work: Promise<void> = Promise.resolve();
  #acknowledges = true;
  #last: Buffer | undefined;
  #resends = 0;
  /** The vCPU that registers and memory are read of (Hg), and the one to continue or step (Hc). */
  #cpu = 0;
  #stepCpu = 0;
  /** gdb waits for the reply to a continue or step. */
  #runs = false;
  #hit: BreakpointHit | undefined;

  constructor(target: DebugTarget, host: GdbHost, write: (bytes: Uint8Array) => void) {
    this.#target = target;
    this.#host = host;
    this.#write = write;
    target.onBreakpoint((hit) => {
      this.#hit = hit;
      this.#cpu = hit.cpu;
      void host.pause('debug');
    });
  }

  /** Bytes of the debugger. */
  receive(bytes: Uint8Array): void {
    for (const input of this.#reader.read(bytes)) {
      switch (input.type) {
        case 'packet':
          if (this.#acknowledges) this.#write(Buffer.from('+'));
          this.#queue(() => this.#answer(input.body));
          break;
        case 'damaged':
          if (this.#acknowledges) this.#write(Buffer.from('-'));
          break;
        case 'interrupt':
          void this.#host.pause('paused');
          break;
        case 'nak':
          this.#resend();
          break;
        case 'ack':
          this.#last = undefined;
          break;
      }
    }
  }

  /** The machine's run state has changed; a debugger that waits is told. */
  stateChanged(state: RunState): void {
    if (state === 'running' || !this.#runs) return;
    this.#runs = false;
    this.#queue(async () => this.#send(this.#stopReply()));
  }

  /** Resolves when every packet so far has been answered. */
  async idle(): Promise<void> {
    await this.#work;
  }

  /** The debugger is gone: its breakpoints are, too; the machine stays as it is. */
  async close(): Promise<void> {
    this.#target.onBreakpoint(() => {});
    this.#breakpoints.clear();
    await this.#target.setBreakpoints([]);
  }

  #queue(work: () => Promise<void>): void {
    this.#work = this.#work.then(work).catch(() => this.#send(INVALID));
  }

  #send(body: string): void {
    const packet = encodePacket(body);
    if (this.#acknowledges) this.#last = packet;
    this.#resends = 0;
    this.#write(packet);
  }

  #resend(): void {
    if (this.#last === undefined || this.#resends >= RESEND_LIMIT) return;
    this.#resends += 1;
    this.#write(this.#last);
  }

  async #answer(body: Buffer): Promise<void> {
    const text = body.toString('latin1');
    const name = Object.keys(this.#named).find((start) => text.startsWith(start));
    const key = name ?? text.slice(0, 1);
    const handler = name === undefined ? this.#letters[key] : this.#named[name];
    const reply = handler === undefined ? UNSUPPORTED : await handler(text.slice(key.length), body);
    if (reply !== undefined) this.#send(reply);
    // The reply to this packet is acknowledged still (gdb manual, "Packet Acknowledgment").
    if (key === 'QStartNoAckMode') this.#acknowledges = false;
  }

  #stopReply(): string {
    const { state } = this.#host;
    const signal = (signalOfState[state] ?? GdbSignal.unknown).toString(16).padStart(2, '0');
    const hit = state === 'debug' ? this.#hit : undefined;
    this.#hit = undefined;
    const watched =
      hit === undefined || hit.kind === 'execute' ? '' : `${watchNames[hit.kind]}:${hit.address.toString(16)};`;
    return `T${signal}thread:${threadOf(this.#cpu)};${watched}`;
  }

  /** Packets known by one letter. */
  readonly #letters: Readonly<Record<string, Handler>> = {
    '?': () => this.#stopReply(),
    g: async () => {
      const values = await this.#target.readRegisters(this.#cpu);
      return gdbRegisters.map((register) => registerHex(register, values.get(register.name) ?? 0n)).join('');
    },
    G: async (rest) => {
      let at = 0;
      for (const register of gdbRegisters) {
        const digits = rest.slice(at, at + 2 * register.size);
        at += digits.length;
        // gdb may leave out what comes last.
        if (digits === '') break;
        const value = registerValue(register, digits);
        if (value === undefined) return INVALID;
        await this.#target.writeRegister(this.#cpu, register.name, value);
      }
      return OK;
    },
    p: async (rest) => {
      const register = gdbRegisters[Number.parseInt(rest, 16)];
      if (register === undefined) return INVALID;
      const values = await this.#target.readRegisters(this.#cpu);
      return registerHex(register, values.get(register.name) ?? 0n);
    },
    P: async (rest) => {
      const [number = '', digits = ''] = rest.split('=');
      const register = gdbRegisters[Number.parseInt(number, 16)];
      const value = register === undefined ? undefined : registerValue(register, digits);
      if (register === undefined || value === undefined) return INVALID;
      await this.#target.writeRegister(this.#cpu, register.name, value);
      return OK;
    },
    m: async (rest) => {
      const range = parseRange(rest);
      if (range === undefined || range.length > PACKET_SIZE / 2) return INVALID;
      const bytes = await this.#target.readMemory(this.#cpu, range.address, range.length);
      return bytes === undefined ? FAULT : Buffer.from(bytes).toString('hex');
    },
    M: (rest) => {
      const [head = '', digits = ''] = rest.split(':');
      return this.#poke(head, /^([0-9a-f]{2})*$/i.test(digits) ? Buffer.from(digits, 'hex') : undefined);
    },
    X: (rest, body) => this.#poke(rest.split(':')[0] ?? '', body.subarray(body.indexOf(':') + 1)),
    c: (rest) => this.#run(rest),
    C: (rest) => this.#run(rest.split(';')[1] ?? ''),
    s: (rest) => this.#step(rest),
    S: (rest) => this.#step(rest.split(';')[1] ?? ''),
    H: (rest) => {
      const cpu = this.#parseThread(rest.slice(1));
      if (cpu === undefined) return INVALID;
      if (rest.startsWith('c')) this.#stepCpu = cpu;
      else this.#cpu = cpu;
      return OK;
    },
    T: (rest) => (this.#parseThread(rest) === undefined ? INVALID : OK),
    Z: (rest) => this.#setBreakpoint(rest, true),
    z: (rest) => this.#setBreakpoint(rest, false),
    D: async () => {
      await this.close();
      await this.#host.resume();
      return OK;
    },
    k: () => {
      this.#host.kill();
      return undefined;
    },
  };

  /** Packets known by a word; a word that begins another comes after it. */
  readonly #named: Readonly<Record<string, Handler>> = {
    qSupported: () =>
      `PacketSize=${PACKET_SIZE.toString(16)};qXfer:features:read+;QStartNoAckMode+;vContSupported+;swbreak-;hwbreak-`,
    QStartNoAckMode: () => OK,
    'qXfer:features:read:': (rest) => readXml(rest),
    qAttached: () => '1',
    qC: () => `QC${threadOf(this.#cpu)}`,
    qfThreadInfo: () => `m${Array.from({ length: this.#target.cpus }, (_, cpu) => threadOf(cpu)).join(',')}`,
    qsThreadInfo: () => 'l',
    'qThreadExtraInfo,': (rest) => {
      const cpu = this.#parseThread(rest);
      return cpu === undefined ? INVALID : hexText(`CPU#${cpu} [${this.#host.state}]`);
    },
    'qRcmd,': async (rest) => {
      if (!/^([0-9a-f]{2})+$/i.test(rest)) return INVALID;
      const output = await this.#host.monitor(Buffer.from(rest, 'hex').toString());
      for (let at = 0; at < output.length; at += PACKET_SIZE / 4) {
        this.#send(`O${hexText(output.slice(at, at + PACKET_SIZE / 4))}`);
      }
      return OK;
    },
    'vCont?': () => 'vCont;c;C;s;S',
    'vCont;': (rest) => this.#vCont(rest),
    'vKill;': () => {
      this.#host.kill();
      return OK;
    },
  };

  /** The first action that steps decides which vCPU does; without one all run. */
  #vCont(rest: string): Promise<string | undefined> | string {
    for (const action of rest.split(';')) {
      const [what = '', thread = '-1'] = action.split(':');
      if (!/^([cs]|[CS][0-9a-f]{2})$/i.test(what)) return INVALID;
      if (!/^s/i.test(what)) continue;
      const cpu = thread === '-1' ? this.#cpu : this.#parseThread(thread);
      if (cpu === undefined) return INVALID;
      this.#stepCpu = cpu;
      return this.#step('');
    }
    return this.#run('');
  }

  /** `all` and `any` mean the vCPU in question. */
  #parseThread(text: string): number | undefined {
    if (text === '-1' || text === '0') return this.#cpu;
    const cpu = Number.parseInt(text, 16) - 1;
    return cpu >= 0 && cpu < this.#target.cpus ? cpu : undefined;
  }

  async #jump(cpu: number, address: string): Promise<boolean> {
    if (address === '') return true;
    if (!/^[0-9a-f]{1,16}$/i.test(address)) return false;
    await this.#target.writeRegister(cpu, 'rip', BigInt(`0x${address}`));
    return true;
  }

  /** The reply comes when the machine stops. Off the breakpoint that it stands at the debugger steps by itself. */
  async #run(address: string): Promise<string | undefined> {
    if (!(await this.#jump(this.#stepCpu, address))) return INVALID;
    this.#runs = true;
    try {
      await this.#host.resume();
    } catch {
      this.#runs = false;
      return this.#stopReply();
    }
    return undefined;
  }

  async #step(address: string): Promise<string> {
    if (!(await this.#jump(this.#stepCpu, address))) return INVALID;
    this.#hit = await this.#target.step(this.#stepCpu);
    this.#cpu = this.#stepCpu;
    await this.#host.pause('debug');
    return this.#stopReply();
  }

  async #poke(head: string, bytes: Uint8Array | undefined): Promise<string> {
    const range = parseRange(head);
    if (range === undefined || bytes?.length !== range.length) return INVALID;
    return (await this.#target.writeMemory(this.#cpu, range.address, bytes)) ? OK : FAULT;
  }

  async #setBreakpoint(rest: string, on: boolean): Promise<string> {
    const kind = kinds[Number.parseInt(rest.slice(0, 1), 16)];
    const range = parseRange(rest.slice(2));
    if (kind === undefined) return UNSUPPORTED;
    if (range === undefined || range.length === 0) return INVALID;
    const key = `${kind} ${rest.slice(2)}`;
    if (on) this.#breakpoints.set(key, { kind, ...range });
    else this.#breakpoints.delete(key);
    if (this.#breakpoints.size > BREAKPOINT_LIMIT) {
      this.#breakpoints.delete(key);
      return INVALID;
    }
    await this.#target.setBreakpoints([...this.#breakpoints.values()]);
    return OK;
  }
}

/** `ADDRESS,LENGTH`, both hexadecimal; what follows a semicolon is dropped. */
function parseRange(text: string): { address: bigint; length: number } | undefined {
  const [, address, length] = /^([0-9a-f]{1,16}),([0-9a-f]{1,8})(;.*)?$/i.exec(text) ?? [];
  if (address === undefined || length === undefined) return undefined;
  return { address: BigInt(`0x${address}`), length: Number.parseInt(length, 16) };
}

/** `target.xml:OFFSET,LENGTH` */
function readXml(rest: string): string {
  const [, offset, length] = /^target\.xml:([0-9a-f]{1,8}),([0-9a-f]{1,8})$/i.exec(rest) ?? [];
  if (offset === undefined || length === undefined) return 'E00';
  const xml = targetXml();
  const start = Number.parseInt(offset, 16);
  const part = xml.slice(start, start + Math.min(Number.parseInt(length, 16), PACKET_SIZE - 8));
  return `${start + part.length < xml.length ? 'm' : 'l'}${part}`;
}

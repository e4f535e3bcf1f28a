// PC16550D data sheet (National Semiconductor, 1995), tables 2 to 4; where it leaves a choice, as QEMU's hw/char/serial.c.
const Reg = {
  data: 0,
  interruptEnable: 1,
  /** Read; the FIFO control when written. */
  identification: 2,
  lineControl: 3,
  modemControl: 4,
  lineStatus: 5,
  modemStatus: 6,
  scratch: 7,
} as const;
export const UART_PORTS = 8;

const Enable = { received: 0x01, transmitterEmpty: 0x02, lineStatus: 0x04, all: 0x0f } as const;
const Cause = { none: 0x01, transmitterEmpty: 0x02, received: 0x04, lineStatus: 0x06, timeout: 0x0c } as const;
const FIFO_ENABLED = 0xc0;
const Fifo = { enable: 0x01, clearReceiver: 0x02, clearTransmitter: 0x04, kept: 0xc9 } as const;
const DIVISOR_LATCH = 0x80;
const Modem = { loopBack: 0x10, out2: 0x08, all: 0x1f } as const;
const Line = { dataReady: 0x01, overrun: 0x02, break: 0x10, empty: 0x60 } as const;
/** Clear to send, data set ready, carrier: somebody listens. */
const MODEM_READY = 0xb0;
/** 9600 baud. */
const DIVISOR = 12;

export const UART_FIFO = 16;
const triggers = [1, 4, 8, 14];

const word = {
  interruptEnable: 0,
  lineControl: 1,
  modemControl: 2,
  scratch: 3,
  divisorLow: 4,
  divisorHigh: 5,
  fifoControl: 6,
  lineErrors: 7,
  emptyPending: 8,
  line: 9,
  busy: 10,
  head: 11,
  count: 12,
  /** The byte received last while the FIFO is off. */
  buffer: 13,
  fifo: 14,
} as const;
/** Words of state that a UART takes. */
export const UART_WORDS = word.fifo + UART_FIFO;

/** What a UART is connected to. Called while its state is locked. */
export interface UartEvents {
  /** The interrupt output changed. */
  interrupt(up: boolean): void;
  /** A byte was written. @returns whether there is room for a whole FIFO more */
  transmit(byte: number): boolean;
  /** The guest has read the last byte received. */
  drained(): void;
}

/**
 * A 16550A in words of memory, which several threads may share: the caller locks. Bytes are sent as soon as they are written;
 * while the other side takes no more the transmitter shows itself not empty. Bytes received that are fewer than the
 * trigger level interrupt at once as a character timeout: what feeds the FIFO has then nothing more to give.
 */
export class Uart {
  readonly #words: Int32Array;
  readonly #events: UartEvents;

  /** @param words UART_WORDS of them, after `reset` */
  constructor(words: Int32Array, events: UartEvents) {
    this.#words = words;
    this.#events = events;
  }

  #get(index: number): number {
    return this.#words[index] ?? 0;
  }

  /** State after power-on; what is being sent is not taken back. */
  reset(): void {
    const busy = this.#get(word.busy);
    const line = this.#get(word.line);
    this.#words.fill(0, 0, UART_WORDS);
    this.#words[word.modemControl] = Modem.out2;
    this.#words[word.divisorLow] = DIVISOR;
    this.#words[word.busy] = busy;
    this.#words[word.line] = line;
    this.#update();
  }

  /** Bytes that `receive` can take now. */
  get room(): number {
    if (this.#loopBack) return 0;
    return (this.#fifoOn ? UART_FIFO : 1) - this.#get(word.count);
  }

  /** A byte arrives; without room the overrun shows. */
  receive(byte: number): void {
    this.#store(byte);
    this.#update();
  }

  /** A break condition: a zero byte with its mark in the line status. */
  receiveBreak(): void {
    this.#words[word.lineErrors] = this.#get(word.lineErrors) | Line.break;
    this.receive(0);
  }

  /** The other side takes bytes again. */
  transmitterReady(): void {
    if (this.#get(word.busy) === 0) return;
    this.#words[word.busy] = 0;
    this.#words[word.emptyPending] = 1;
    this.#update();
  }

  /** @param register 0 to 7 */
  read(register: number): number {
    const latch = (this.#get(word.lineControl) & DIVISOR_LATCH) !== 0;
    switch (register) {
      case Reg.data:
        return latch ? this.#get(word.divisorLow) : this.#take();
      case Reg.interruptEnable:
        return this.#get(latch ? word.divisorHigh : word.interruptEnable);
      case Reg.identification:
        return this.#identify();
      case Reg.lineControl:
        return this.#get(word.lineControl);
      case Reg.modemControl:
        return this.#get(word.modemControl);
      case Reg.lineStatus:
        return this.#takeErrors() | this.#lineReady;
      case Reg.modemStatus:
        return this.#modemLines;
      case Reg.scratch:
        return this.#get(word.scratch);
      default:
        return 0xff;
    }
  }

  write(register: number, value: number): void {
    const latch = (this.#get(word.lineControl) & DIVISOR_LATCH) !== 0;
    switch (register) {
      case Reg.data:
        if (latch) this.#words[word.divisorLow] = value;
        else this.#transmit(value);
        break;
      case Reg.interruptEnable:
        if (latch) this.#words[word.divisorHigh] = value;
        else this.#enable(value & Enable.all);
        break;
      case Reg.identification:
        this.#controlFifo(value);
        break;
      case Reg.lineControl:
        this.#words[word.lineControl] = value;
        break;
      case Reg.modemControl:
        this.#controlModem(value & Modem.all);
        break;
      case Reg.scratch:
        this.#words[word.scratch] = value;
        break;
    }
    this.#update();
  }

  get #fifoOn(): boolean {
    return (this.#get(word.fifoControl) & Fifo.enable) !== 0;
  }

  get #loopBack(): boolean {
    return (this.#get(word.modemControl) & Modem.loopBack) !== 0;
  }

  get #lineReady(): number {
    const received = this.#get(word.count) > 0 ? Line.dataReady : 0;
    return received | (this.#get(word.busy) === 0 ? Line.empty : 0);
  }

  /** In loop-back the four outputs are the four inputs: RTS, DTR, OUT1, OUT2 as CTS, DSR, RI, DCD. */
  get #modemLines(): number {
    if (!this.#loopBack) return MODEM_READY;
    const outputs = this.#get(word.modemControl);
    return ((outputs & 2) << 3) | ((outputs & 1) << 5) | ((outputs & 0x0c) << 4);
  }

  #takeErrors(): number {
    const errors = this.#get(word.lineErrors);
    this.#words[word.lineErrors] = 0;
    this.#update();
    return errors;
  }

  #take(): number {
    const count = this.#get(word.count);
    const head = this.#get(word.head);
    const byte = this.#fifoOn ? (count === 0 ? 0 : this.#get(word.fifo + head)) : this.#get(word.buffer);
    if (count === 0) return byte;
    this.#words[word.head] = (head + 1) % UART_FIFO;
    this.#words[word.count] = count - 1;
    if (count === 1) {
      this.#words[word.lineErrors] = this.#get(word.lineErrors) & ~Line.break;
      this.#events.drained();
    }
    this.#update();
    return byte;
  }

  /** A full FIFO keeps what it has; without FIFO the new byte takes the place of the old one. */
  #store(byte: number): void {
    const count = this.#get(word.count);
    const full = count === (this.#fifoOn ? UART_FIFO : 1);
    if (full) this.#words[word.lineErrors] = this.#get(word.lineErrors) | Line.overrun;
    else this.#words[word.count] = count + 1;
    if (!this.#fifoOn) this.#words[word.buffer] = byte;
    else if (!full) this.#words[word.fifo + ((this.#get(word.head) + count) % UART_FIFO)] = byte;
  }

  #transmit(byte: number): void {
    this.#words[word.emptyPending] = 0;
    // Down before it goes up again: the input of the interrupt controller takes edges.
    this.#update();
    if (this.#loopBack) this.#store(byte);
    else if (!this.#events.transmit(byte)) this.#words[word.busy] = 1;
    if (this.#get(word.busy) === 0) this.#words[word.emptyPending] = 1;
  }

  #enable(value: number): void {
    const added = value & ~this.#get(word.interruptEnable);
    this.#words[word.interruptEnable] = value;
    if ((added & Enable.transmitterEmpty) !== 0 && this.#get(word.busy) === 0) this.#words[word.emptyPending] = 1;
  }

  #controlFifo(value: number): void {
    const switched = ((value ^ this.#get(word.fifoControl)) & Fifo.enable) !== 0;
    if (switched || (value & Fifo.clearReceiver) !== 0) {
      this.#words[word.count] = 0;
      this.#words[word.lineErrors] = this.#get(word.lineErrors) & ~Line.break;
      this.#events.drained();
    }
    if ((switched || (value & Fifo.clearTransmitter) !== 0) && this.#get(word.busy) === 0) {
      this.#words[word.emptyPending] = 1;
    }
    this.#words[word.fifoControl] = value & Fifo.kept;
  }

  #controlModem(value: number): void {
    const looped = this.#loopBack;
    this.#words[word.modemControl] = value;
    if (looped && !this.#loopBack) this.#events.drained();
  }

  /** Reading the identification answers the transmitter's interrupt, when that is the one shown. */
  #identify(): number {
    const cause = this.#cause;
    if (cause === Cause.transmitterEmpty) {
      this.#words[word.emptyPending] = 0;
      this.#update();
    }
    return cause | (this.#fifoOn ? FIFO_ENABLED : 0);
  }

  /** The cause of highest priority (data sheet, table 4). */
  get #cause(): number {
    const enabled = this.#get(word.interruptEnable);
    if ((enabled & Enable.lineStatus) !== 0 && this.#get(word.lineErrors) !== 0) return Cause.lineStatus;
    const count = this.#get(word.count);
    if ((enabled & Enable.received) !== 0 && count > 0) {
      const trigger = this.#fifoOn ? (triggers[this.#get(word.fifoControl) >> 6] ?? 1) : 1;
      return count < trigger ? Cause.timeout : Cause.received;
    }
    if ((enabled & Enable.transmitterEmpty) !== 0 && this.#get(word.emptyPending) !== 0) return Cause.transmitterEmpty;
    return Cause.none;
  }

  #update(): void {
    const up = this.#cause !== Cause.none ? 1 : 0;
    if (this.#get(word.line) === up) return;
    this.#words[word.line] = up;
    this.#events.interrupt(up === 1);
  }
}

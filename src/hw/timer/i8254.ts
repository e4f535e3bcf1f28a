import { PitChannel } from './pit-channel.js';

const CONTROL = 3;
const READ_BACK = 3;
/** Bits of port 0x61. */
const PortB = { gate2: 1, speaker: 2, refresh: 0x10, output2: 0x20 } as const;

/** The 8254 of a PC: counter 0 is IRQ 0, counter 2's gate and output are bits of port 0x61. Times are nanoseconds. */
export class I8254 {
  readonly #channels = [new PitChannel(true), new PitChannel(true), new PitChannel(false)] as const;
  readonly #irq: (level: boolean) => void;
  #output = true;
  #deadline = Infinity;
  #speaker = false;
  #refresh = 0;

  /** @param irq takes the output of counter 0 when it changes; at first it is high */
  constructor(irq: (level: boolean) => void) {
    this.#irq = irq;
  }

  /** When `advance` is due, or Infinity. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Lets the output of counter 0 follow. A pulse that is over is still seen; several are one. */
  advance(now: number): void {
    for (let i = 0; i < 2 && this.#deadline <= now; i++) {
      this.#setOutput(!this.#output);
      this.#deadline = this.#channels[0].nextChange(this.#deadline);
    }
    this.#follow(now);
  }

  /** @param port 0 to 3 */
  read(port: number, now: number): number {
    return this.#channels[port]?.read(now) ?? 0;
  }

  write(port: number, value: number, now: number): void {
    if (port === CONTROL) this.#control(value, now);
    else this.#channels[port]?.write(value, now);
    this.#follow(now);
  }

  /** Port 0x61. */
  readPortB(now: number): number {
    this.#refresh ^= PortB.refresh;
    const [, , sound] = this.#channels;
    return (
      (sound.gate ? PortB.gate2 : 0) |
      (this.#speaker ? PortB.speaker : 0) |
      this.#refresh |
      (sound.output(now) ? PortB.output2 : 0)
    );
  }

  writePortB(value: number, now: number): void {
    this.#speaker = (value & PortB.speaker) !== 0;
    this.#channels[2].setGate((value & PortB.gate2) !== 0, now);
  }

  #control(value: number, now: number): void {
    const select = value >> 6;
    if (select !== READ_BACK) {
      this.#channels[select]?.control(value, now);
      return;
    }
    for (const [index, channel] of this.#channels.entries()) {
      if (!(value & (2 << index))) continue;
      if (!(value & 0x20)) channel.latchCount(now);
      if (!(value & 0x10)) channel.latchStatus(now);
    }
  }

  #follow(now: number): void {
    this.#setOutput(this.#channels[0].output(now));
    this.#deadline = this.#channels[0].nextChange(now);
  }

  #setOutput(level: boolean): void {
    if (level === this.#output) return;
    this.#output = level;
    this.#irq(level);
  }
}

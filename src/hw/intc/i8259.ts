/** Pin of the first controller that the second one's output is wired to. */
const CASCADE = 2;
/** IRQs that can't be level triggered: system timer, keyboard, cascade; clock and coprocessor (82371SB data sheet, ELCR). */
const ELCR_MASK = [0xf8, 0xde] as const;
/** No pin. */
const NONE = 8;
/** What an acknowledge cycle gets when nothing is requested any more. */
const SPURIOUS = 7;

/**
 * One 8259A interrupt controller in its 8086 mode (Intel 8259A data sheet, 231468-003), with the ELCR of PCI chip sets.
 * As in all emulators an edge stays requested when its line falls before it is acknowledged.
 */
export class I8259 {
  #irr = 0;
  #isr = 0;
  #imr = 0;
  /** Pins that were high when they were last told of; ICW1 forgets them. */
  #lines = 0;
  #elcr = 0;
  #base = 0;
  /** The pin of highest priority. */
  #first = 0;
  /** ICW1: expected next are 1 ICW2, 2 ICW3, 3 ICW4; 0 when initialised. */
  #expects = 0;
  #wantsIcw4 = false;
  #single = false;
  #readIsr = false;
  #poll = false;
  #specialMask = false;
  #specialNested = false;
  #autoEoi = false;
  #rotateOnAutoEoi = false;
  readonly #first8: boolean;
  readonly #changed: () => void;

  /**
   * @param first8 whether it has IRQs 0 to 7 and the cascade
   * @param changed called when `request` may have changed
   */
  constructor(first8: boolean, changed: () => void) {
    this.#first8 = first8;
    this.#changed = changed;
  }

  /** State after power-on. */
  reset(): void {
    this.#elcr = 0;
    this.#initialise();
    this.#expects = 0;
    this.#irr = 0;
    this.#changed();
  }

  /** @param pin 0 to 7 */
  setLine(pin: number, level: boolean): void {
    const bit = 1 << pin;
    if (level) {
      if (this.#elcr & bit || !(this.#lines & bit)) this.#irr |= bit;
      this.#lines |= bit;
    } else {
      this.#lines &= ~bit;
      if (this.#elcr & bit) this.#irr &= ~bit;
    }
    this.#changed();
  }

  /** @returns the pin that it asks service for, or -1 */
  request(): number {
    const requested = this.#rank(this.#irr & ~this.#imr);
    if (requested === NONE) return -1;
    let serving = this.#isr;
    if (this.#specialMask) serving &= ~this.#imr;
    if (this.#specialNested && this.#first8) serving &= ~(1 << CASCADE);
    return requested < this.#rank(serving) ? (requested + this.#first) & 7 : -1;
  }

  vector(pin: number): number {
    return this.#base + pin;
  }

  /** The acknowledge cycle of a pin given by `request`. */
  acknowledge(pin: number): void {
    const bit = 1 << pin;
    if (!this.#autoEoi) this.#isr |= bit;
    else if (this.#rotateOnAutoEoi) this.#first = (pin + 1) & 7;
    if (!(this.#elcr & bit)) this.#irr &= ~bit;
    this.#changed();
  }

  get elcr(): number {
    return this.#elcr;
  }

  set elcr(value: number) {
    this.#elcr = value & ELCR_MASK[this.#first8 ? 0 : 1];
  }

  /** @param port 0 or 1, the chip's A0 */
  read(port: number): number {
    if (this.#poll) {
      this.#poll = false;
      const pin = this.request();
      if (pin < 0) return 0;
      this.acknowledge(pin);
      return 0x80 | pin;
    }
    if (port === 1) return this.#imr;
    return this.#readIsr ? this.#isr : this.#irr;
  }

  write(port: number, value: number): void {
    if (port === 1) this.#writeData(value);
    else if (value & 0x10) this.#icw1(value);
    else if (value & 0x08) this.#ocw3(value);
    else this.#ocw2(value);
    this.#changed();
  }

  #icw1(value: number): void {
    this.#initialise();
    this.#expects = 1;
    this.#wantsIcw4 = (value & 1) !== 0;
    this.#single = (value & 2) !== 0;
  }

  #initialise(): void {
    this.#irr &= this.#elcr;
    this.#lines = 0;
    this.#isr = 0;
    this.#imr = 0;
    this.#base = 0;
    this.#first = 0;
    this.#readIsr = false;
    this.#poll = false;
    this.#specialMask = false;
    this.#specialNested = false;
    this.#autoEoi = false;
    this.#rotateOnAutoEoi = false;
  }

  #writeData(value: number): void {
    switch (this.#expects) {
      case 0:
        this.#imr = value;
        break;
      case 1:
        this.#base = value & 0xf8;
        this.#expects = this.#single ? this.#afterIcw3() : 2;
        break;
      case 2:
        this.#expects = this.#afterIcw3();
        break;
      default:
        this.#specialNested = (value & 0x10) !== 0;
        this.#autoEoi = (value & 0x02) !== 0;
        this.#expects = 0;
    }
  }

  #afterIcw3(): number {
    return this.#wantsIcw4 ? 3 : 0;
  }

  #ocw2(value: number): void {
    const rotate = (value & 0x80) !== 0;
    const specific = (value & 0x40) !== 0;
    const eoi = (value & 0x20) !== 0;
    if (!eoi && !specific) {
      this.#rotateOnAutoEoi = rotate;
      return;
    }
    const pin = specific ? value & 7 : this.#serving();
    if (pin < 0 || (!eoi && !rotate)) return;
    if (eoi) this.#isr &= ~(1 << pin);
    if (rotate) this.#first = (pin + 1) & 7;
  }

  #ocw3(value: number): void {
    if (value & 0x04) this.#poll = true;
    if (value & 0x02) this.#readIsr = (value & 1) !== 0;
    if (value & 0x40) this.#specialMask = (value & 0x20) !== 0;
  }

  #serving(): number {
    const rank = this.#rank(this.#isr);
    return rank === NONE ? -1 : (rank + this.#first) & 7;
  }

  /** Priority of the pin of highest priority in a set, 0 first, or NONE. */
  #rank(pins: number): number {
    const rotated = ((pins << 8) | pins) >> this.#first;
    const lowest = rotated & -rotated & 0xff;
    return lowest === 0 ? NONE : 31 - Math.clz32(lowest);
  }
}

/** The two 8259A of a PC: IRQs 0 to 15, the second's output on the first's pin 2. */
export class PicPair {
  readonly #first = new I8259(true, () => this.#update());
  readonly #second = new I8259(false, () => this.#first.setLine(CASCADE, this.#second.request() >= 0));
  readonly #rises: () => void;
  #output = false;

  /** @param rises called when INTR rises */
  constructor(rises: () => void) {
    this.#rises = rises;
  }

  /** Whether INTR is high. */
  get output(): boolean {
    return this.#output;
  }

  reset(): void {
    this.#first.reset();
    this.#second.reset();
  }

  /** @param irq 0 to 15; 2 has no line of its own */
  setLine(irq: number, level: boolean): void {
    if (irq < 8) {
      if (irq !== CASCADE) this.#first.setLine(irq, level);
    } else {
      this.#second.setLine(irq - 8, level);
    }
  }

  /** The vector that `acknowledge` would give now. */
  vector(): number {
    const pin = this.#first.request();
    if (pin !== CASCADE) return this.#first.vector(pin < 0 ? SPURIOUS : pin);
    const second = this.#second.request();
    return this.#second.vector(second < 0 ? SPURIOUS : second);
  }

  /** The CPU's acknowledge cycle. @returns the vector; that of IRQ 7 or 15 when the request is gone */
  acknowledge(): number {
    const vector = this.vector();
    const pin = this.#first.request();
    if (pin < 0) return vector;
    this.#first.acknowledge(pin);
    if (pin !== CASCADE) return vector;
    // The second's output falls in the acknowledge cycle: what it asks for next is an edge.
    this.#first.setLine(CASCADE, false);
    const second = this.#second.request();
    if (second >= 0) this.#second.acknowledge(second);
    return vector;
  }

  /**
   * @param chip 0 or 1
   * @param port 0 or 1
   */
  read(chip: number, port: number): number {
    return this.#chip(chip).read(port);
  }

  write(chip: number, port: number, value: number): void {
    this.#chip(chip).write(port, value);
  }

  readElcr(chip: number): number {
    return this.#chip(chip).elcr;
  }

  writeElcr(chip: number, value: number): void {
    this.#chip(chip).elcr = value;
  }

  #chip(index: number): I8259 {
    return index === 0 ? this.#first : this.#second;
  }

  #update(): void {
    const output = this.#first.request() >= 0;
    const rises = output && !this.#output;
    this.#output = output;
    if (rises) this.#rises();
  }
}

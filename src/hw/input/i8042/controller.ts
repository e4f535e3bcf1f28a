const Status = { outputFull: 0x01, systemFlag: 0x04, command: 0x08, unlocked: 0x10 } as const;
const Control = { interrupt: 0x01, systemFlag: 0x04, keyboardOff: 0x10, mouseOff: 0x20 } as const;
const WRITE_CONTROL = 0x60;
const WRITE_OUTPUT_PORT = 0xd1;
const READ_CONTROL = 0x20;
/** And up: pulses the output lines whose bits are 0. */
const PULSE = 0xf0;
/** Commands with a fixed answer: the mouse's test says that there is none, the output port has A20 on. */
const answers = new Map([
  [0xa9, 0xff],
  [0xaa, 0x55],
  [0xab, 0x00],
  [0xd0, 0x03],
]);
/** Commands that set or clear a bit of the control byte. */
const switches = new Map<number, readonly [bit: number, on: boolean]>([
  [0xa7, [Control.mouseOff, true]],
  [0xa8, [Control.mouseOff, false]],
  [0xad, [Control.keyboardOff, true]],
  [0xae, [Control.keyboardOff, false]],
]);
const KEYBOARD_ACK = 0xfa;
const KEYBOARD_RESET = 0xff;
const KEYBOARD_TEST = 0xaa;
const RESET_LINE = 0x01;

const word = { control: 0, awaits: 1, count: 2, first: 3, second: 4, isCommand: 5, line: 6 } as const;
export const I8042_WORDS = 7;

export interface I8042Events {
  /** The keyboard's interrupt changed. */
  interrupt(up: boolean): void;
  /** The reset line of the CPU was pulled. */
  reset(): void;
}

/**
 * A keyboard controller with no keys and no mouse: Linux finds it at its start and resets the machine by it (`reboot=k`).
 * Commands are done at once. State is in words of memory which threads may share: the caller locks.
 */
export class I8042 {
  readonly #words: Int32Array;
  readonly #events: I8042Events;

  /** @param words I8042_WORDS of them, after `reset` */
  constructor(words: Int32Array, events: I8042Events) {
    this.#words = words;
    this.#events = events;
  }

  #get(index: number): number {
    return this.#words[index] ?? 0;
  }

  reset(): void {
    const line = this.#get(word.line);
    this.#words.fill(0, 0, I8042_WORDS);
    this.#words[word.control] = Control.interrupt | Control.systemFlag;
    this.#words[word.line] = line;
    this.#update();
  }

  /** Port 0x64. */
  readStatus(): number {
    const full = this.#get(word.count) > 0 ? Status.outputFull : 0;
    return full | Status.unlocked | (this.#get(word.control) & Status.systemFlag) | this.#get(word.isCommand);
  }

  writeData(value: number): void {
    this.#words[word.isCommand] = 0;
    const command = this.#get(word.awaits);
    this.#words[word.awaits] = 0;
    if (command === WRITE_CONTROL) this.#words[word.control] = value;
    else if (command === WRITE_OUTPUT_PORT) this.#drive(value);
    else if (command === 0) this.#keyboard(value);
    this.#update();
  }

  writeCommand(value: number): void {
    this.#words[word.isCommand] = Status.command;
    this.#words[word.awaits] = 0;
    const answer = value === READ_CONTROL ? this.#get(word.control) : answers.get(value);
    const change = switches.get(value);
    if (answer !== undefined) this.#answer(answer);
    else if (change !== undefined) this.#switch(...change);
    else if (value >= PULSE) this.#drive(value);
    // The rest are commands with a data byte (write control or output port, send to the mouse), or none at all.
    else this.#words[word.awaits] = value;
    this.#update();
  }

  /** Port 0x60. */
  readData(): number {
    const byte = this.#get(word.first);
    const count = this.#get(word.count);
    if (count > 0) {
      this.#words[word.count] = count - 1;
      if (count > 1) this.#words[word.first] = this.#get(word.second);
      this.#update();
    }
    return byte;
  }

  #answer(first: number, second?: number): void {
    this.#words[word.first] = first;
    this.#words[word.second] = second ?? 0;
    this.#words[word.count] = second === undefined ? 1 : 2;
  }

  /** The keyboard acknowledges all; a reset also tells that its test has passed. */
  #keyboard(value: number): void {
    if (value === KEYBOARD_RESET) this.#answer(KEYBOARD_ACK, KEYBOARD_TEST);
    else this.#answer(KEYBOARD_ACK);
  }

  #switch(bit: number, on: boolean): void {
    const control = this.#get(word.control);
    this.#words[word.control] = on ? control | bit : control & ~bit;
  }

  #drive(lines: number): void {
    if ((lines & RESET_LINE) === 0) this.#events.reset();
  }

  #update(): void {
    const up = this.#get(word.count) > 0 && (this.#get(word.control) & Control.interrupt) !== 0 ? 1 : 0;
    if (this.#get(word.line) === up) return;
    this.#words[word.line] = up;
    this.#events.interrupt(up === 1);
  }
}

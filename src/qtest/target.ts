/** A line of a device that a test watches changed its level. */
export interface LineChange {
  readonly pin: number;
  readonly level: boolean;
}

/** What a test drives: the address spaces, lines and clock of a machine whose CPUs do nothing. */
export interface QtestTarget {
  /** @param size 1, 2 or 4 */
  readPort(port: number, size: number): Promise<number>;
  writePort(port: number, size: number, value: number): Promise<void>;
  /** RAM and device registers, as the first CPU sees them. */
  readMemory(address: number, length: number): Promise<Uint8Array>;
  writeMemory(address: number, bytes: Uint8Array): Promise<void>;
  /** Lets time pass, or with `undefined` lets it come to the next deadline. @returns nanoseconds since the start */
  stepClock(nanoseconds: number | undefined): Promise<number>;
  /** Lets time come to a moment; without effect when it is past. @returns nanoseconds since the start */
  setClock(nanoseconds: number): Promise<number>;
  /** Watches the input lines of a device. @returns false when there is no such device, or it has no lines */
  watch(path: string): Promise<boolean>;
  /** Sets the input line of a device. @returns false as `watch`, or when it has no such pin */
  setLine(path: string, pin: number, level: boolean): Promise<boolean>;
  /** Names who is told of the watched lines: before the result of the call that changed them. */
  onLineChange(listener: (change: LineChange) => void): void;
}

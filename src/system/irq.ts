/**
 * An interrupt line of a device. Level lines stay asserted until lowered; `pulse` is an edge, for edge-triggered routing.
 * May be used from any thread that holds the line.
 */
export interface IrqLine {
  raise(): void;
  lower(): void;
  pulse(): void;
}

/** The end of a line at a device that is made before there is an interrupt controller; it leads nowhere until then. */
export class IrqPin implements IrqLine {
  #line: IrqLine | undefined;

  connect(line: IrqLine): void {
    this.#line = line;
  }

  raise(): void {
    this.#line?.raise();
  }

  lower(): void {
    this.#line?.lower();
  }

  pulse(): void {
    this.#line?.pulse();
  }
}

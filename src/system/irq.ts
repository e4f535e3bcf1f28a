/**
 * An interrupt line of a device. Level lines stay asserted until lowered; `pulse` is an edge, for edge-triggered routing.
 * May be used from any thread that holds the line.
 */
export interface IrqLine {
  raise(): void;
  lower(): void;
  pulse(): void;
}

/** Why a machine stops or resets (QEMU ShutdownCause, qapi/run-state.json). */
export type ShutdownCause =
  | 'none'
  | 'host-error'
  | 'host-qmp-quit'
  | 'host-qmp-system-reset'
  | 'host-signal'
  | 'host-ui'
  | 'guest-shutdown'
  | 'guest-reset'
  | 'guest-panic'
  | 'subsystem-reset'
  | 'snapshot-load';

/** What follows a panic (QEMU GuestPanicAction). */
export type PanicAction = 'pause' | 'poweroff' | 'run';

/** True for causes that the guest brought about itself. */
export function causedByGuest(cause: ShutdownCause): boolean {
  return cause === 'guest-shutdown' || cause === 'guest-reset' || cause === 'guest-panic';
}

/** What happens in the machine, as plain data; the monitor maps it to QMP events. */
export type SystemEvent =
  | { readonly type: 'shutdown'; readonly cause: ShutdownCause }
  | { readonly type: 'reset'; readonly cause: ShutdownCause }
  | { readonly type: 'stop' }
  | { readonly type: 'resume' }
  | { readonly type: 'powerdown' }
  | { readonly type: 'wakeup' }
  /** The guest has panicked; what is done about it. */
  | { readonly type: 'guest-panicked'; readonly action: PanicAction }
  /** It has, and its crash kernel takes over. */
  | { readonly type: 'guest-crashloaded'; readonly action: PanicAction }
  /** The guest shuts down by its panic device. */
  | { readonly type: 'guest-pvshutdown' }
  | { readonly type: 'device-deleted'; readonly device: string | undefined; readonly path: string }
  | { readonly type: 'device-unplug-guest-error'; readonly device: string | undefined; readonly path: string }
  /** The guest set its clock, `offset` seconds from the host's. */
  | { readonly type: 'rtc-change'; readonly offset: number; readonly path: string }
  /** The enclave runs and is reachable at `cid`. */
  | { readonly type: 'enclave-started'; readonly cid: number }
  /** The enclave sent its first heartbeat byte. */
  | { readonly type: 'heartbeat'; readonly byte: number; readonly ok: boolean }
  /** The enclave's serial console is connected. */
  | { readonly type: 'console-connected'; readonly cid: number };

export type Listener<T> = (value: T) => void;

/** A list of listeners called in order; `on` returns the function that removes its listener. */
export class Signal<T> {
  readonly #listeners = new Set<Listener<T>>();

  on(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  emit(value: T): void {
    for (const listener of [...this.#listeners]) listener(value);
  }
}

/** Where rooms raise events, and the monitor listens. */
export type EventSink = Signal<SystemEvent>;

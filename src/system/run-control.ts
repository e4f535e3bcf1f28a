import { QemuError } from './errors.js';
import { type EventSink, type ShutdownCause, Signal } from './events.js';

/** QEMU RunState (qapi/run-state.json); the ones our machines reach. */
export type RunState =
  | 'prelaunch'
  | 'running'
  | 'paused'
  | 'shutdown'
  | 'internal-error'
  | 'guest-panicked'
  | 'debug'
  | 'watchdog';

/** What follows a guest action (QEMU -action, set-action). */
export interface Actions {
  reboot: 'reset' | 'shutdown';
  shutdown: 'poweroff' | 'pause';
  panic: 'pause' | 'shutdown' | 'exit-failure' | 'none';
  watchdog: 'reset' | 'shutdown' | 'poweroff' | 'pause' | 'debug' | 'none' | 'inject-nmi';
}

/** The side of a machine that run control drives. */
export interface RunTarget {
  /** Lets the guest run; the first call is the launch. A rejection leaves the machine stopped. */
  start(): void | Promise<void>;
  stop(): void | Promise<void>;
  /** Absent: the guest cannot be reset, a reset request ends the machine. A rejection leaves it stopped for good. */
  reset?(): void | Promise<void>;
}

/**
 * The run state of the machine and the requests that change it, with QEMU's rules (system/runstate.c): who may resume,
 * what a reset or shutdown request turns into, when the process ends.
 */
export class RunControl {
  readonly actions: Actions = { reboot: 'reset', shutdown: 'poweroff', panic: 'shutdown', watchdog: 'reset' };
  /** Raised after every change of `state`. */
  readonly changed = new Signal<RunState>();
  /** Guest-visible power button; the machine listens. */
  readonly powerdownRequested = new Signal<void>();
  #state: RunState = 'prelaunch';
  #target: RunTarget | undefined;
  #transition: Promise<void> = Promise.resolve();
  #finish: (code: number) => void = () => {};
  readonly #events: EventSink;
  readonly #warn: (text: string) => void;
  /** Resolves with the exit status once the machine is to end. */
  readonly finished: Promise<number>;
  #ending = false;

  constructor(events: EventSink, warn: (text: string) => void) {
    this.#events = events;
    this.#warn = warn;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
  }

  get state(): RunState {
    return this.#state;
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  /** The machine is on its way out; nothing new should be started. */
  get ending(): boolean {
    return this.#ending;
  }

  /** Names the machine that `start`, `stop` and reset requests act on. */
  attach(target: RunTarget): void {
    this.#target = target;
  }

  #set(state: RunState): void {
    this.#state = state;
    this.changed.emit(state);
  }

  /** Starts and stops happen one at a time, in the order asked for. */
  #queue(work: () => Promise<void>): Promise<void> {
    const next = this.#transition.then(work);
    this.#transition = next.catch(() => {});
    return next;
  }

  /**
   * `cont`, and the launch without -S.
   *
   * @throws QemuError when the state forbids it or the launch fails
   */
  async resume(): Promise<void> {
    if (this.#state === 'shutdown' || this.#state === 'internal-error') {
      throw new QemuError('Resetting the Virtual Machine is required');
    }
    await this.#queue(async () => {
      if (this.#state === 'running' || this.#ending) return;
      await this.#target?.start();
      this.#set('running');
      this.#events.emit({ type: 'resume' });
    });
  }

  /** `stop`, and every other way into a stopped state; without effect on a machine that is stopped already. */
  async pause(state: Exclude<RunState, 'running' | 'prelaunch'> = 'paused'): Promise<void> {
    await this.#queue(async () => {
      if (this.#state !== 'running') {
        // A stopped machine may still move to a worse state, never back to `paused`.
        if (state !== 'paused') this.#set(state);
        return;
      }
      await this.#target?.stop();
      this.#set(state);
      this.#events.emit({ type: 'stop' });
    });
  }

  /** The machine is to end, or to rest in state `shutdown` when the action says pause. */
  async requestShutdown(cause: ShutdownCause, exitCode = 0): Promise<void> {
    if (this.#ending) return;
    this.#events.emit({ type: 'shutdown', cause });
    if (this.actions.shutdown === 'pause') await this.pause('shutdown');
    else this.end(exitCode);
  }

  /** `quit`, SIGTERM, SIGINT, SIGHUP: as requestShutdown, whatever the action says. */
  async kill(cause: ShutdownCause): Promise<void> {
    this.actions.shutdown = 'poweroff';
    await this.requestShutdown(cause);
  }

  async requestReset(cause: ShutdownCause): Promise<void> {
    if (this.actions.reboot === 'shutdown' && cause !== 'subsystem-reset') return this.requestShutdown(cause);
    const target = this.#target;
    if (target !== undefined && target.reset === undefined) {
      this.#warn('cpus are not resettable, terminating');
      return this.requestShutdown(cause);
    }
    await this.#queue(async () => {
      await this.#reset(target);
      this.#events.emit({ type: 'reset', cause });
      if (this.#state !== 'running') this.#set('prelaunch');
    });
  }

  /** The guest has panicked (QEMU: qemu_system_guest_panicked). */
  async requestPanic(): Promise<void> {
    const { panic, shutdown } = this.actions;
    if (panic === 'none') {
      this.#events.emit({ type: 'guest-panicked', action: 'run' });
      return;
    }
    const pauses = panic === 'pause' || (panic === 'shutdown' && shutdown === 'pause');
    this.#events.emit({ type: 'guest-panicked', action: pauses ? 'pause' : 'poweroff' });
    await this.pause('guest-panicked');
    if (!pauses) await this.requestShutdown('guest-panic', panic === 'exit-failure' ? 1 : 0);
  }

  /** A machine that cannot be reset is in no state to go on. */
  async #reset(target: RunTarget | undefined): Promise<void> {
    try {
      await target?.reset?.();
    } catch (error) {
      const wasRunning = this.running;
      this.#set('internal-error');
      if (wasRunning) this.#events.emit({ type: 'stop' });
      throw error;
    }
  }

  /** Presses the power button. */
  requestPowerdown(): void {
    this.#events.emit({ type: 'powerdown' });
    this.powerdownRequested.emit();
  }

  /** Ends the machine now with this exit status; the first call counts. */
  end(exitCode: number): void {
    if (this.#ending) return;
    this.#ending = true;
    // The reply to the command that asked for the end goes out first.
    setImmediate(() => this.#finish(exitCode));
  }
}

import { setImmediate } from 'node:timers/promises';
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { Mapping } from '../../src/host/memory.js';
import { threadId } from '../../src/host/threads.js';
import type { BoardPlan, OpenBoard } from '../../src/hw/i386/board.js';
import { openIrqLines, SharedIrqWords } from '../../src/hw/intc/irq-lines.js';
import type { LineChange } from '../../src/qtest/target.js';
import { asError } from '../../src/system/errors.js';
import { GuestMemory } from '../../src/system/guest-memory.js';
import { QtestBoard } from './qtest-board.js';

/** What the thread is started with (workerData). */
export interface BoardThreadData {
  readonly cpus: number;
  readonly ram: readonly { readonly base: number; readonly size: number; readonly address: bigint }[];
  readonly board: BoardPlan;
  /** SharedIrqWords. */
  readonly words: SharedArrayBuffer;
}

/** What the main thread asks of the board. */
export type BoardCalls = Pick<
  QtestBoard,
  | 'readPort'
  | 'writePort'
  | 'readMemory'
  | 'writeMemory'
  | 'stepClock'
  | 'setClock'
  | 'watch'
  | 'setLine'
  | 'injectNmi'
  | 'reset'
>;

export interface BoardRequest {
  readonly id: number;
  readonly call: keyof BoardCalls;
  readonly args: readonly unknown[];
}

export type BoardReply =
  | { readonly type: 'started'; readonly tid: number }
  | { readonly type: 'result'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly message: string }
  | ({ readonly type: 'line' } & LineChange);

/** In V8 since Node 16; the types have it with ES2024. */
const { waitAsync } = Atomics as unknown as {
  waitAsync(word: Int32Array, index: number, value: number): { readonly async: boolean; readonly value: unknown };
};

/** The body of the thread that has the devices of a machine without CPUs. */
export function serveBoard(openBoard: OpenBoard): void {
  if (parentPort === null) throw new Error('not a worker thread');
  const { cpus, ram, board, words } = workerData as BoardThreadData;
  const memory = new GuestMemory(
    ram.map(({ base, size, address }) => ({ base, size, offset: 0, ram: new Mapping(address, size) })),
  );
  const devices = openBoard(board, openIrqLines({ kind: 'shared', words }));
  const port = parentPort;
  const tell = (change: LineChange): void => post(port, { type: 'line', ...change });
  const target = new QtestBoard(cpus, memory, devices, words, tell);
  port.on('message', (request: BoardRequest) => post(port, answer(target, request)));
  post(port, { type: 'started', tid: threadId() });
  void followLines(target, new SharedIrqWords(words).kickWord);
}

/** Lines that other threads move while no request comes. */
async function followLines(target: QtestBoard, kickWord: Int32Array): Promise<never> {
  for (;;) {
    const kick = waitAsync(kickWord, 0, 0);
    await (kick.async ? kick.value : setImmediate());
    target.follow();
  }
}

function post(port: MessagePort, reply: BoardReply): void {
  port.postMessage(reply);
}

function answer(target: QtestBoard, { id, call, args }: BoardRequest): BoardReply {
  try {
    target.follow();
    const work = target[call] as (...args: readonly unknown[]) => unknown;
    const value = work.apply(target, [...args]);
    target.follow();
    return { type: 'result', id, value };
  } catch (error) {
    return { type: 'failed', id, message: `${call}: ${asError(error).message}` };
  }
}

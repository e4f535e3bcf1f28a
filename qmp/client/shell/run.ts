import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '../../../src/system/json.js';
import { writeJson } from '../../json/writer.js';
import type { QmpClient } from '../client.js';
import { connect } from '../connect.js';
import { QmpConnectionError } from '../errors.js';
import { Evaluator } from './evaluate.js';
import { parseLine, ShellSyntaxError } from './grammar.js';
import { interact } from './interactive.js';
import type { ShellOptions } from './options.js';
import { ExitStatus } from './status.js';

export interface ShellIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean };
  readonly stderr: Writable;
  /** Keeps the lines of interactive shells. */
  readonly historyFile?: string | undefined;
}

/** Between two attempts to connect while the endpoint is not there yet. */
const retryMs = 50;

/** Runs the shell and gives its exit status. */
export async function runShell(options: ShellOptions, io: ShellIo): Promise<ExitStatus> {
  const fail = (error: unknown, status: ExitStatus): ExitStatus => {
    io.stderr.write(`nitro-qmp: ${(error as Error).message}\n`);
    return status;
  };
  try {
    if (!options.hmp) for (const line of options.commands) parseLine(line);
  } catch (error) {
    if (error instanceof ShellSyntaxError) return fail(error, ExitStatus.Usage);
    throw error;
  }
  let client: QmpClient;
  try {
    client = await connectWithin(options);
  } catch (error) {
    return fail(error, ExitStatus.Connection);
  }
  await using connection = client;
  const evaluator = new Evaluator(connection, options, io);
  // Before the commands, so that the events they bring about are seen.
  const watching = options.watch ? watch(connection, io) : undefined;
  for (const line of options.commands) {
    const status = await evaluator.run(line);
    if (status !== ExitStatus.Success) return status;
  }
  if (watching !== undefined) {
    await watching;
    return fail(await connection.closed, ExitStatus.Connection);
  }
  if (options.commands.length > 0) return ExitStatus.Success;
  // Awaited here, for the connection lasts as long as this block.
  return await interact(connection, evaluator, options, io);
}

/** Tries again until the endpoint is there or its time is over. */
async function connectWithin({ endpoint, waitMs, timeoutMs }: ShellOptions): Promise<QmpClient> {
  const end = performance.now() + waitMs;
  for (;;) {
    try {
      return await connect(endpoint, { timeoutMs, commandTimeoutMs: timeoutMs });
    } catch (error) {
      if (!isAbsence(error) || performance.now() >= end) throw error;
      await sleep(retryMs);
    }
  }
}

/** Nobody listens there yet. */
function isAbsence(error: unknown): boolean {
  if (!(error instanceof QmpConnectionError)) return false;
  const { code } = (error.cause ?? {}) as { code?: unknown };
  return code === 'ENOENT' || code === 'ECONNREFUSED';
}

/** Prints events, one a line, as fast as they are read; a reader that is behind loses the oldest. */
async function watch(client: QmpClient, { stdout, stderr }: ShellIo): Promise<void> {
  const events = client.events();
  let told = 0;
  try {
    for await (const event of events) {
      if (!stdout.write(`${writeJson(event as unknown as JsonObject)}\n`)) await once(stdout, 'drain');
      if (events.dropped > told) stderr.write(`nitro-qmp: ${events.dropped - told} events were dropped\n`);
      told = events.dropped;
    }
  } catch (error) {
    if (!(error instanceof QmpConnectionError)) throw error;
  }
}

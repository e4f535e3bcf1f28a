import type { Writable } from 'node:stream';
import type { JsonObject, JsonValue } from '../../../src/system/json.js';
import { writeJson } from '../../json/writer.js';
import type { QmpClient } from '../client.js';
import { QmpCommandError, QmpConnectionError, QmpTimeoutError } from '../errors.js';
import { parseLine, ShellSyntaxError } from './grammar.js';
import { ExitStatus } from './status.js';

interface EvaluatorOptions {
  readonly hmp: boolean;
  readonly compact: boolean;
}

interface Output {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Runs lines and prints what comes of them: results on stdout, errors on stderr. */
export class Evaluator {
  readonly #client: QmpClient;
  readonly #options: EvaluatorOptions;
  readonly #output: Output;

  constructor(client: QmpClient, options: EvaluatorOptions, output: Output) {
    this.#client = client;
    this.#options = options;
    this.#output = output;
  }

  /** @param signal stops waiting for the reply */
  async run(line: string, signal?: AbortSignal): Promise<ExitStatus> {
    const { stdout, stderr } = this.#output;
    try {
      const text = this.#options.hmp ? await this.#runHuman(line, signal) : await this.#runQmp(line, signal);
      if (text !== undefined) stdout.write(text);
      return ExitStatus.Success;
    } catch (error) {
      const [status, text] = outcome(error, signal);
      stderr.write(`nitro-qmp: ${text}\n`);
      return status;
    }
  }

  async #runQmp(line: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    const request = parseLine(line);
    if (request === undefined) return undefined;
    const { command, args, oob, id } = request;
    const result: JsonValue = await this.#client.execute<string>(command, args, { oob, signal });
    return this.#format(id === undefined ? result : { return: result, id });
  }

  async #runHuman(line: string, signal: AbortSignal | undefined): Promise<string | undefined> {
    if (line.trim() === '') return undefined;
    const args: JsonObject = { 'command-line': line };
    const text = await this.#client.execute<string>('human-monitor-command', args, { signal });
    return String(text).replaceAll('\r\n', '\n');
  }

  #format(value: JsonValue): string {
    // Pretty empty containers take two lines.
    const short = writeJson(value);
    return `${this.#options.compact || short === '{}' || short === '[]' ? short : writeJson(value, true)}\n`;
  }
}

function outcome(error: unknown, signal: AbortSignal | undefined): [ExitStatus, string] {
  if (error instanceof QmpCommandError) {
    return [ExitStatus.Refused, `${error.command}: ${error.errorClass}: ${error.desc}`];
  }
  if (error instanceof ShellSyntaxError || error instanceof TypeError) return [ExitStatus.Usage, error.message];
  if (error instanceof QmpConnectionError || error instanceof QmpTimeoutError) {
    return [ExitStatus.Connection, error.message];
  }
  if (signal?.aborted) return [ExitStatus.Success, 'stopped waiting; the command may still run'];
  throw error;
}

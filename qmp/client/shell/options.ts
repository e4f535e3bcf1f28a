import yargsParser from 'yargs-parser';
import { type Endpoint, parseEndpoint } from '../endpoint.js';

export interface ShellOptions {
  readonly endpoint: Endpoint;
  /** Lines to run, in this order; none for an interactive shell. */
  readonly commands: readonly string[];
  readonly watch: boolean;
  /** Lines are the human monitor's. */
  readonly hmp: boolean;
  /** Results take one line. */
  readonly compact: boolean;
  /** How long the endpoint may take to appear. */
  readonly waitMs: number;
  /** For connecting, for the greeting, and for each command. */
  readonly timeoutMs: number;
}

/** A command line that makes no sense; the message is a sentence for the user. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const helpText = `usage: nitro-qmp [OPTION]... ENDPOINT

Sends QMP commands to an emulator, this project's or QEMU: those of -c, else those typed or piped in.

ENDPOINT   PATH, unix:PATH, HOST:PORT, tcp:HOST:PORT, ws://HOST:PORT/ or wss://HOST:PORT/

  -c, --command COMMAND  run COMMAND and print its result; may be repeated, the first error ends it
  --watch                print events as JSON lines, until interrupted
  --hmp                  commands are the human monitor's, such as 'info status'
  --compact              print a result on one line
  --wait SECONDS         wait for the endpoint to appear
  --timeout SECONDS      limit for the connection and for each command, default 60
  --token TOKEN          bearer token for ws:// and wss://, default $NITRO_QMP_TOKEN
  -h, --help             print this text

COMMAND    NAME [KEY=VALUE]..., or {"execute": NAME, "arguments": {...}}
           A key with dots is a path: a.b=1 is a={"b": 1}. A value is a number, true, false, null, "text", {...}, [...],
           or else text as it stands: qom-get path=/machine property=type

In the shell TAB completes, the arrow keys recall, Ctrl-C stops waiting for a command and Ctrl-D leaves.
Exit status: 0, 1 after an error reply, 2 for wrong usage, 3 when there is no connection or no reply.
`;

const flags = ['watch', 'hmp', 'compact', 'help'] as const;
const valued = ['command', 'wait', 'timeout', 'token'] as const;
const defaultTimeoutSeconds = '60';
/** setTimeout's limit. */
const maxSeconds = 2_147_483;

/**
 * Reads the command line.
 *
 * @param argv without interpreter and script
 * @param env for NITRO_QMP_TOKEN
 * @returns 'help' when that was asked for
 * @throws UsageError
 */
export function parseOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>) {
  const parsed = yargsParser([...argv], {
    boolean: [...flags],
    string: [...valued],
    alias: { command: ['c'], help: ['h'] },
    configuration: {
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    },
  });
  const known = new Set<string>(['_', ...flags, ...valued]);
  const unknown = Object.keys(parsed).find((name) => !known.has(name));
  if (unknown !== undefined) throw new UsageError(`unknown option '${unknown.length > 1 ? '--' : '-'}${unknown}'`);
  if (parsed.help === true) return 'help';

  const [target, ...others] = parsed._.map(String);
  if (target === undefined) throw new UsageError('the endpoint is missing');
  if (others.length > 0) throw new UsageError(`'${others[0]}' is one endpoint too many`);
  const single = (name: (typeof valued)[number]): string | undefined => {
    const values = strings(parsed[name], name);
    if (values.length > 1) throw new UsageError(`option '--${name}' is given ${values.length} times`);
    return values[0];
  };
  const options: ShellOptions = {
    endpoint: endpoint(target, single('token'), env.NITRO_QMP_TOKEN),
    commands: strings(parsed.command, 'command'),
    watch: parsed.watch === true,
    hmp: parsed.hmp === true,
    compact: parsed.compact === true,
    waitMs: milliseconds('wait', single('wait') ?? '0'),
    timeoutMs: milliseconds('timeout', single('timeout') ?? defaultTimeoutSeconds),
  };
  if (options.timeoutMs === 0) throw new UsageError("option '--timeout' cannot be 0");
  return options;
}

function strings(value: unknown, name: string): string[] {
  const values = value === undefined ? [] : [value].flat().map(String);
  if (values.includes('')) throw new UsageError(`option '--${name}' needs a value`);
  return values;
}

function milliseconds(name: string, text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds <= maxSeconds)) throw new UsageError(`option '--${name}' takes seconds, not '${text}'`);
  return Math.ceil(seconds * 1000);
}

function endpoint(text: string, token: string | undefined, defaultToken: string | undefined): Endpoint {
  let parsed: Endpoint;
  try {
    parsed = parseEndpoint(text);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (!('url' in parsed)) {
    if (token !== undefined) throw new UsageError("option '--token' is for ws:// and wss:// only");
    return parsed;
  }
  const bearer = token ?? defaultToken;
  return bearer === undefined ? parsed : { ...parsed, token: bearer };
}

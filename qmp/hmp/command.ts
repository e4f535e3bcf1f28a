import type { MaybePromise } from '../../src/qom/property.js';
import type { CallCommand } from '../command-map.js';
import type { MonitorContext } from '../context.js';
import type { HmpArgs, Parameter } from './args.js';

/** What an HMP command gets. */
export interface HmpContext extends MonitorContext {
  /** Runs a QMP command. */
  readonly qmp: CallCommand;
}

/** A command of the human monitor, declared once; help, argument reading and completion derive from it. */
export interface HmpCommand {
  /** All names, as `cont|c`. */
  readonly name: string;
  /** The parameters as help shows them. */
  readonly usage: string;
  readonly help: string;
  readonly parameters: readonly Parameter[];
  /** It may run before the machine is built. */
  readonly allowPreconfig: boolean;
  /** Returns the text to show; an error is shown as `Error: SENTENCE`. */
  readonly run: (ctx: HmpContext, args: Readonly<Record<string, unknown>>) => MaybePromise<string | undefined>;
  /** Words that may stand as the argument of the given index. */
  readonly complete?: (ctx: HmpContext, index: number, words: readonly string[]) => MaybePromise<readonly string[]>;
}

interface Declaration<P extends readonly Parameter[]> {
  readonly name: string;
  readonly usage?: string;
  readonly help: string;
  readonly parameters?: P;
  readonly allowPreconfig?: boolean;
  readonly run: (ctx: HmpContext, args: HmpArgs<P>) => MaybePromise<string | undefined>;
  readonly complete?: HmpCommand['complete'];
}

export function defineHmp<const P extends readonly Parameter[] = readonly []>(declaration: Declaration<P>): HmpCommand {
  const { name, help, complete } = declaration;
  return {
    name,
    help,
    usage: declaration.usage ?? '',
    parameters: declaration.parameters ?? [],
    allowPreconfig: declaration.allowPreconfig ?? false,
    // The interpreter has read the arguments as `parameters` say.
    run: declaration.run as unknown as HmpCommand['run'],
    ...(complete === undefined ? {} : { complete }),
  };
}

/** Whether `word` is one of the command's names. */
export function answersTo({ name }: HmpCommand, word: string): boolean {
  return name.split('|').includes(word);
}

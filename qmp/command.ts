import type { MaybePromise } from '../src/qom/property.js';
import { empty, type Infer, type ObjectType, type QapiType } from '../src/qom/qapi.js';
import type { JsonObject, JsonValue } from '../src/system/json.js';
import type { MonitorContext } from './context.js';

export type CommandFeature = 'deprecated' | 'unstable' | (string & {});

/**
 * A QMP command, declared once: the dispatcher, argument checking, query-qmp-schema, query-commands and the typed client
 * derive from it. `Args` and `Result` are the TypeScript types of `args` and `returns`.
 */
export interface Command<Name extends string = string, Args = unknown, Result = unknown> {
  readonly name: Name;
  /** One sentence for docs/qmp-reference.md. */
  readonly doc: string;
  readonly args: ObjectType<Args>;
  readonly returns: QapiType<Result>;
  readonly features: readonly CommandFeature[];
  /** `exec-oob` may run it. */
  readonly allowOob: boolean;
  /** It may run before the machine is built. */
  readonly allowPreconfig: boolean;
  /** The handler gets the arguments unchecked: members beyond `args` mean something to it (QAPI 'gen': false). */
  readonly rawArgs: boolean;
  /** Runs with checked arguments; undefined stands for the empty result. */
  readonly run: (ctx: MonitorContext, args: JsonObject) => MaybePromise<JsonValue | undefined>;
}

interface Declaration<Name extends string, Args extends ObjectType, Returns extends QapiType> {
  readonly name: Name;
  readonly doc: string;
  readonly args?: Args;
  readonly returns?: Returns;
  readonly features?: readonly CommandFeature[];
  readonly allowOob?: boolean;
  readonly allowPreconfig?: boolean;
  readonly rawArgs?: boolean;
  /** @throws QemuError, which becomes the error reply */
  readonly handler: (
    ctx: MonitorContext,
    args: Infer<Args>,
  ) => MaybePromise<QapiType extends Returns ? void : Infer<Returns>>;
}

/** Declares a command; without `args` it takes none, without `returns` its result is empty. */
export function defineCommand<
  const Name extends string,
  Args extends ObjectType = typeof empty,
  Returns extends QapiType = QapiType,
>(
  declaration: Declaration<Name, Args, Returns>,
): Command<Name, Infer<Args>, QapiType extends Returns ? Infer<typeof empty> : Infer<Returns>> {
  return {
    name: declaration.name,
    doc: declaration.doc,
    args: (declaration.args ?? empty) as ObjectType<Infer<Args>>,
    returns: (declaration.returns ?? empty) as QapiType<never>,
    features: declaration.features ?? [],
    allowOob: declaration.allowOob ?? false,
    allowPreconfig: declaration.allowPreconfig ?? false,
    rawArgs: declaration.rawArgs ?? false,
    // The dispatcher has checked the arguments against `args`; the result is JSON by its declared type.
    run: declaration.handler as unknown as Command['run'],
  };
}

import type { JsonObject } from '../../src/system/json.js';
import type { Command } from '../command.js';
import type { DeclaredCommand } from '../command-map.js';
import type { EventDeclaration } from '../events.js';
import type { QmpEvent } from './session.js';

type DeclaredEvent = typeof import('../events.js')['events'][number];

/** Members beyond those declared belong to the device or object that is made. */
type OpenCommand = 'device_add' | 'object-add' | 'netdev_add';
type ArgumentsOf<Name, Args> = Name extends OpenCommand
  ? Args & JsonObject
  : [keyof Args] extends [never]
    ? Readonly<Record<string, never>>
    : Args;

/** Arguments and results of the declared commands by name. */
export type QmpCommands = {
  [C in DeclaredCommand as C['name']]: C extends Command<infer Name, infer Args, infer Result>
    ? { readonly args: ArgumentsOf<Name, Args>; readonly result: Result }
    : never;
};

export type CommandName = keyof QmpCommands;
export type CommandArgs<Name extends CommandName> = QmpCommands[Name]['args'];
export type CommandResult<Name extends CommandName> = QmpCommands[Name]['result'];

/** Data of the declared events by name. */
export type QmpEvents = {
  [E in DeclaredEvent as E['name']]: E extends EventDeclaration<string, infer Data> ? Data : never;
};

export type EventName = keyof QmpEvents;

/** The event called `Name`, its data typed where the name is a declared one. */
export type EventNamed<Name extends string> = Name extends EventName
  ? Omit<QmpEvent, 'event' | 'data'> & { readonly event: Name } & (Record<never, never> extends QmpEvents[Name]
        ? { readonly data?: QmpEvents[Name] }
        : { readonly data: QmpEvents[Name] })
  : QmpEvent & { readonly event: Name };

/** A name that no declaration types: one QEMU has and we have not, or one that is known only at run time. */
export type Undeclared<Name extends string> = Name extends CommandName ? never : Name;

import type { JsonObject } from '../src/system/json.js';
import type { Command } from './command.js';

/** All commands as types, from their declarations; nothing of this exists at run time. */
type Area<M extends { readonly commands: readonly Command[] }> = M['commands'][number];

export type DeclaredCommand =
  | Area<typeof import('./commands/qom.js')>
  | Area<typeof import('./commands/devices.js')>
  | Area<typeof import('./commands/objects.js')>
  | Area<typeof import('./commands/run-state.js')>
  | Area<typeof import('./commands/machine.js')>
  | Area<typeof import('./commands/cpu-models.js')>
  | Area<typeof import('./commands/introspection.js')>
  | Area<typeof import('./commands/descriptors.js')>
  | Area<typeof import('./commands/trace.js')>
  | Area<typeof import('./commands/memory.js')>
  | Area<typeof import('./commands/migration.js')>
  | Area<typeof import('./commands/block.js')>
  | Area<typeof import('./commands/net.js')>
  | Area<typeof import('./commands/display.js')>
  | Area<typeof import('./commands/absent-devices.js')>
  | Area<typeof import('./commands/confidential.js')>
  | Area<typeof import('./commands/stats.js')>
  | Area<typeof import('./commands/human-text.js')>
  | Area<typeof import('./commands/chardev.js')>
  | Area<typeof import('./commands/human-monitor.js')>
  | Area<typeof import('./commands/nitro.js')>
  | Area<typeof import('./commands/virtio.js')>;

export type CommandName = DeclaredCommand['name'];

/** Commands that take members beyond the declared ones. */
type OpenCommand = 'device_add' | 'object-add';

/** Arguments of the command named `N`. */
export type CommandArgs<N extends CommandName> =
  Extract<DeclaredCommand, { name: N }> extends Command<string, infer Args, infer _>
    ? N extends OpenCommand
      ? Args & JsonObject
      : Args
    : never;

/** Result of the command named `N`. */
export type CommandResult<N extends CommandName> =
  Extract<DeclaredCommand, { name: N }> extends Command<string, infer _, infer Result> ? Result : never;

/** Sends a command; arguments may be left out where all are optional. */
export type CallCommand = <N extends CommandName>(
  name: N,
  ...args: Record<never, never> extends CommandArgs<N> ? [args?: CommandArgs<N>] : [args: CommandArgs<N>]
) => Promise<CommandResult<N>>;

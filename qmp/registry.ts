import type { Command } from './command.js';

/** A group of commands whose code is loaded when one of them is first used. */
interface Area {
  readonly load: () => Promise<{ readonly commands: readonly Command[] }>;
  readonly names: string;
}

const areas: readonly Area[] = [
  {
    load: () => import('./commands/qom.js'),
    names: 'qom-list qom-get qom-set qom-list-get qom-list-types qom-list-properties device-list-properties',
  },
  { load: () => import('./commands/devices.js'), names: 'device_add device_del' },
  {
    load: () => import('./commands/run-state.js'),
    names: `query-status stop cont quit system_reset system_powerdown system_wakeup inject-nmi set-action
      watchdog-set-action x-exit-preconfig query-current-machine`,
  },
];

const areaOf = new Map<string, Area>(
  areas.flatMap((area) => area.names.split(/\s+/).map((name): [string, Area] => [name, area])),
);
const loaded = new Map<string, Command>();

/** Commands that `exec-oob` may run; known before their code is loaded. */
export const outOfBandCommands: ReadonlySet<string> = new Set<string>([]);

/** Names of all commands. qmp_capabilities is the session's own and in none of the areas. */
export function commandNames(): string[] {
  return [...areaOf.keys()];
}

export function hasCommand(name: string): boolean {
  return areaOf.has(name);
}

/** The command if its code is here already. */
export function loadedCommand(name: string): Command | undefined {
  return loaded.get(name);
}

async function loadArea(area: Area): Promise<void> {
  for (const command of (await area.load()).commands) loaded.set(command.name, command);
}

/** Loads the code of a known command. */
export async function loadCommand(name: string): Promise<Command> {
  const area = areaOf.get(name);
  if (area !== undefined) await loadArea(area);
  const command = loaded.get(name);
  if (command === undefined) throw new Error(`command ${name} is in the index but not declared`);
  return command;
}

/** All commands, in the order of the index. */
export async function allCommands(): Promise<Command[]> {
  await Promise.all(areas.map(loadArea));
  return Promise.all(commandNames().map((name) => loadedCommand(name) ?? loadCommand(name)));
}

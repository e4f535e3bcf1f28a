import { empty, enumeration, int, list, optional, str, struct } from '../../src/qom/qapi.js';
import { objectOptions } from '../../src/qom/user-creatable.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject } from '../../src/system/json.js';
import type { System } from '../../src/system/system.js';
import { defineCommand } from '../command.js';
import type { MonitorContext } from '../context.js';
import { events } from '../events.js';
import { keepText } from '../json/writer.js';
import { allCommands, commandNames } from '../registry.js';
import { generateSchema, SchemaInfo } from '../schema.js';
import { capabilitiesArguments } from '../session/capabilities.js';
import { versionInfo } from '../version.js';

const VersionTriple = struct('VersionTriple', { major: int, minor: int, micro: int });
const VersionInfo = struct('VersionInfo', { qemu: VersionTriple, package: str });
const CommandInfo = struct('CommandInfo', { name: str });
const EventInfo = struct('EventInfo', { name: str });

const CommandLineParameterType = enumeration('CommandLineParameterType', ['string', 'boolean', 'number', 'size']);
const CommandLineParameterInfo = struct('CommandLineParameterInfo', {
  name: str,
  type: CommandLineParameterType,
  help: optional(str),
  default: optional(str),
});
const CommandLineOptionInfo = struct('CommandLineOptionInfo', {
  option: str,
  parameters: list(CommandLineParameterInfo),
});

/** Served by the session itself; declared here for the listings. */
const qmpCapabilities = {
  name: 'qmp_capabilities',
  args: capabilitiesArguments,
  returns: empty,
  features: [],
  allowOob: false,
};

const schemas = new WeakMap<System, Promise<JsonObject[]>>();

/** Declarations never change while the process runs, so one schema serves all. */
function wholeSchema({ system }: MonitorContext): Promise<JsonObject[]> {
  const known = schemas.get(system);
  if (known !== undefined) return known;
  const schema = buildSchema(system);
  schemas.set(system, schema);
  return schema;
}

async function buildSchema(system: System): Promise<JsonObject[]> {
  await system.needTypes();
  // Each user-creatable type is a branch of object-add's argument.
  const typed = (await allCommands()).map((command) =>
    command.name === 'object-add' ? { ...command, args: objectOptions(system.types) } : command,
  );
  return keepText(generateSchema([qmpCapabilities, ...typed], events));
}

export const commands = [
  defineCommand({
    name: 'query-version',
    doc: 'Tells the version of QEMU that is spoken, and in `package` that of this program.',
    returns: VersionInfo,
    allowPreconfig: true,
    handler: ({ system }) => versionInfo(system.settings.version),
  }),

  defineCommand({
    name: 'query-commands',
    doc: 'Lists the names of all commands.',
    returns: list(CommandInfo),
    allowPreconfig: true,
    handler: () => [qmpCapabilities.name, ...commandNames()].map((name) => ({ name })),
  }),

  defineCommand({
    name: 'query-events',
    doc: 'Lists the names of all events.',
    returns: list(EventInfo),
    allowPreconfig: true,
    handler: () => events.map(({ name }) => ({ name })),
  }),

  defineCommand({
    name: 'query-qmp-schema',
    doc: "Describes all commands, events and types in QEMU's introspection format.",
    returns: list(SchemaInfo),
    allowPreconfig: true,
    handler: wholeSchema,
  }),

  defineCommand({
    name: 'query-command-line-options',
    doc: 'Describes command line options and their parameters.',
    args: struct('query-command-line-options', { option: optional(str) }),
    returns: list(CommandLineOptionInfo),
    allowPreconfig: true,
    handler: async ({ host }, { option }) => {
      const all = await host.commandLineOptions();
      const chosen = option === undefined ? all : all.filter((group) => group.option === option);
      if (chosen.length === 0 && option !== undefined) throw new QemuError(`invalid option name: ${option}`);
      return [...chosen];
    },
  }),
];

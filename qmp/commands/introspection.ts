import { enumeration, int, list, optional, str, struct, bool, any } from '../../src/qom/qapi.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject } from '../../src/system/json.js';
import { defineCommand } from '../command.js';
import { events } from '../events.js';
import { allCommands, commandNames } from '../registry.js';
import { generateSchema, SchemaInfo } from '../schema.js';
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
const CommandLineOptionInfo = struct('CommandLineOptionInfo', { option: str, parameters: list(CommandLineParameterInfo) });

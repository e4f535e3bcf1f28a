// docs/qmp-reference.md from the declarations (compiled, in dist). `--write` puts it in its place, otherwise it is printed.
import { writeFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { events } from '../dist/qmp/events.js';
import { infoCommands, mainCommands } from '../dist/qmp/hmp/commands/index.js';
import { allCommands } from '../dist/qmp/registry.js';
import { capabilitiesArguments } from '../dist/qmp/session/capabilities.js';
import { empty } from '../dist/src/qom/qapi.js';
import { objectOptions } from '../dist/src/qom/user-creatable.js';
import { createTestMonitor } from '../dist/test/support/monitor.js';

const byName = (a, b) => (a.name < b.name ? -1 : 1);
const code = (text) => `\`${text}\``;
// A bar would end the cell of a table.
const cell = (text) => text.replaceAll('|', '\\|');

/** Named types that were mentioned, by name. */
const mentioned = new Map();

function typeLink(type) {
  if (type.meta === 'builtin') return type.name;
  if (type.meta === 'array') return `list of ${typeLink(type.element)}`;
  const known = mentioned.get(type.name);
  if (known !== undefined && !isDeepStrictEqual(known, type)) throw new Error(`two types are named ${type.name}`);
  mentioned.set(type.name, type);
  return `[${type.name}](#${type.name.toLowerCase()})`;
}

/** A row for each member; those of a variant tell when they are there. */
function memberRows(object, conditions = []) {
  const rows = Object.entries(object.members).map(([name, { type, optional, features = [] }]) => {
    const notes = [...(optional ? ['optional'] : []), ...features, ...conditions];
    return `| ${code(name)} | ${typeLink(type)} | ${notes.join(', ')} |`;
  });
  for (const [value, variant] of Object.entries(object.variants ?? {})) {
    rows.push(...memberRows(variant, [...conditions, `when ${code(object.tag)} is ${code(value)}`]));
  }
  return rows;
}

function memberTable(object, title) {
  const rows = memberRows(object);
  return rows.length === 0 ? [] : [`| ${title} | type | |`, '| --- | --- | --- |', ...rows, ''];
}

function commandSection({ name, doc, args, returns, features, allowOob, allowPreconfig }) {
  const nothing = returns.meta === 'object' && Object.keys(returns.members).length === 0;
  const traits = [
    ...(nothing ? [] : [`Returns ${typeLink(returns)}.`]),
    ...(allowOob ? ['May run out of band.'] : []),
    ...(allowPreconfig ? ['May run before the machine is built.'] : []),
    ...(features.length > 0 ? [`Features: ${features.map(code).join(', ')}.`] : []),
  ];
  return [
    `### ${name}`,
    '',
    doc,
    '',
    ...memberTable(args, 'argument'),
    ...(traits.length > 0 ? [traits.join(' '), ''] : []),
  ];
}

function eventSection({ name, doc, data, rateLimitMs }) {
  const limit = rateLimitMs === undefined ? [] : [`At most one in ${rateLimitMs} ms; the last one comes late.`, ''];
  return [`### ${name}`, '', doc, '', ...memberTable(data, 'data'), ...limit];
}

function typeSection(type) {
  const heading = [`### ${type.name}`, ''];
  if (type.meta === 'alternate') return [...heading, `One of: ${type.types.map(typeLink).join(', ')}.`, ''];
  if (type.meta === 'object') {
    const table = memberTable(type, 'member');
    return [...heading, ...(table.length > 0 ? table : ['No members.', ''])];
  }
  const values = type.values.map((value) => [code(value), ...(type.features?.[value] ?? [])].join(' '));
  return [...heading, values.length > 0 ? `One of: ${values.join(', ')}.` : 'No value is possible here.', ''];
}

/** Sections of all types that are mentioned, also those that only other types mention. */
function typeSections() {
  const sections = new Map();
  while (sections.size < mentioned.size) {
    for (const [name, type] of mentioned) if (!sections.has(name)) sections.set(name, typeSection(type));
  }
  return [...sections].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, section]) => section);
}

function hmpTable(commands, prefix) {
  const rows = [...commands].sort(byName).map(({ name, usage, help, allowPreconfig }) => {
    const early = allowPreconfig ? 'yes' : '';
    // As in QEMU, the usage of some begins with their name.
    const call = usage.startsWith(`${name} `) ? usage : `${name} ${usage}`.trimEnd();
    return `| ${code(cell(prefix + call))} | ${cell(help)} | ${early} |`;
  });
  return ['| command | | before the machine is built |', '| --- | --- | --- |', ...rows, ''];
}

const { system } = await createTestMonitor();
await system.needTypes();
const negotiation = {
  name: 'qmp_capabilities',
  doc: 'Ends the negotiation that every session begins with, and enables capabilities.',
  args: capabilitiesArguments,
  returns: empty,
  features: [],
  allowOob: false,
  allowPreconfig: true,
};
const commands = [negotiation, ...(await allCommands())]
  .map((command) => (command.name === 'object-add' ? { ...command, args: objectOptions(system.types) } : command))
  .sort(byName);

const page = [
  '# QMP and HMP reference',
  '',
  'Made from the declarations by `npm run docs`; do not edit. How bytes go over the wire is in [qmp-protocol.md](qmp-protocol.md);',
  "where answers differ from QEMU's, and [which of its commands are not offered](differences-from-qemu-qmp.md#commands-that-are-not-offered),",
  "in [differences-from-qemu-qmp.md](differences-from-qemu-qmp.md). Names and types are QEMU's; `x-` marks what may change.",
  '',
  'Sections: [commands](#commands), [events](#events), [types](#types), [human monitor](#human-monitor).',
  '',
  '## Commands',
  '',
  `${commands.map(({ name }) => `[${name}](#${name})`).join(', ')}.`,
  '',
  ...commands.flatMap(commandSection),
  '## Events',
  '',
  ...[...events].sort(byName).flatMap(eventSection),
  '## Types',
  '',
  'Numbers of all sizes (`int8` to `uint64`, `size`) are integers in JSON; `any` is any JSON value.',
  '',
  ...typeSections(),
  '## Human monitor',
  '',
  'Also behind the QMP command [human-monitor-command](#human-monitor-command).',
  '',
  ...hmpTable(mainCommands, ''),
  ...hmpTable(infoCommands, 'info '),
]
  .join('\n')
  .trimEnd();

if (process.argv.includes('--write')) {
  writeFileSync(new URL('../docs/qmp-reference.md', import.meta.url), `${page}\n`);
} else {
  console.log(page);
}

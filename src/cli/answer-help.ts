import { deviceData } from '../qdev/device.js';
import { propertiesHelp } from '../qom/properties-help.js';
import type { ObjectClass } from '../qom/types.js';
import type { UserObjects } from '../qom/user-creatable.js';
import type { AcceleratorClassData } from '../system/accelerator.js';
import { cpuModels } from '../system/cpu.js';
import { QemuError } from '../system/errors.js';
import { machineData } from '../system/machine.js';
import type { Location } from '../system/report.js';
import type { System } from '../system/system.js';
import type { HelpRequest } from './config.js';
import { helpText, versionLine } from './help.js';
import { LocatedError } from './located-error.js';

/** Log items of -d that QEMU users know; ours are traces. */
const logItems = [['trace:PATTERN', 'switch on the trace points that match']] as const;

/** A text for standard output, and the exit status. */
export interface Answer {
  readonly text: string;
  readonly status: number;
}

/**
 * What `help` among the options, -h and --version print.
 *
 * @throws LocatedError for an unknown type; QEMU's status then is 0 for devices, 1 for objects
 */
export async function answerHelp(system: System, objects: UserObjects, request: HelpRequest): Promise<Answer> {
  const { program, version, arch } = system.settings;
  const ok = (text: string): Answer => ({ text, status: 0 });
  switch (request.kind) {
    case 'text':
      return request;
    case 'usage':
      return ok(helpText(program, version));
    case 'version':
      return ok(`${versionLine(version)}\n`);
    case 'cpu':
      return ok(
        `Available CPUs:\n${cpuModels(arch)
          .map((model) => `  ${model}\n`)
          .join('')}`,
      );
    case 'chardev':
      await system.needTypes('chardev');
      return ok(`Available chardev backend types: \n${list(chardevNames(system))}`);
    case 'netdev':
      return ok('Available netdev backend types:\n');
    case 'display':
      return ok('Available display backend types:\nnone\n');
    case 'log-items':
      return {
        text: `Log items (comma separated):\n${logItems.map(([n, h]) => `${n.padEnd(15)} ${h}\n`).join('')}`,
        status: 1,
      };
    case 'trace':
      await system.needTypes();
      return ok(
        system.trace
          .names()
          .map((name) => `${name}\n`)
          .join(''),
      );
    case 'machine':
      return ok(await machineHelp(system, request.name));
    case 'accel':
      return ok(await acceleratorHelp(system, request.name));
    case 'device':
      await system.needTypes();
      return ok(request.name === '' ? deviceList(system) : deviceHelp(system, request.name, request.location));
    case 'object':
      return ok(
        request.name === ''
          ? await objects.help()
          : await objects.typeHelp(request.name).catch((error: unknown) => {
              throw error instanceof QemuError ? new LocatedError(error, request.location) : error;
            }),
      );
  }
}

function list(names: readonly string[]): string {
  return names.map((name) => `  ${name}\n`).join('');
}

function chardevNames(system: System): string[] {
  return system.types
    .list('chardev')
    .map((type) => type.name.replace(/^chardev-/, ''))
    .sort();
}

async function machineHelp(system: System, name: string): Promise<string> {
  await system.modules.loadAll();
  const type = name === '' ? undefined : system.types.get(`${name}-machine`);
  if (type !== undefined) return `${propertiesHelp(type, (p) => p.set !== undefined)}\n`;
  const rows = system.types
    .list('machine')
    .map((machine) => `${machine.name.replace(/-machine$/, '').padEnd(20)} ${machineData(machine).desc}\n`);
  return `Supported machines are:\n${rows.sort().join('')}`;
}

async function acceleratorHelp(system: System, name: string): Promise<string> {
  await system.modules.loadAll();
  const type = name === '' ? undefined : system.types.get(`${name}-accel`);
  if (type !== undefined) return propertiesHelp(type, (p) => p.set !== undefined);
  const names = system.types
    .list('accel')
    .filter(({ data }) => (data as unknown as AcceleratorClassData).listed)
    .map((accel) => accel.name.replace(/-accel$/, ''));
  return `Accelerators supported in QEMU binary:\n${names.map((n) => `${n}\n`).join('')}`;
}

function deviceList(system: System): string {
  const byCategory = new Map<string, ObjectClass[]>();
  for (const type of system.types.list('device')) {
    const { userCreatable = true, category = 'Uncategorized' } = deviceData(type);
    if (!userCreatable) continue;
    byCategory.set(category, [...(byCategory.get(category) ?? []), type]);
  }
  return [...byCategory]
    .map(([category, types]) => {
      const lines = types.map((type) => {
        const { bus, desc } = deviceData(type);
        return `name "${type.name}"${bus === undefined ? '' : `, bus ${bus}`}${desc === undefined ? '' : `, desc "${desc}"`}\n`;
      });
      return `${category} devices:\n${lines.sort().join('')}`;
    })
    .join('\n');
}

function deviceHelp(system: System, name: string, location: Location): string {
  const type = system.types.get(name);
  const refuse = (text: string): never => {
    throw new LocatedError(new QemuError(text), location);
  };
  if (type === undefined) return refuse(`Device '${name}' not found`);
  if (!type.isA('device') || type.abstract) return refuse("Parameter 'typename' expects a non-abstract device type");
  const inherited = new Set(system.types.get('device')?.properties.keys());
  return propertiesHelp(type, (p) => ![...type.properties].some(([n, q]) => q === p && inherited.has(n)));
}

import { Device } from '../qdev/device.js';
import type { ObjectClass, TypeRegistry } from '../qom/types.js';
import {
  armCpuFeatures,
  armCpuModels,
  x86CpuFeatures,
  x86CpuModels,
  x86CpuNumbers,
  x86CpuTexts,
} from './cpu-models.js';
import { QemuError } from './errors.js';
import { parseBool, parseInteger } from './numbers.js';
import type { System, TargetArch } from './system.js';

/** A vCPU as the object tree shows it; what runs it belongs to the accelerator. */
export class Cpu extends Device {}

/** The -cpu option, checked. */
export interface CpuModel {
  readonly name: string;
  readonly typeName: string;
  /** Feature switches and values in the order given, `+x` and `-x` as on and off. */
  readonly properties: readonly (readonly [name: string, value: string])[];
}

/** Type name of a model: `host-x86_64-cpu`, `host-arm-cpu`. */
export function cpuTypeName(arch: TargetArch, model: string): string {
  return `${model}-${arch === 'x86_64' ? 'x86_64' : 'arm'}-cpu`;
}

export function cpuModels(arch: TargetArch): readonly string[] {
  return arch === 'x86_64' ? x86CpuModels : armCpuModels;
}

function checkProperty(arch: TargetArch, name: string, value: string): string | undefined {
  const features = arch === 'x86_64' ? x86CpuFeatures : armCpuFeatures;
  if (features.includes(name)) {
    return parseBool(value) === undefined ? `Parameter '${name}' expects 'on' or 'off'` : undefined;
  }
  if (arch === 'x86_64' && x86CpuNumbers.includes(name)) {
    return parseInteger(value) === undefined && value === '' ? `Parameter '${name}' expects a number` : undefined;
  }
  if (arch !== 'x86_64' || !x86CpuTexts.includes(name)) return 'not found';
  const badVendor = name === 'vendor' && value.length !== 12;
  return badVendor ? `Property '.vendor' doesn't take value '${value}'` : undefined;
}

/**
 * Reads `-cpu MODEL[,+feature][,-feature][,feature=value]...`.
 *
 * @throws QemuError: `unable to find CPU model 'X'`, or an unknown or malformed feature
 */
export function parseCpuModel(arch: TargetArch, text: string): CpuModel {
  const [name = '', ...words] = text.split(',');
  if (!cpuModels(arch).includes(name)) throw new QemuError(`unable to find CPU model '${name}'`);
  const typeName = cpuTypeName(arch, name);
  const properties = words
    .filter((word) => word !== '')
    .map((word): [string, string] => {
      if (word.startsWith('+')) return [word.slice(1), 'on'];
      if (word.startsWith('-')) return [word.slice(1), 'off'];
      const eq = word.indexOf('=');
      return eq < 0 ? [word, 'on'] : [word.slice(0, eq), word.slice(eq + 1)];
    });
  for (const [property, value] of properties) {
    const normal = property.replaceAll('_', '-');
    const problem = [property, normal].map((p) => checkProperty(arch, p, value)).find((p) => p !== 'not found');
    if (problem === undefined && [property, normal].some((p) => checkProperty(arch, p, value) === undefined)) continue;
    const sentence = problem ?? `Property '${typeName}.${property}' not found`;
    throw new QemuError(`can't apply global ${typeName}.${property}=${value}: ${sentence}`);
  }
  return { name, typeName, properties };
}

/** The CPU types of the target architecture: abstract `cpu` and `ARCH-cpu`, and one type a model. */
export function defineCpuTypes(system: System): void {
  const { types, settings } = system;
  const parent = settings.arch === 'x86_64' ? 'x86_64-cpu' : 'arm-cpu';
  types.define({
    name: 'cpu',
    parent: 'device',
    abstract: true,
    data: { category: 'CPU', userCreatable: false, hotpluggable: false },
  });
  types.define({ name: parent, parent: 'cpu', abstract: true });
  const create = (type: ObjectClass): Cpu => new Cpu(type);
  for (const model of cpuModels(settings.arch)) {
    types.define({ name: cpuTypeName(settings.arch, model), parent, create });
  }
}

/** Makes a CPU object of a model; the caller adds it to the tree. */
export function createCpu(types: TypeRegistry, typeName: string): Cpu {
  const cpu = types.get(typeName)?.create();
  if (!(cpu instanceof Cpu)) throw new Error(`type ${typeName} is not defined`);
  return cpu;
}

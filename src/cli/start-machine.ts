import type { ObjectClass } from '../qom/types.js';
import type { Accelerator, AcceleratorClassData } from '../system/accelerator.js';
import { asError, QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import { Machine } from '../system/machine.js';
import type { Location } from '../system/report.js';
import type { System } from '../system/system.js';
import type { AccelOption } from './config.js';
import { type DefaultAccelerators, defaultAccelerators } from './default-accelerator.js';

/** An error that has been reported already; the process ends with status 1. */
export class Reported extends Error {
  constructor(cause?: Error) {
    super(cause?.message, { cause });
  }
}

/** Makes the machine named by `type` and puts it into the tree. @throws QemuError */
export async function createMachine(system: System, type: string | undefined): Promise<Machine> {
  const hint = 'Use -machine help to list supported machines';
  if (type === undefined) throw new QemuError('No machine specified, and there is no default', { hint });
  const known = await system.modules.load('machine', type);
  const machineType = known ? system.types.get(`${type}-machine`) : undefined;
  if (machineType === undefined) throw new QemuError(`unsupported machine type: "${type}"`, { hint });
  const machine = machineType.create();
  if (!(machine instanceof Machine)) throw new Error(`${machineType.name} is not a machine`);
  system.setMachine(machine);
  return machine;
}

/** Sets the properties of -machine in their order. @throws QemuError */
export async function configureMachine(machine: Machine, properties: JsonObject): Promise<void> {
  for (const [name, value] of Object.entries(properties)) await machine.set(name, value, 'keyval');
}

interface Candidate {
  readonly option: AccelOption;
  readonly type: ObjectClass;
  readonly runs: boolean;
}

/**
 * Brings up the first accelerator of the list that the machine can use and the host has. QEMU takes the first that
 * starts; on a machine that executes code we pass over those that cannot run it, so that `-accel kvm -accel nitro` works.
 *
 * @throws Reported after each failed attempt has been reported
 */
export async function startAccelerator(
  system: System,
  machine: Machine,
  options: readonly AccelOption[],
): Promise<Accelerator> {
  const { report } = system;
  const candidates: Candidate[] = [];
  let failed = false;
  const choice: DefaultAccelerators =
    options.length > 0 ? { options, named: false } : await defaultAccelerators(system, machine);
  if (choice.note !== undefined) report.info(choice.note);
  for (const option of choice.options) {
    const type = await acceleratorType(system, option);
    if (type === undefined) {
      failed = true;
      continue;
    }
    const { runs } = type.data as unknown as AcceleratorClassData;
    candidates.push({ option, type, runs: machine.data.executes === false || runs(machine) });
  }
  const usable = candidates.some((candidate) => candidate.runs) ? candidates.filter((c) => c.runs) : candidates;
  for (const { option, type } of usable) {
    const accel = await tryAccelerator(system, machine, type, option);
    if (accel === undefined) {
      failed = true;
      continue;
    }
    if (failed) report.error(new QemuError(`falling back to ${option.name}`));
    else if (choice.named) report.info(`using accelerator ${option.name}`);
    return accel;
  }
  throw new Reported();
}

/** Loads an accelerator's module; what is wrong with it is reported. @returns undefined then */
async function acceleratorType(system: System, { name, location }: AccelOption): Promise<ObjectClass | undefined> {
  try {
    const known = await system.modules.load('accel', name);
    const type = known ? system.types.get(`${name}-accel`) : undefined;
    if (type === undefined) throw new QemuError(`invalid accelerator ${name}`);
    return type;
  } catch (error) {
    system.report.error(asError(error), location);
    return undefined;
  }
}

async function tryAccelerator(
  system: System,
  machine: Machine,
  type: ObjectClass,
  option: AccelOption,
): Promise<Accelerator | undefined> {
  const accel = type.create() as unknown as Accelerator;
  const at: Location = option.location;
  try {
    for (const [name, value] of option.properties) await accel.set(name, value, 'keyval');
    await system.globals.apply(accel);
  } catch (error) {
    system.report.error(error, at);
    throw new Reported();
  }
  try {
    await accel.initMachine(machine);
  } catch (error) {
    const cause = asError(error);
    if (!(cause instanceof QemuError)) throw error;
    await accel.shutdown();
    system.report.error(cause, at);
    const reason = cause.message.split(': ').at(-1);
    system.report.error(new QemuError(`failed to initialize ${option.name}: ${reason}`), at);
    return undefined;
  }
  machine.addChild('accel', accel);
  system.accel = accel;
  system.onExit(() => accel.shutdown());
  return accel;
}

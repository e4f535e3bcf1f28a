import { resolvePath } from '../qom/path.js';
import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import type { Machine } from '../system/machine.js';
import type { System } from '../system/system.js';
import { HostMemoryBackend } from './backend.js';

/** The backend a machine makes itself. */
export interface DefaultBackend {
  /** `memory-backend-*`. */
  readonly type: string;
  /** Besides its size. */
  readonly properties: JsonObject;
}

/** Puts the backend's region into the machine's memory. */
export type PlaceRam = (system: System, backend: HostMemoryBackend) => void;

const atZero: PlaceRam = (system, { region }) => system.systemMemory.add(0n, region);

/**
 * Guest RAM: the backend named with `-machine memory-backend=ID`, else one of the machine's own choice at
 * `/objects/RAM-ID`.
 *
 * @param place by default at guest address 0
 * @throws QemuError: no such backend, in use, a size other than -m's, or whatever allocation failed of
 */
export async function machineRam(
  system: System,
  machine: Machine,
  fallback: DefaultBackend,
  place = atZero,
): Promise<HostMemoryBackend> {
  await system.needTypes('hostmem');
  const id = machine.memoryBackendId;
  const backend = id === '' ? await makeBackend(system, machine, fallback) : userBackend(system, machine, id);
  mapMachineRam(system, backend, place);
  machine.memoryBackend = backend;
  return backend;
}

/** Maps the backend's region into the machine's memory. @throws QemuError when it is mapped already */
export function mapMachineRam(system: System, backend: HostMemoryBackend, place = atZero): void {
  if (backend.mapped) throw new QemuError(`memory backend ${backend.name} can't be used multiple times.`);
  place(system, backend);
  backend.mapped = true;
}

function userBackend(system: System, machine: Machine, id: string): HostMemoryBackend {
  const { object } = resolvePath(system.tree.root, id, 'memory-backend');
  if (!(object instanceof HostMemoryBackend)) throw new QemuError(`Memory backend '${id}' not found`);
  machine.ramSize ??= object.size;
  if (machine.ramSize !== object.size) {
    throw new QemuError('Machine memory size does not match the size of the memory backend', {
      hint: `-m asks for ${machine.ramSize} bytes, '${object.name}' has ${object.size}; without -m its size is used.`,
    });
  }
  if (object.rom) {
    throw new QemuError(`memory backend '${object.name}' is read-only`, {
      hint: 'Guest RAM is written to: use readonly=off, or share=off,rom=off for a copy of the file.',
    });
  }
  return object;
}

async function makeBackend(
  system: System,
  machine: Machine,
  { type, properties }: DefaultBackend,
): Promise<HostMemoryBackend> {
  const { objects } = system.tree;
  const id = machine.data.defaultRamId;
  if (objects.findProperty(id) !== undefined) {
    throw new QemuError(
      `object's id '${id}' is reserved for the default RAM backend, it can't be used for any other purposes`,
      {
        hint:
          "Change the object's 'id' to something else or disable automatic creation of the default RAM backend by " +
          `setting 'memory-backend=${id}' with '-machine'.`,
      },
    );
  }
  const backend = system.types.get(type)?.create();
  if (!(backend instanceof HostMemoryBackend)) throw new Error(`${type} is not a memory backend`);
  for (const [name, value] of Object.entries(properties)) await backend.set(name, value);
  backend.setSize(machine.effectiveRamSize);
  objects.addChild(id, backend);
  try {
    await backend.allocate();
  } catch (error) {
    backend.unparent();
    throw error;
  }
  return backend;
}

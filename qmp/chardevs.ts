import type { Chardev } from '../src/chardev/chardev.js';
import {
  type AddOptions,
  addChardev,
  createChardev,
  discardChardev,
  findChardev,
  removeChardev,
} from '../src/chardev/create.js';
import { QemuError } from '../src/system/errors.js';
import { fdSetsOf } from '../src/system/fd-sets.js';
import type { JsonObject } from '../src/system/json.js';
import type { MonitorContext } from './context.js';

/** How a monitor's client names descriptors. */
function descriptors({ client, system }: MonitorContext): AddOptions {
  return {
    takeDescriptor: (name) => client.takeNamedDescriptor(name),
    openFdset: (set, flags) => fdSetsOf(system).open(set, flags),
  };
}

/**
 * chardev-add.
 *
 * @param backend a ChardevBackend: `{ type, data }`
 * @throws QemuError with QEMU's sentence
 */
export async function addMonitorChardev(ctx: MonitorContext, id: string, backend: JsonObject): Promise<Chardev> {
  if (findChardev(ctx.system, id) !== undefined) throw new QemuError(`Chardev with id '${id}' already exists`);
  try {
    return await addChardev(ctx.system, id, backend, descriptors(ctx));
  } catch (error) {
    throw error instanceof QemuError ? error.prefixed(`Failed to add chardev '${id}': `) : error;
  }
}

/** chardev-remove. @throws QemuError when there is no such chardev or something uses it */
export async function removeMonitorChardev({ system }: MonitorContext, id: string): Promise<void> {
  const chardev = findChardev(system, id);
  if (chardev === undefined) throw new QemuError(`Chardev '${id}' not found`);
  if (chardev.busy) throw new QemuError(`Chardev '${id}' is busy`);
  await removeChardev(system, id);
}

/**
 * chardev-change: the front end goes on with a new chardev of the same id (QEMU: chardev/char.c, qmp_chardev_change).
 *
 * @throws QemuError; the old one then stays
 */
export async function changeMonitorChardev(ctx: MonitorContext, id: string, backend: JsonObject): Promise<Chardev> {
  const { system } = ctx;
  const old = findChardev(system, id);
  if (old === undefined) throw new QemuError(`Chardev '${id}' does not exist`);
  if (old.sharable) throw new QemuError('Mux device hotswap not supported yet');
  const { frontend } = old;
  if (frontend !== undefined && frontend.changed === undefined) {
    throw new QemuError('Chardev user does not support chardev hotswap');
  }
  const next = await createChardev(system, id, backend, descriptors(ctx));
  if (frontend !== undefined) old.detach(frontend);
  old.unparent();
  system.tree.chardevs.addChild(id, next);
  frontend?.changed?.(next);
  await discardChardev(system, old);
  return next;
}

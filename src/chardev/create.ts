import type { ObjectClass } from '../qom/types.js';
import { visit } from '../qom/visitor.js';
import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import type { System } from '../system/system.js';
import { type BackendData, type BackendKind, ChardevBackend } from './backend.js';
import { Chardev } from './chardev.js';
import type { DescriptorNames } from './endpoint.js';
import type { OpenFdset } from './open-file.js';

/** What a backend's constructor gets besides its own options. */
export interface BackendContext {
  readonly type: ObjectClass;
  readonly system: System;
  readonly descriptors: DescriptorNames;
  readonly openFdset: OpenFdset | undefined;
  /** A client that keeps trying to connect does not report its failures. */
  readonly quiet: boolean;
  /** Writes to standard output. */
  readonly print: (text: string) => void;
}

/** What only the caller knows. */
export interface AddOptions {
  /** In a monitor: takes a descriptor that getfd named, for `fd=NAME`. */
  readonly takeDescriptor?: (name: string) => number | undefined;
  readonly openFdset?: OpenFdset;
  readonly quiet?: boolean;
}

type Loaders = { [K in BackendKind]: (data: BackendData[K], context: BackendContext) => Promise<Chardev> };

/** Each backend is a module of its own, loaded when the first chardev of its kind is made. */
const loaders: Loaders = {
  file: async (data, context) => new (await import('./file.js')).FileChardev(data, context),
  serial: async (data, context) => new (await import('./serial.js')).SerialChardev(data, context),
  pipe: async (data, context) => new (await import('./pipe.js')).PipeChardev(data, context),
  socket: async (data, context) => new (await import('./socket.js')).SocketChardev(data, context),
  udp: async (data, context) => new (await import('./udp.js')).UdpChardev(data, context),
  pty: async (data, context) => new (await import('./pty.js')).PtyChardev(data, context),
  null: async (_, { type }) => new (await import('./null.js')).NullChardev(type),
  mux: async (data, context) => new (await import('./mux.js')).MuxChardev(data, context),
  hub: async (data, context) => new (await import('./hub.js')).HubChardev(data, context),
  stdio: async (data, context) => new (await import('./stdio.js')).StdioChardev(data, context),
  vc: async (_, { type }) => new (await import('./null.js')).NullChardev(type),
  ringbuf: async (data, context) => new (await import('./ringbuf.js')).RingbufChardev(data, context),
  memory: async (data, context) => new (await import('./ringbuf.js')).RingbufChardev(data, context),
};

/** Names that -chardev and chardev-add take for `type`. */
export const backendKinds: readonly string[] = Object.keys(loaders);

function isBackendKind(name: string): name is BackendKind {
  return Object.hasOwn(loaders, name);
}

/** @throws QemuError `'NAME' is not a valid char driver name` */
export function checkBackendKind(name: string): asserts name is BackendKind {
  if (!isBackendKind(name)) throw new QemuError(`'${name}' is not a valid char driver name`);
}

/** Every chardev that holds something of the host, per system; closed when the process ends. */
const openChardevs = new WeakMap<System, Set<Chardev>>();

function openSet(system: System): Set<Chardev> {
  let open = openChardevs.get(system);
  if (open === undefined) {
    const made = new Set<Chardev>();
    system.onExit(async () => {
      // Last made first: a multiplexer before its base.
      for (const chardev of [...made].reverse()) await chardev.close();
    });
    openChardevs.set(system, made);
    open = made;
  }
  return open;
}

/**
 * Makes a chardev and opens its host side; it is not in the tree yet.
 *
 * @param backend `{ type, data }`, see ChardevBackend
 * @throws QemuError with QEMU's sentence
 */
export async function createChardev(
  system: System,
  id: string,
  backend: JsonObject,
  options: AddOptions = {},
): Promise<Chardev> {
  const { type: kind, data } = visit(ChardevBackend, backend, 'backend') as unknown as ChardevBackend;
  checkBackendKind(kind);
  await system.needTypes('chardev');
  const type = system.types.get(`chardev-${kind}`);
  if (type === undefined) throw new Error(`type chardev-${kind} is not defined`);
  const { takeDescriptor, openFdset, quiet = false } = options;
  const load = loaders[kind] as (data: unknown, context: BackendContext) => Promise<Chardev>;
  const chardev = await load(data, {
    type,
    system,
    descriptors: takeDescriptor === undefined ? {} : { take: takeDescriptor },
    openFdset,
    quiet,
    print: (text) => process.stdout.write(text),
  });
  chardev.label = id;
  // Known before it is open: waiting for a client can be cut short by the end of the process.
  openSet(system).add(chardev);
  try {
    await chardev.open(await openLog(data));
  } catch (error) {
    openSet(system).delete(chardev);
    throw error;
  }
  return chardev;
}

async function openLog(data: BackendData[BackendKind]) {
  return data.logfile === undefined ? undefined : (await import('./log-file.js')).openLog(data);
}

/**
 * Makes a chardev at /chardevs/ID. With a listening socket and `wait=on` it resolves when a client is there.
 *
 * @throws QemuError with QEMU's sentence, also for an id in use
 */
export async function addChardev(
  system: System,
  id: string,
  backend: JsonObject,
  options: AddOptions = {},
): Promise<Chardev> {
  const chardev = await createChardev(system, id, backend, options);
  try {
    return system.tree.chardevs.addChild(id, chardev);
  } catch (error) {
    await discardChardev(system, chardev);
    throw error;
  }
}

/** Closes a chardev that is in no tree. */
export async function discardChardev(system: System, chardev: Chardev): Promise<void> {
  openSet(system).delete(chardev);
  await chardev.close();
}

/** The chardev at /chardevs/ID. */
export function findChardev(system: System, id: string): Chardev | undefined {
  const found = system.tree.chardevs.component(id);
  return found instanceof Chardev ? found : undefined;
}

/** Takes a chardev out of the tree and closes it; its user has detached. Without effect when there is none. */
export async function removeChardev(system: System, id: string): Promise<void> {
  const chardev = findChardev(system, id);
  if (chardev === undefined) return;
  chardev.unparent();
  await discardChardev(system, chardev);
}

/** Start-up is over: front ends of multiplexers are told that they are open. */
export async function openMuxes(system: System): Promise<void> {
  const muxes = [...system.tree.chardevs.children()].filter((chardev) => chardev.type.name === 'chardev-mux');
  if (muxes.length === 0) return;
  const { MuxChardev } = await import('./mux.js');
  for (const mux of muxes) if (mux instanceof MuxChardev) mux.startGreeting();
}

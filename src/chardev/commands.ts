import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import type { System } from '../system/system.js';
import { Chardev } from './chardev.js';
import {
  type AddOptions,
  addChardev,
  backendKinds,
  checkBackendKind,
  createChardev,
  discardChardev,
  findChardev,
  removeChardev,
} from './create.js';
import type { RingbufChardev } from './ringbuf.js';

/** What the QMP commands on character devices do (qapi/char.json), and their HMP namesakes. */

export interface ChardevInfo {
  readonly label: string;
  readonly filename: string;
  readonly 'frontend-open': boolean;
}

/** `{ pty: '/dev/pts/N' }` for a pty, else `{}`. */
export interface ChardevReturn {
  readonly pty?: string;
}

function added(chardev: Chardev): ChardevReturn {
  return chardev.filename.startsWith('pty:') ? { pty: chardev.filename.slice('pty:'.length) } : {};
}

/** query-chardev, the newest first as QEMU lists them. */
export function queryChardev(system: System): ChardevInfo[] {
  return [...system.tree.chardevs.children()]
    .filter((child): child is Chardev => child instanceof Chardev)
    .map((chardev) => ({
      label: chardev.label,
      filename: chardev.filename,
      'frontend-open': chardev.frontendOpen,
    }))
    .reverse();
}

/** query-chardev-backends */
export function queryChardevBackends(): { name: string }[] {
  return backendKinds.map((name) => ({ name }));
}

/** chardev-add. @throws QemuError */
export async function chardevAdd(
  system: System,
  id: string,
  backend: JsonObject,
  options: AddOptions = {},
): Promise<ChardevReturn> {
  if (findChardev(system, id) !== undefined) throw new QemuError(`Chardev with id '${id}' already exists`);
  try {
    return added(await addChardev(system, id, backend, options));
  } catch (error) {
    throw error instanceof QemuError ? error.prefixed(`Failed to add chardev '${id}': `) : error;
  }
}

/** chardev-change: another backend behind the same front end. @throws QemuError */
export async function chardevChange(
  system: System,
  id: string,
  backend: JsonObject,
  options: AddOptions = {},
): Promise<ChardevReturn> {
  const old = findChardev(system, id);
  if (old === undefined) throw new QemuError(`Chardev '${id}' does not exist`);
  if (['chardev-mux', 'chardev-hub'].includes(old.type.name)) {
    throw new QemuError('For mux or hub device hotswap is not supported yet');
  }
  if (!old.busy) {
    await removeChardev(system, id);
    return chardevAdd(system, id, backend, options);
  }
  const { frontend } = old;
  if (frontend?.changed === undefined) throw new QemuError('Chardev user does not support chardev hotswap');
  checkBackendKind(String(backend.type));
  const next = await createChardev(system, id, backend, options);
  if (findChardev(system, id) !== old || old.frontend !== frontend) {
    await discardChardev(system, next);
    throw new QemuError(`Chardev '${id}' change failed`);
  }
  old.detach(frontend);
  if (old.connected && !next.connected) frontend.closed?.();
  await removeChardev(system, id);
  system.tree.chardevs.addChild(id, next);
  frontend.changed(next);
  return added(next);
}

/** chardev-remove. @throws QemuError when there is none or a front end uses it */
export async function chardevRemove(system: System, id: string): Promise<void> {
  const chardev = findChardev(system, id);
  if (chardev === undefined) throw new QemuError(`Chardev '${id}' not found`);
  if (chardev.busy) throw new QemuError(`Chardev '${id}' is busy`);
  await removeChardev(system, id);
}

/** chardev-send-break: the front end sees a break. @throws QemuError */
export function chardevSendBreak(system: System, id: string): void {
  const chardev = findChardev(system, id);
  if (chardev === undefined) throw new QemuError(`Chardev '${id}' not found`);
  chardev.raiseBreak();
}

/** `utf8` is text as it is; `base64` carries any bytes. */
export type DataFormat = 'utf8' | 'base64';

/** @throws QemuError */
async function findRingbuf(system: System, device: string): Promise<RingbufChardev> {
  const chardev = findChardev(system, device);
  if (chardev === undefined) throw new QemuError(`Device '${device}' not found`);
  const { RingbufChardev } = await import('./ringbuf.js');
  if (!(chardev instanceof RingbufChardev)) throw new QemuError(`${device} is not a ringbuf device`);
  return chardev;
}

/** ringbuf-write. @throws QemuError */
export async function ringbufWrite(
  system: System,
  device: string,
  data: string,
  format: DataFormat = 'utf8',
): Promise<void> {
  const ringbuf = await findRingbuf(system, device);
  if (format === 'base64' && !isBase64(data)) throw new QemuError('Base64 data contains invalid characters');
  ringbuf.write(Buffer.from(data, format));
}

function isBase64(text: string): boolean {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text.replace(/\s/g, ''));
}

/**
 * ringbuf-read: removes and returns up to `size` bytes, the oldest first. As text, bytes that are not UTF-8 become U+FFFD.
 *
 * @throws QemuError
 */
export async function ringbufRead(
  system: System,
  device: string,
  size: number,
  format: DataFormat = 'utf8',
): Promise<string> {
  const ringbuf = await findRingbuf(system, device);
  if (!(size > 0)) throw new QemuError('size must be greater than zero');
  return ringbuf.take(size).toString(format);
}

import type { Chardev } from '../chardev/chardev.js';
import { findChardev } from '../chardev/create.js';
import { QemuError } from '../system/errors.js';
import type { System } from '../system/system.js';
import type { CharOption } from './config.js';
import { openCharText, readCharText } from './start-chardevs.js';

/** Devices that are connections wait for a debugger in the background, whatever else is given. */
const CONNECTION = /^(tcp|unix):/;

/**
 * Serves the protocol of gdb on the character device of `-gdb`.
 *
 * @param monitor runs a line of the human monitor for the debugger's `monitor` command
 * @throws QemuError
 */
export async function startGdb(
  system: System,
  option: CharOption,
  monitor: (line: string) => Promise<string>,
): Promise<void> {
  if (option.text === 'none') return;
  const { debugTarget } = system.machine;
  if (debugTarget === undefined) {
    throw new QemuError('gdbstub: meaningless to attach gdb to a machine without any CPU.');
  }
  const chardev = await openDevice(system, option);
  const { GdbFrontend } = await import('../gdbstub/frontend.js');
  chardev.attachEach((port) => new GdbFrontend(system, debugTarget, port, monitor));
}

async function openDevice(system: System, { text, location }: CharOption): Promise<Chardev> {
  const named = text.startsWith('chardev:') ? findChardev(system, text.slice('chardev:'.length)) : undefined;
  if (named !== undefined) return named;
  const served = CONNECTION.test(text) ? `${text},wait=off,nodelay=on,server=on` : text;
  const asked = readCharText({ text: served, location });
  if (asked === undefined) throw new QemuError(`gdbstub: couldn't create chardev`);
  return await openCharText(system, 'gdb', asked);
}

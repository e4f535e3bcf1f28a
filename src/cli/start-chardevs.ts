import type { Chardev } from '../chardev/chardev.js';
import { compatOptionText } from '../chardev/compat.js';
import { findChardev } from '../chardev/create.js';
import { chardevFromOptions } from '../chardev/options.js';
import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import type { System } from '../system/system.js';
import type { CharOption, OptionSet } from './config.js';
import { OptionGroups } from './groups.js';

/** Puts a monitor on the multiplexer that `mon:` asks for. */
export type AddMonitor = (chardev: Chardev) => Promise<void>;

function texts({ id: _, ...options }: JsonObject): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]));
}

/** -chardev. @throws QemuError */
export async function openChardevOption(system: System, { options }: OptionSet): Promise<void> {
  await chardevFromOptions(system, typeof options.id === 'string' ? options.id : undefined, texts(options));
}

/** The chardev options that a text in the legacy form stands for; undefined where QEMU refuses it without a sentence. */
function parseText(system: System, { text, location }: CharOption): Record<string, string> | undefined {
  const optionText = compatOptionText(text);
  if (optionText === undefined) return undefined;
  const opts = new OptionGroups().get('chardev').parse(optionText, location, (sentence, hint) => {
    system.report.warn(`${sentence}\n${hint}`, location);
  });
  return opts === undefined ? undefined : Object.fromEntries(opts.entries());
}

/** Runs `work`; a QemuError is reported at the option, and `work` counts as having given nothing. */
async function reported<T>(system: System, { location }: CharOption, work: () => T | Promise<T>) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    system.report.error(error, location);
    return undefined;
  }
}

const chardevPrefix = 'chardev:';

/**
 * The chardev of -serial or -parallel number `index`; undefined for `none`.
 *
 * @param addMonitor puts a monitor on the multiplexer that `mon:` asks for
 * @throws QemuError `could not connect serial device to character backend 'TEXT'`; the cause has been reported before
 */
export async function openPort(
  system: System,
  port: 'serial' | 'parallel',
  index: number,
  option: CharOption,
  addMonitor: AddMonitor,
): Promise<Chardev | undefined> {
  const { text } = option;
  if (text === 'none') return undefined;
  const chardev = await reported(system, option, async () => {
    if (text.startsWith(chardevPrefix)) return findChardev(system, text.slice(chardevPrefix.length));
    const options = parseText(system, option);
    if (options === undefined) return undefined;
    const made = await createLabelled(system, `${port}${index}`, options);
    if (options.mux === 'on') await addMonitor(made);
    return made;
  });
  if (chardev === undefined) {
    throw new QemuError(`could not connect ${port} device to character backend '${text}'`);
  }
  return chardev;
}

/** The chardev of -monitor, -qmp or -qmp-pretty number `index`. @throws QemuError; a wrong form has been reported before */
export async function openMonitorChardev(system: System, index: number, option: CharOption): Promise<Chardev> {
  const { text } = option;
  if (text.startsWith(chardevPrefix)) {
    const id = text.slice(chardevPrefix.length);
    const chardev = findChardev(system, id);
    if (chardev === undefined) throw new QemuError(`chardev "${id}" not found`);
    return chardev;
  }
  const options = await reported(system, option, () => parseText(system, option));
  if (options === undefined) throw new QemuError(`parse error: ${text}`);
  return createLabelled(system, `compat_monitor${index}`, options);
}

function createLabelled(system: System, label: string, options: Record<string, string>): Promise<Chardev> {
  if (findChardev(system, label) !== undefined) throw new QemuError(`Duplicate ID '${label}' for chardev`);
  return chardevFromOptions(system, label, options);
}

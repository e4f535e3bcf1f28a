import type { Chardev } from '../chardev/chardev.js';
import { compatOptionText } from '../chardev/compat.js';
import { type AddOptions, findChardev } from '../chardev/create.js';
import { chardevFromOptions } from '../chardev/options.js';
import { QemuError } from '../system/errors.js';
import { fdSetsOf } from '../system/fd-sets.js';
import type { System } from '../system/system.js';
import type { CharOption, OptionSet } from './config.js';
import { OptionGroups } from './groups.js';

/** Makes the chardev of one -chardev. @throws QemuError */
export async function openChardevOption(system: System, { options }: OptionSet): Promise<Chardev> {
  const { id, ...rest } = options;
  return chardevFromOptions(system, typeof id === 'string' ? id : undefined, texts(rest), fdsets(system));
}

/** Files may be named as descriptors of -add-fd: `/dev/fdset/N`. */
function fdsets(system: System): AddOptions {
  return { openFdset: (set, flags) => fdSetsOf(system).open(set, flags) };
}

function texts(options: OptionSet['options']): Record<string, string> {
  return Object.fromEntries(Object.entries(options).map(([key, value]) => [key, String(value)]));
}

/** What a legacy text asks for. */
export interface CharText {
  readonly options: Record<string, string>;
  /** `mon:`: a monitor shares the chardev. */
  readonly monitor: boolean;
}

/**
 * Reads the legacy text of -serial, -parallel, -monitor and -qmp, without opening anything.
 *
 * @throws QemuError; undefined for a text that is refused without a sentence
 */
export function readCharText({ text, location }: CharOption): CharText | undefined {
  const optionText = compatOptionText(text);
  if (optionText === undefined) return undefined;
  const opts = new OptionGroups().get('chardev').parse(optionText, location, () => {});
  return opts === undefined
    ? undefined
    : { options: Object.fromEntries(opts.entries()), monitor: text.startsWith('mon:') };
}

/** Opens the chardev of a legacy text under a label. @throws QemuError */
export async function openCharText(system: System, label: string, { options }: CharText): Promise<Chardev> {
  if (findChardev(system, label) !== undefined) throw new QemuError(`Duplicate ID '${label}' for chardev`);
  return chardevFromOptions(system, label, options, fdsets(system));
}

/**
 * A port of the machine: -serial or -parallel. `none` has no chardev, `chardev:ID` names one.
 *
 * @param addMonitor puts the monitor of a `mon:` text on the chardev
 * @throws QemuError; each sentence is reported by `report` but the last
 */
export async function openPort(
  system: System,
  kind: 'serial' | 'parallel',
  index: number,
  option: CharOption,
  addMonitor: (chardev: Chardev) => Promise<void>,
): Promise<Chardev | undefined> {
  const { text, location } = option;
  if (text === 'none') return undefined;
  try {
    if (text.startsWith('chardev:')) {
      const chardev = findChardev(system, text.slice('chardev:'.length));
      if (chardev !== undefined) return chardev;
    } else {
      const asked = readCharText(option);
      if (asked !== undefined) {
        const chardev = await openCharText(system, `${kind}${index}`, asked);
        if (asked.monitor) await addMonitor(chardev);
        return chardev;
      }
    }
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    system.report.error(error, location);
  }
  throw new QemuError(`could not connect ${kind} device to character backend '${text}'`);
}

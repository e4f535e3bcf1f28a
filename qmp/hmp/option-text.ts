import { OptionGroups } from '../../src/cli/groups.js';
import { QemuError } from '../../src/system/errors.js';

/**
 * Reads `key=value,...` as the command line would for `-GROUP`.
 *
 * @throws QemuError with QEMU's sentence
 */
export function readOptionText(group: 'chardev' | 'device', text: string): Record<string, string> {
  const options = new OptionGroups().get(group).parse(text, undefined, () => {});
  if (options === undefined) throw new QemuError('Help is not available here; ask on the command line');
  return { ...Object.fromEntries(options.entries()), ...(options.id === undefined ? {} : { id: options.id }) };
}

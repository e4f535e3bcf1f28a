import { QemuError } from '../system/errors.js';
import type { Location } from '../system/report.js';
import { nestedGroups, type OptionGroups } from './groups.js';
import type { Opts, Warn } from './opts.js';

/**
 * Reads `-global DRIVER.PROPERTY=VALUE` (the value may hold commas) or `driver=D,property=P,value=V` into the group
 * `global`.
 *
 * @returns undefined when help is asked for
 * @throws QemuError
 */
export function parseGlobal(text: string, groups: OptionGroups, location: Location, warn: Warn): Opts | undefined {
  const group = groups.get('global');
  const short = /^([^.=]{1,63})\.([^=]{1,63})=(.*)$/s.exec(text);
  if (short !== null) {
    const set = group.create(undefined, location);
    ['driver', 'property', 'value'].forEach((key, i) => {
      set.set(key, short[i + 1] ?? '');
    });
    return set;
  }
  const set = group.parse(text, location, warn);
  if (set !== undefined && group.spec.keys.some((key) => set.get(key.name) === undefined)) {
    throw new QemuError("options 'driver', 'property', and 'value' are required");
  }
  return set;
}

/** Carries out `-set GROUP.ID.KEY=VALUE`, which changes a set that an option before it made. @throws QemuError */
export function applySet(text: string, groups: OptionGroups): void {
  const [, group = '', id = '', key = '', value = ''] =
    /^([^.]{1,63})\.([^.]{1,63})\.([^=]{1,63})=(.*)$/s.exec(text) ?? [];
  if (group === '') throw new QemuError(`can't parse: "${text}"`);
  if (nestedGroups.has(group)) throw new QemuError(`-set is not supported with ${group}`);
  const set = groups.get(group).find(id);
  if (set === undefined) throw new QemuError(`there is no ${group} "${id}" defined`);
  set.set(key, value);
}

import { parseGlobal } from '../../src/cli/dotted.js';
import { OptionGroups } from '../../src/cli/groups.js';
import { type KeyvalObject, mergeKeyval, parseKeyval, readKeyval } from '../../src/cli/keyval.js';
import { LocatedError, locate } from '../../src/cli/located-error.js';
import type { Opts, Warn } from '../../src/cli/opts.js';
import { type WalkedOption, walk } from '../../src/cli/walk.js';
import { QemuError } from '../../src/system/errors.js';
import { createReporter } from '../../src/system/report.js';

/** What reading a command line, without acting on it, prints; `stopped` tells that it did not come to the end. */
export interface ReadResult {
  stdout: string;
  stderr: string;
  stopped: boolean;
}

const optsOptions: Readonly<Record<string, string>> = {
  ...{ m: 'memory', name: 'name', sandbox: 'sandbox', 'run-with': 'run-with', msg: 'msg', chardev: 'chardev' },
  ...{ action: 'action', overcommit: 'overcommit', mon: 'mon', rtc: 'rtc', 'add-fd': 'add-fd', drive: 'drive' },
};
const nestedOptions: Readonly<Record<string, string>> = { smp: 'smp-opts', boot: 'boot-opts' };
const keyvalOptions: Readonly<Record<string, string | undefined>> = {
  blockdev: 'driver',
  incoming: 'channel',
  compat: undefined,
};

/** Reads a command line with the grammars of src/cli as a start-up would, for tests of the grammars. */
export function readCommandLine(argv: readonly string[], program = 'qemu-system-x86_64'): ReadResult {
  const result: ReadResult = { stdout: '', stderr: '', stopped: true };
  const reporter = createReporter({ program, write: (text) => (result.stderr += text) });
  const groups = new OptionGroups();
  const merged = new Map<string, KeyvalObject>();

  const read = ({ option, value = '', location }: WalkedOption): boolean => {
    const warn: Warn = (sentence, hint) => {
      reporter.warn(`${sentence}\n${hint}`, location);
    };
    const finish = (group: string, set: Opts | undefined): boolean => {
      if (set === undefined) result.stdout += groups.get(group).help();
      return set !== undefined;
    };
    if (option === 'global') return finish('global', parseGlobal(value, groups, location, warn));
    const group = optsOptions[option];
    if (group !== undefined) return finish(group, groups.get(group).parse(value, location, warn));
    const nested = nestedOptions[option];
    if (nested !== undefined) {
      const options: KeyvalObject = {};
      const { help } = readKeyval(value, groups.get(nested).spec.implied, options);
      if (help) return finish(nested, undefined);
      const before = merged.get(nested) ?? {};
      mergeKeyval(before, options, `${option}.`);
      merged.set(nested, before);
    } else if (option in keyvalOptions) parseKeyval(value, keyvalOptions[option]);
    return true;
  };

  try {
    result.stopped = !walk(argv).every((option) => locate(option.location, () => read(option)));
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    reporter.error(error, error instanceof LocatedError ? error.location : undefined);
  }
  return result;
}

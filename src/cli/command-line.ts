import { readFileSync } from 'node:fs';
import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import { systemReason } from '../system/process.js';
import type { Reporter } from '../system/report.js';
import { HelpAsked, OptionCollector } from './collect.js';
import type { HelpRequest, StartConfig } from './config.js';
import { walk } from './walk.js';

/**
 * Reads the whole command line.
 *
 * @param parseJson reads the JSON form of -device and -object; throws QemuError
 * @returns what to start, or what to print instead
 * @throws QemuError, with its place where it has one (LocatedError)
 */
export function readCommandLine(
  argv: readonly string[],
  report: Reporter,
  parseJson: (text: string) => JsonObject,
): { config: StartConfig } | { help: HelpRequest } {
  const collector = new OptionCollector(report, readTextFile, parseJson);
  try {
    for (const option of walk(argv)) collector.take(option);
  } catch (error) {
    if (error instanceof HelpAsked) return { help: error.request };
    throw error;
  }
  return { config: collector.finish() };
}

function readTextFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new QemuError(`Could not open '${path}': ${systemReason(error)}`, { cause: error });
  }
}

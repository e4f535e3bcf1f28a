import type { Chardev } from '../chardev/chardev.js';
import { openLog } from '../chardev/log-file.js';
import type { QtestLog } from '../qtest/frontend.js';
import { QemuError } from '../system/errors.js';
import type { System } from '../system/system.js';
import type { CharOption } from './config.js';
import { openCharText, readCharText } from './start-chardevs.js';

/**
 * Serves the test protocol on the character device of `-qtest`.
 *
 * @param log file of `-qtest-log`; undefined for stderr, `none` for no log
 * @throws QemuError
 */
export async function startQtest(system: System, option: CharOption, log: string | undefined): Promise<void> {
  const target = await system.accel?.openQtest?.();
  if (target === undefined) {
    throw new QemuError(`the '${system.accel?.acceleratorName}' accelerator can't be driven by tests`, {
      hint: 'use -accel qtest',
    });
  }
  const chardev = await openDevice(system, option);
  const { QtestFrontend } = await import('../qtest/frontend.js');
  const writeLog = openQtestLog(system, log);
  chardev.attachEach((port) => new QtestFrontend(target, port, writeLog, (error) => system.report.error(error)));
}

async function openDevice(system: System, option: CharOption): Promise<Chardev> {
  try {
    const asked = readCharText(option);
    if (asked !== undefined) return await openCharText(system, 'qtest', asked);
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    system.report.error(error, option.location);
  }
  throw new QemuError(`Failed to initialize device for qtest: "${option.text}"`);
}

function openQtestLog(system: System, log: string | undefined): QtestLog {
  if (log === undefined) return (line) => system.report.line(line);
  const file = log === 'none' ? undefined : openLog({ logfile: log });
  if (file === undefined) return () => {};
  system.onExit(() => file.close());
  return (line) => void file.write(Buffer.from(`${line}\n`, 'latin1'));
}

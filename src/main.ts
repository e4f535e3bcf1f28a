import { createWriteStream, openSync, readFileSync, writeSync } from 'node:fs';
import { LocatedError } from './cli/located-error.js';
import { readCommandLine } from './cli/command-line.js';
import { Reported } from './cli/start-machine.js';
import { Emulator } from './emulator.js';
import { createModuleApi } from './module-api.js';
import { asError, QemuError } from './system/errors.js';
import { createModuleLoader } from './system/module-loader.js';
import { daemonize, daemonReady, exitProcess, systemReason, writePidFile } from './system/process.js';
import { createReporter, type Reporter, type ReporterOptions } from './system/report.js';
import { System, type TargetArch } from './system/system.js';

const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;
/** An orderly end may take this long (a last flush, a request with the Nitro card); then the process ends as it is. */
const EXIT_LIMIT_MS = 5_000;

declare const PACKAGE_VERSION: string | undefined;

/** Version of this package: a constant of the bundle, read from package.json elsewhere. */
function packageVersion(): string {
  if (typeof PACKAGE_VERSION === 'string') return PACKAGE_VERSION;
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Runs the system emulator of a target architecture with this process's arguments; ends the process. */
export async function main(arch: TargetArch): Promise<void> {
  const program = `qemu-system-${arch}`;
  const options: ReporterOptions = { program, write: (text) => writeSync(2, text) };
  const report = createReporter(options);
  process.on('uncaughtException', (error) => {
    report.error(new Error(`internal error: ${error.message}`));
    if (process.env.NITRO_EMU_DEBUG !== undefined) report.line(error.stack ?? '');
    exitProcess(1);
  });
  const code = await run(program, arch, options, report).catch((error: unknown) => {
    if (!(error instanceof Reported)) throw error;
    return 1;
  });
  exitProcess(code);
}

async function run(program: string, arch: TargetArch, options: ReporterOptions, report: Reporter): Promise<number> {
  const version = packageVersion();
  const command = await readCommandLine(process.argv.slice(2), { program, arch, version, report });
  if (command.exit !== undefined) return command.exit;
  const { config } = command;
  options.timestamp = config.msg.timestamp;
  if (config.msg.guestName && config.name.guest !== undefined) options.guestName = config.name.guest;
  if (config.daemonize) {
    const role = await daemonize();
    if (role !== 'daemon') return role;
  }
  const log = openLog(config.logFile, report);
  const system: System = new System({
    settings: {
      program,
      arch,
      version,
      uuid: config.uuid,
      defaults: config.defaults,
      display: config.display,
      memPrealloc: config.memPrealloc,
      ...(config.name.guest === undefined ? {} : { name: config.name.guest }),
    },
    report,
    traceLine: log,
    modules: createModuleLoader(() => createModuleApi(system), process.env.QEMU_MODULE_DIR),
  });
  Object.assign(system.run.actions, config.actions);
  for (const pattern of config.tracePatterns) system.trace.set(pattern, true);
  if (config.pidfile !== undefined) {
    const remove = located(report, () => writePidFile(config.pidfile ?? ''));
    system.onExit(remove);
    process.once('exit', remove);
  }
  for (const [name, number] of Object.entries(signals)) {
    process.on(name, () => {
      report.error(new QemuError(`terminating on signal ${number}`));
      void system.run.kill('host-signal');
    });
  }
  const emulator = new Emulator(system, config);
  try {
    const started = emulator.start().then(() => {
      if (config.daemonize) daemonReady();
    });
    // A signal or quit may come first; what start-up was waiting for then no longer matters.
    started.catch(() => {});
    await Promise.race([started, system.run.finished]);
    return await system.run.finished;
  } finally {
    setTimeout(() => exitProcess(1), EXIT_LIMIT_MS).unref();
    await system.dispose();
  }
}

function located<T>(report: Reporter, work: () => T): T {
  try {
    return work();
  } catch (error) {
    report.error(asError(error), error instanceof LocatedError ? error.location : undefined);
    throw new Reported();
  }
}

/** Where traces and -d items go: stderr, or the file of -D. */
function openLog(file: string | undefined, report: Reporter): (line: string) => void {
  if (file === undefined) return (line) => void writeSync(2, line);
  const fd = located(report, () => {
    try {
      return openSync(file, 'w');
    } catch (error) {
      throw new QemuError(`Error opening logfile ${file}: ${systemReason(error)}`, { cause: error });
    }
  });
  const stream = createWriteStream('', { fd });
  return (line) => void stream.write(line);
}

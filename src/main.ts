import { createWriteStream, openSync, readFileSync, writeSync } from 'node:fs';
import { parseJson } from '../qmp/json/text.js';
import { MonitorSet } from '../qmp/monitors.js';
import { readCommandLine } from './cli/command-line.js';
import { emptyConfig, type HelpRequest, type StartConfig } from './cli/config.js';
import { LocatedError } from './cli/located-error.js';
import { Reported } from './cli/start-machine.js';
import { Emulator } from './emulator.js';
import { onMainThread } from './host/epoll-wait.js';
import { createModuleApi, offerTypes } from './module-api.js';
import type { UserObjects } from './qom/user-creatable.js';
import { asError, QemuError } from './system/errors.js';
import { isJsonObject, type JsonObject } from './system/json.js';
import { createModuleLoader } from './system/module-loader.js';
import { daemonize, daemonReady, exitProcess, systemReason, writePidFile } from './system/process.js';
import { createReporter, type Reporter, type ReporterOptions } from './system/report.js';
import { writeStderr } from './system/stderr.js';
import { System, type TargetArch } from './system/system.js';
import { createUserObjects } from './system/user-objects.js';

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
  onMainThread();
  const options: ReporterOptions = {
    program: `qemu-system-${arch}`,
    write: writeStderr,
  };
  const report = createReporter(options);
  process.on('uncaughtException', (error) => {
    report.error(new Error(`internal error: ${error.message}`));
    if (process.env.NITRO_EMU_DEBUG !== undefined) report.line(error.stack ?? '');
    exitProcess(1);
  });
  let code = 1;
  try {
    code = await run(arch, options, report);
  } catch (error) {
    if (!(error instanceof Reported)) throw error;
  }
  exitProcess(code);
}

async function run(arch: TargetArch, options: ReporterOptions, report: Reporter): Promise<number> {
  const command = located(report, () => readCommandLine(process.argv.slice(2), report, parseJsonOption));
  const config = 'config' in command ? command.config : emptyConfig();
  options.timestamp = config.msg.timestamp;
  if (config.msg.guestName && config.name.guest !== undefined) options.guestName = config.name.guest;
  if (config.daemonize) {
    const role = await daemonize();
    if (role !== 'daemon') return role;
  }
  const system = createSystem(arch, config, options.program, report);
  const objects = createUserObjects(system);
  offerTypes(system);
  if ('help' in command) return help(system, objects, command.help);
  takeControl(system, config, report);
  // A machine that waits for nothing but its end must not end for that.
  const alive = setInterval(() => {}, 2 ** 30);
  try {
    const emulator = new Emulator(system, config, objects, (exitPreconfig) => {
      const commandLineOptions = async () => {
        const { describeGroups } = await import('./cli/describe-groups.js');
        await system.needTypes();
        return describeGroups(system.types.list('machine'));
      };
      return new MonitorSet({ system, objects, exitPreconfig, commandLineOptions });
    });
    const started = emulator.start().then(() => {
      if (config.daemonize) daemonReady();
    });
    // A signal or quit may come first; what start-up was waiting for then no longer matters.
    started.catch(() => {});
    await Promise.race([started, system.run.finished]);
    return await system.run.finished;
  } finally {
    clearInterval(alive);
    setTimeout(() => exitProcess(1), EXIT_LIMIT_MS);
    await system.dispose();
  }
}

function createSystem(arch: TargetArch, config: StartConfig, program: string, report: Reporter): System {
  const system: System = new System({
    settings: {
      program,
      arch,
      version: packageVersion(),
      uuid: config.uuid,
      defaults: config.defaults,
      display: config.display,
      memPrealloc: config.memPrealloc,
      rtcAheadMs: config.rtcAheadMs,
      ...(config.name.guest === undefined ? {} : { name: config.name.guest }),
      ...(config.escapeCharacter === undefined ? {} : { escapeCharacter: config.escapeCharacter }),
    },
    report,
    traceLine: openLog(config.logFile, report),
    modules: createModuleLoader(() => createModuleApi(system), process.env.QEMU_MODULE_DIR),
  });
  return system;
}

/** Settings of the process, its pid file and its signals. */
function takeControl(system: System, config: StartConfig, report: Reporter): void {
  Object.assign(system.run.actions, config.actions);
  for (const pattern of config.tracePatterns) system.trace.set(pattern, true);
  for (const global of config.globals) system.globals.add(global);
  if (config.pidfile !== undefined) {
    const path = config.pidfile;
    const remove = located(report, () => writePidFile(path));
    system.onExit(remove);
    process.once('exit', remove);
  }
  for (const [name, number] of Object.entries(signals)) {
    process.on(name, () => {
      report.error(new QemuError(`terminating on signal ${number}`));
      void system.run.kill('host-signal');
    });
  }
}

async function help(system: System, objects: UserObjects, request: HelpRequest): Promise<number> {
  const { answerHelp } = await import('./cli/answer-help.js');
  try {
    const { text, status } = await answerHelp(system, objects, request);
    writeSync(1, text);
    return status;
  } catch (error) {
    if (!(error instanceof LocatedError)) throw error;
    system.report.error(error, error.location);
    return request.kind === 'device' ? 0 : 1;
  }
}

/** The JSON form of -device and -object, in the monitor's dialect. @throws QemuError */
function parseJsonOption(text: string): JsonObject {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new QemuError("Invalid parameter type for '<anonymous>', expected: object");
  return value;
}

function located<T>(report: Reporter, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof QemuError)) throw error;
    report.error(asError(error), error instanceof LocatedError ? error.location : undefined);
    throw new Reported();
  }
}

/** Where traces go: stderr, or the file of -D. */
function openLog(file: string | undefined, report: Reporter): (line: string) => void {
  if (file === undefined) return writeStderr;
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

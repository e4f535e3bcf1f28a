#!/usr/bin/env node
import { homedir } from 'node:os';
import { join } from 'node:path';
import { helpText, parseOptions, type ShellOptions, UsageError } from '../../qmp/client/shell/options.js';
import { runShell } from '../../qmp/client/shell/run.js';
import { ExitStatus } from '../../qmp/client/shell/status.js';

/** The options, or the exit status when there is nothing more to do. */
function options(): ShellOptions | ExitStatus {
  try {
    const parsed = parseOptions(process.argv.slice(2), process.env);
    if (parsed !== 'help') return parsed;
    process.stdout.write(helpText);
    return ExitStatus.Success;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`nitro-qmp: ${error.message}\nTry 'nitro-qmp --help'.\n`);
    return ExitStatus.Usage;
  }
}

// Whoever reads the output has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitStatus.Success);
  throw error;
});

async function run(): Promise<ExitStatus> {
  const chosen = options();
  if (typeof chosen === 'number') return chosen;
  return await runShell(chosen, {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    historyFile: join(homedir(), '.nitro-qmp_history'),
  });
}

void run().then((status) => {
  process.exitCode = status;
});

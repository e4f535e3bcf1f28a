#!/usr/bin/env node
import { runKms } from '../cli/kms/run.js';

// Whoever reads the output has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void runKms(process.argv.slice(2), {
  write: (text) => process.stdout.write(text),
  warn: (text) => process.stderr.write(`nitro-kms: ${text}\n`),
  ended: () =>
    new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
    }),
}).then((status) => {
  process.exitCode = status;
});

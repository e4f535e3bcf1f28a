#!/usr/bin/env node
import { runAttest } from '../cli/attest/run.js';

// Whoever reads the output has seen enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void runAttest(process.argv.slice(2), {
  write: (bytes) => process.stdout.write(bytes),
  warn: (text) => process.stderr.write(`nitro-attest: ${text}\n`),
}).then((status) => {
  process.exitCode = status;
});

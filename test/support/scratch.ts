import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const made: string[] = [];

process.once('exit', () => {
  for (const dir of made) rmSync(dir, { recursive: true, force: true });
});

/** A fresh directory for sockets and files, which is removed when the process ends. */
export function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'nitro-test-'));
  made.push(dir);
  return dir;
}

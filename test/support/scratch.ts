import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A fresh directory for sockets and files, which is removed when the process ends. */
export function scratchDir(): string {
  const dir = mkdtempSync(join(tmpdir(), 'nitro-test-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

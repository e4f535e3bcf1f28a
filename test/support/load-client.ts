import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { compile } from './double.js';

/** Path of the C client (test/bench/qmp-load.c tells its modes), built when its source has changed. */
export function loadClient(): Promise<string> {
  return compile('qmp-load', ['test/bench/qmp-load.c']);
}

/** Runs the client and returns what it measured. */
export async function measure<T>(args: readonly string[], env = process.env): Promise<T> {
  const { stdout } = await promisify(execFile)(await loadClient(), args, { env, timeout: 300_000 });
  return JSON.parse(stdout) as T;
}

/** Times of many runs or round trips. */
export interface Spread {
  min: number;
  p50: number;
  p99: number;
  max: number;
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

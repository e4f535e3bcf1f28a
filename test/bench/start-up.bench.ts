import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commandLineFolder } from '../support/command-lines.js';
import { doubleUnavailable, startUnderDouble } from '../support/double.js';
import { emulatorPath } from '../support/emulator.js';

/** Runs of each side, taken in turns; the figures are medians. */
const rounds = 15;
const limit = 2;

const bench = suite('start-up');

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

bench('the first ioctl comes within twice the time of an empty Node process', async () => {
  const missing = await doubleUnavailable();
  if (missing !== undefined) return console.log(`SKIP ${missing}`);
  const { dir } = await commandLineFolder();
  const args = ['-accel', 'nitro', '-M', 'nitro', '-smp', '2', '-display', 'none', '-kernel', join(dir, 'test.eif')];
  const empty: number[] = [];
  const first: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const started = performance.now();
    const node = await startUnderDouble({ command: [process.execPath, '-e', '0'] });
    await node.ended();
    empty.push(performance.now() - started);
    const run = await startUnderDouble({ command: [process.execPath, emulatorPath(), ...args] });
    first.push((await run.record('NE_CREATE_VM')).t);
    await run.stop();
  }
  const [a, b] = [median(empty), median(first)];
  console.log(
    `node -e 0 ${a.toFixed(0)} ms, first ioctl ${b.toFixed(0)} ms, ratio ${(b / a).toFixed(2)} (limit ${limit})`,
  );
  assert.ok(b / a <= limit);
  await rm(dir, { recursive: true });
});

bench.run();

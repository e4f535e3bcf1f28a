import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commandLineFolder } from '../support/command-lines.js';
import { doubleUnavailable, startUnderDouble } from '../support/double.js';
import { emulatorPath } from '../support/emulator.js';
import { measure, median, type Spread } from '../support/load-client.js';

/** Runs of each side, taken in turns; the figures are medians. */
const rounds = 15;
/** Runs of one side in a row. */
const batch = 3;

const bench = suite('start-up');

bench('the first ioctl comes within twice the time of an empty Node process', async () => {
  const missing = await doubleUnavailable();
  if (missing !== undefined) return console.log(`SKIP ${missing}`);
  const { dir } = await commandLineFolder();
  const args = ['-accel', 'nitro', '-M', 'nitro', '-smp', '2', '-display', 'none', '-kernel', join(dir, 'test.eif')];
  const empty: number[] = [];
  const first: number[] = [];
  for (let i = 0; i < rounds; i++) {
    let started = performance.now();
    const node = await startUnderDouble({ command: [process.execPath, '-e', '0'] });
    await node.ended();
    empty.push(performance.now() - started);
    started = performance.now();
    const run = await startUnderDouble({ command: [process.execPath, emulatorPath(), ...args] });
    await run.record('NE_CREATE_VM');
    first.push(performance.now() - started);
    await run.stop();
  }
  const [a, b] = [median(empty), median(first)];
  console.log(`node -e 0 ${a.toFixed(0)} ms, first ioctl ${b.toFixed(0)} ms, ratio ${(b / a).toFixed(2)}`);
  assert.ok(b / a <= 2);
  await rm(dir, { recursive: true });
});

/**
 * Medians in ms of an empty Node process and of the way to the greeting, in an environment.
 *
 * @param qemu the figure of QEMU too, where it is installed
 */
async function greeting(environment: NodeJS.ProcessEnv, qemu: boolean) {
  const dir = await mkdtemp(join(tmpdir(), 'start-up-bench-'));
  const path = join(dir, 'qmp');
  const options = ['-M', 'none', '-display', 'none', '-qmp', `unix:${path},server=on,wait=off`];
  const sides: Record<string, string[]> = {
    node: ['wait', `${batch}`, process.execPath, '-e', '0'],
    ours: ['start', path, `${batch}`, process.execPath, emulatorPath(), ...options],
    ...(qemu ? { qemu: ['start', path, `${batch}`, 'qemu-system-x86_64', ...options] } : {}),
  };
  const times: Record<string, number[]> = { node: [], ours: [], qemu: [] };
  for (let i = 0; i < rounds; i++) {
    for (const [side, args] of Object.entries(sides)) {
      times[side]?.push((await measure<{ ms: Spread }>(args, environment)).ms.p50);
    }
  }
  await rm(dir, { recursive: true });
  const [node, ours] = [median(times.node ?? []), median(times.ours ?? [])];
  return { node, ours, ratio: ours / node, qemu: median(times.qemu ?? []) };
}

function hasQemu(): boolean {
  try {
    execFileSync('qemu-system-x86_64', ['--version']);
    return true;
  } catch {
    return false;
  }
}

bench('the greeting of -M none comes within 1.5 times the time of an empty Node process', async () => {
  const { node, ours, ratio, qemu } = await greeting(process.env, hasQemu());
  console.log(
    `node -e 0 ${node.toFixed(0)} ms, greeting ${ours.toFixed(0)} ms, ratio ${ratio.toFixed(2)}; QEMU's ${qemu.toFixed(0)} ms`,
  );
  assert.ok(ratio <= 1.5);
});

bench('where Node reads no extra certificates the greeting comes within 2.2 times', async () => {
  const { NODE_EXTRA_CA_CERTS: _, ...environment } = process.env;
  const { node, ours, ratio } = await greeting(environment, false);
  console.log(
    `without NODE_EXTRA_CA_CERTS: node -e 0 ${node.toFixed(0)} ms, greeting ${ours.toFixed(0)} ms, ratio ${ratio.toFixed(2)}`,
  );
  assert.ok(ratio <= 2.2);
});

bench.run();

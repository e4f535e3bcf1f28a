// Runs one group of compiled tests: unit (dist/test minus the groups below), e2e, fuzz or bench. Each file is a process
// group of its own, so that a wedged socket or a leaked handle names its file; a file that outlives its limit is killed
// with all it has started, and fails. What a group's own limit leaves no time for fails unrun.
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const [group = 'unit', ...only] = process.argv.slice(2);
const groups = ['e2e', 'fuzz', 'bench', 'support', 'guests'];
const root = 'dist/test';
const limitMs = {
  unit: 120_000,
  e2e: 600_000,
  fuzz: 3_600_000,
  bench: 1_800_000,
}[group];
const groupLimitMs = { unit: 900_000, e2e: 2_700_000 }[group] ?? Number.POSITIVE_INFINITY;
// A process that a file left behind may hold its output open.
const OUTPUT_GRACE_MS = 2_000;
const suffix = group === 'bench' ? '.bench.js' : group === 'fuzz' ? '.fuzz.js' : '.test.js';

const inGroup = (file) => (group === 'unit' ? !groups.includes(file.split('/')[0]) : file.startsWith(`${group}/`));
const files = (await readdir(root, { recursive: true }))
  .filter((f) => f.endsWith(suffix) && inGroup(f))
  .filter((f) => only.length === 0 || only.some((o) => f.includes(o)))
  .sort();

const totals = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

function runFile(file) {
  return new Promise((resolve) => {
    const started = Date.now();
    // The shell leads the session, so that a terminal which the test opens does not become its controlling one.
    const command = [process.execPath, '--enable-source-maps', join(root, file)];
    const child = spawn('/bin/sh', ['-c', '"$@"; exit $?', 'sh', ...command], {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    const killGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // Nothing is left of it.
      }
    };
    let output = '';
    child.stdout.on('data', (d) => (output += d));
    child.stderr.on('data', (d) => (output += d));
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killGroup();
    }, limitMs);
    child.on('exit', () => {
      clearTimeout(timer);
      killGroup();
      setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
      }, OUTPUT_GRACE_MS).unref();
    });
    child.on('close', (code, signal) => {
      const plain = stripVTControlCharacters(output);
      const sum = (label) =>
        [...plain.matchAll(new RegExp(`^\\s*${label}:\\s+(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);
      const total = sum('Total');
      const passed = sum('Passed');
      const skips = [...plain.matchAll(/^SKIP (.*)$/gm)].map((m) => m[1]);
      let failed = total - passed - sum('Skipped');
      if (late || (code !== 0 && failed === 0)) failed += 1;
      const ok = failed === 0;
      totals.passed += passed - skips.length;
      totals.failed += failed;
      totals.skipped += sum('Skipped') + skips.length;
      const note = late
        ? ` killed after ${limitMs / 1000} s`
        : signal
          ? ` signal ${signal}`
          : code !== 0
            ? ` exit ${code}`
            : '';
      console.log(
        `${ok ? 'ok  ' : 'FAIL'} ${file} ${passed}/${total} ${((Date.now() - started) / 1000).toFixed(1)} s${note}`,
      );
      for (const skip of skips) console.log(`     skipped: ${skip}`);
      if (!ok) failures.push(`---- ${file}${note}\n${output}`);
      else if (group === 'bench' || process.env.VERBOSE) console.log(output);
      resolve();
    });
  });
}

function notRun(file) {
  totals.failed += 1;
  failures.push(`---- ${file} not run: the group's ${groupLimitMs / 1000} s are over`);
}

// Timings of benches and system tests must not disturb one another.
const lanes = group === 'unit' ? Math.max(1, cpus().length) : 1;
const queue = [...files];
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      if (performance.now() < groupLimitMs) await runFile(file);
      else notRun(file);
    }
  }),
);
for (const text of failures) console.log(text);
if (files.length === 0) console.log(`no ${group} tests match`);
console.log(`${group}: ${totals.passed} passed, ${totals.failed} failed, ${totals.skipped} skipped`);
process.exit(totals.failed > 0 || files.length === 0 ? 1 : 0);

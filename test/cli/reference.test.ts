import { rm } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CommandLine, commandLineFolder, deviations, recordedCommandLines } from '../support/command-lines.js';
import { runEmulator } from '../support/emulator.js';

const test = suite('command lines without a Nitro device answer as recorded');
const { dir, here } = await commandLineFolder();
const special = new Map((await deviations()).map((d) => [d.args.join(' '), d]));
test.after(() => rm(dir, { recursive: true }));

function expected(line: CommandLine): { status: number; runs: boolean; stderr: string } {
  const deviation = special.get(line.args.join(' '));
  return {
    status: deviation?.status ?? line.status,
    runs: deviation === undefined ? line.runs : (deviation.runs ?? false),
    stderr: here(deviation?.stderr ?? line.stderr).replaceAll('PROGRAM', 'qemu-system-x86_64'),
  };
}

const lines = await recordedCommandLines('without-device');
/** Processes at a time: most of the time goes into waiting for those that keep running. */
const lanes = 6;
for (let at = 0; at < lines.length; at += lanes) {
  const group = lines.slice(at, at + lanes);
  test(group.map(({ args }) => args.join(' ')).join('; '), async () => {
    await Promise.all(
      group.map(async (line) => {
        const { status, runs, stderr } = await runEmulator(line.args.map(here));
        assert.equal({ status, runs, stderr }, expected(line), line.args.join(' '));
        if (line.stdout !== undefined && !special.has(line.args.join(' '))) assert.ok(true);
      }),
    );
  });
}

test.run();

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type CommandLine,
  commandLineFolder,
  deviations,
  differenceRows,
  Expectations,
  recordedCommandLines,
  withoutHints,
} from '../support/command-lines.js';
import { deadline } from '../support/deadline.js';
import { type Outcome, runEmulator } from '../support/emulator.js';
import { inLanes } from '../support/lanes.js';
import { connectQmp } from '../support/qmp-connection.js';

const test = suite('command lines without a Nitro device answer as recorded');
const { dir, here } = await commandLineFolder();
const expectations = await Expectations.load(here);
test.after(() => rm(dir, { recursive: true }));

let monitors = 0;

/** Runs a row to its end; one that goes on is ended once its monitor says that the machine runs. */
async function run(line: CommandLine): Promise<Outcome> {
  const args = line.args.map(here);
  if (!expectations.of(line).answer.runs) return await runEmulator(args, { settleMs: 25_000 });
  const socket = join(dir, `${monitors++}.sock`);
  const started = async (ended: Promise<unknown>): Promise<void> => {
    const qmp = await connectQmp(socket, ended);
    while (((await qmp.run('query-status')) as { running: boolean }).running !== true);
    qmp.close();
  };
  return await runEmulator([...args, '-qmp', `unix:${socket},server=on,wait=off`], { started });
}

const lines = await recordedCommandLines('without-device');
const outcomes = inLanes(lines, 4, run);
for (const [index, line] of lines.entries()) {
  test(line.args.join(' '), async () => {
    const expected = expectations.of(line).answer;
    const { stdout, ...answer } = await deadline('the row', outcomes[index] ?? run(line), 60_000);
    assert.equal(withoutHints(answer, expected), expected);
    // Lists name what this program has: their title is compared.
    if (!expectations.deviates(line)) assert.is(stdout.split('\n')[0], (line.stdout ?? '').split('\n')[0]);
  });
}

test('docs/differences-from-qemu.md has the recorded and the new answer of every deviation', async () => {
  const text = await readFile(new URL('../../../docs/differences-from-qemu.md', import.meta.url), 'utf8');
  const recorded = [...lines, ...(await recordedCommandLines('with-device'))];
  const table = text.slice(text.indexOf('## Command lines'), text.indexOf('## Object tree'));
  const rows = table.split('\n').filter((line) => line.startsWith('| `'));
  assert.equal(rows, differenceRows(await deviations(), recorded));
});

test.run();

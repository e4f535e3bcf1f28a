import { rm } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type CommandLine,
  commandLineFolder,
  Expectations,
  recordedCommandLines,
  withoutHints,
} from '../support/command-lines.js';
import { deadline } from '../support/deadline.js';
import { deviceCalls, doubleUnavailable, stopDoubles, type UnderDouble } from '../support/double.js';
import { inLanes } from '../support/lanes.js';
import { NitroHost } from '../support/nitro-host.js';

const test = suite('command lines with a Nitro device answer as recorded');
const unavailable = await doubleUnavailable();
const host = await NitroHost.create();
const { dir, here } = await commandLineFolder();
const expectations = await Expectations.load(here);
test.after(async () => {
  await stopDoubles();
  await Promise.all([host.remove(), rm(dir, { recursive: true })]);
});

/** Device calls; a console that is tried again and again counts once. */
function calls(double: UnderDouble): string[] {
  const retry = ['vsock_socket', 'vsock_connect -> 104'];
  const again = (list: string[], at: number) =>
    retry.every((call, i) => call === list[at + i] && call === list[at + i - 2]);
  return deviceCalls(double.records).filter((_, at, all) => !again(all, at) && !again(all, at - 1));
}

/** Runs a row until it ends, or has made all its calls, answered the heartbeat and printed the console. */
async function run(line: CommandLine) {
  const { answer, calls: expected } = expectations.of(line);
  const console = line.console === true ? { text: line.stdout ?? '' } : { available: false };
  const double = await host.start({ bare: true, args: line.args.map(here), config: { console } });
  const before = expected.filter((call) => call !== 'release').length;
  const heartbeat = expected.includes('vsock_bind') && expected.includes('NE_START_ENCLAVE');
  let runs = false;
  if (answer.runs) {
    const settled = double.until('the start', () => {
      const answered = !heartbeat || double.calls('heartbeat').length > 0;
      return answered && calls(double).length >= before && double.stdout === (line.stdout ?? '');
    });
    runs = await settled
      .then(() => double.kill('SIGTERM'))
      .then(
        () => true,
        () => false,
      );
  }
  const { code } = await double.ended();
  return { answer: { status: code, runs, stderr: double.stderr }, calls: calls(double), stdout: double.stdout };
}

const lines = await recordedCommandLines('with-device');
const answers = unavailable === undefined ? inLanes(lines, 3, run) : [];
for (const [index, line] of lines.entries()) {
  test(line.args.join(' '), async () => {
    if (unavailable !== undefined) return console.log(`SKIP ${unavailable}`);
    const expected = expectations.of(line);
    const { answer, calls, stdout } = await deadline('the row', answers[index] ?? run(line), 120_000);
    assert.equal(withoutHints(answer, expected.answer), expected.answer);
    assert.equal(calls, expected.calls);
    assert.is(stdout, line.stdout ?? '');
  });
}

test.run();

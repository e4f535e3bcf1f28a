import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ChipAccess,
  type ChipAnswer,
  decodeAnswers,
  encodeScript,
  levers,
  packAnswers,
  replay,
} from '../support/chip-script.js';
import { chipFamilies, randomScript, recordedAnswers, recordedScripts } from '../support/chip-script-random.js';
import { deadline } from '../support/deadline.js';

const QEMU = 'qemu-system-x86_64';
const guestSource = 'test/e2e/chips/guest.S';

interface Context {
  directory: string;
  guest: string;
}

const test = suite<Context>('e2e/chips');

const missing = [QEMU, 'as', 'ld'].find((program) => spawnSync(program, ['--version']).status !== 0);
if (missing !== undefined) {
  console.log(`SKIP ${missing} is not there`);
} else {
  test.before(async (context) => {
    context.directory = await mkdtemp(join(tmpdir(), 'chips-'));
    const object = join(context.directory, 'guest.o');
    context.guest = join(context.directory, 'guest.elf');
    const run = (program: string, args: string[]) => {
      const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
      assert.is(status, 0, stderr);
    };
    run('as', ['--32', guestSource, '-o', object]);
    run('ld', ['-m', 'elf_i386', '-Ttext', '0x100000', '-e', '_start', object, '-o', context.guest]);
  });
  test.after(({ directory }) => rm(directory, { recursive: true, force: true }));

  if (process.env.RECORD !== undefined) {
    test('answers for the unit test are recorded', async (context) => {
      const answers: Record<string, number[]> = {};
      for (const { family, seed, length } of recordedScripts) {
        answers[family] = packAnswers(await underQemu(context, randomScript(family, seed, length)));
      }
      await writeFile(recordedAnswers, `${JSON.stringify(answers)}\n`);
    });
  }

  for (const family of chipFamilies) {
    test(`${family}: random accesses are answered as by QEMU, at the same times`, async (context) => {
      const script = Array.from({ length: 25 }, (_, i) => randomScript(family, i, 400)).flat();
      const differences = replay(script, await underQemu(context, script));
      assert.equal(differences.slice(0, 10), []);
    });
  }
}

/** Runs a script under QEMU's software CPU, where an instruction takes a nanosecond. */
async function underQemu({ directory, guest }: Context, script: readonly ChipAccess[]): Promise<ChipAnswer[]> {
  const files = { script: join(directory, 'script'), answers: join(directory, 'answers') };
  await writeFile(files.script, encodeScript(script));
  const machine = ['-M', 'pc,hpet=off', '-smp', '2', '-m', '64', '-nodefaults', '-display', 'none', '-no-reboot'];
  const clock = ['-accel', 'tcg', '-icount', 'shift=0,sleep=off'];
  const boot = ['-kernel', guest, '-initrd', files.script];
  const out = ['-debugcon', `file:${files.answers}`, '-global', 'isa-debugcon.iobase=0xe9'];
  const end = ['-device', 'isa-debug-exit,iobase=0x501'];
  const serials = levers.flatMap(({ port, gsi }, index) => [
    ...['-chardev', `null,id=c${index}`],
    ...['-device', `isa-serial,chardev=c${index},index=${index},iobase=${port},irq=${gsi}`],
  ]);
  const args = [...machine, ...clock, ...boot, ...out, ...end, ...serials];
  const child = spawn(QEMU, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  await deadline('QEMU with the script', new Promise((resolve) => child.on('close', resolve)), 120_000).finally(() =>
    child.kill('SIGKILL'),
  );
  return decodeAnswers(await readFile(files.answers));
}

test.run();

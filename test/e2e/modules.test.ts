import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { emulatorPath, runEmulator } from '../support/emulator.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('modules from outside of the tree');
const dir = scratchDir();
const env = { ...process.env, QEMU_MODULE_DIR: dir };

// Written as a third party would: nothing is imported but Node's own.
writeFileSync(
  join(dir, 'machine-toaster.mjs'),
  `export default function toaster(api) {
    const { Machine, QemuError } = api.sys;
    class Toaster extends Machine {
      slices = 2;
      init(accel) { api.system.report.line('toasting ' + this.slices + ' slices with ' + accel.acceleratorName + ' at ' + accel.watts); }
    }
    api.system.types.define({
      name: 'toaster-machine',
      parent: 'machine',
      create: (type) => new Toaster(type, api.system),
      data: { desc: 'Two slots', maxCpus: 1, defaultRamSize: 0, defaultRamId: 'ram', executes: false, ports: { serial: false, parallel: false } },
      properties: {
        slices: api.qom.prop.uint32({
          get: (machine) => machine.slices,
          set: (machine, value) => {
            if (value > 4) throw new QemuError('no toaster takes ' + value + ' slices');
            machine.slices = value;
          },
          description: 'How many',
        }),
      },
    });
  }\n`,
);
writeFileSync(
  join(dir, 'accel-coil.js'),
  `module.exports = (api) => {
    const { QomObject, prop } = api.qom;
    class Coil extends QomObject {
      acceleratorName = 'coil';
      watts = 800;
      initMachine() { api.system.report.line('coil is hot'); }
      shutdown() { api.system.report.line('coil is cold'); }
    }
    api.system.types.define({
      name: 'coil-accel',
      parent: 'accel',
      create: (type) => new Coil(type),
      data: { listed: true, runs: (machine) => machine.machineName === 'toaster' },
      properties: {
        watts: prop.uint32({ get: (coil) => coil.watts, set: (coil, value) => { coil.watts = value; }, description: 'Power' }),
      },
    });
  };\n`,
);

const output = (args: string[]): string =>
  execFileSync(process.execPath, [emulatorPath(), ...args], { env, encoding: 'utf8', timeout: 30_000 });

test('a machine and an accelerator of a directory are listed with the built-in ones', () => {
  const machines = output(['-M', 'help']);
  assert.match(machines, /^toaster +Two slots$/m);
  assert.match(machines, /^nitro-enclave +AWS Nitro Enclave$/m);
  assert.match(output(['-accel', 'help']), /^coil$/m);
  assert.match(output(['-M', 'toaster,help']), 'slices=<uint32>');
  assert.match(output(['-accel', 'coil,help']), 'watts=<uint32>');
});

test('they start as built-in ones do, with their properties', async () => {
  const { status, stderr, runs } = await runEmulator(
    ['-M', 'toaster,slices=3', '-accel', 'coil,watts=1200', '-display', 'none'],
    { env },
  );
  assert.is(runs, true, stderr);
  assert.is(status, 0);
  const lines = stderr.trim().split('\n');
  assert.equal(lines.slice(0, 2), ['coil is hot', 'toasting 3 slices with coil at 1200']);
  assert.is(lines.at(-1), 'coil is cold');
});

test('errors of theirs are errors of the command line', async () => {
  const { status, stderr } = await runEmulator(['-M', 'toaster,slices=9', '-accel', 'coil', '-display', 'none'], {
    env,
  });
  assert.is(status, 1);
  assert.is(stderr, 'qemu-system-x86_64: no toaster takes 9 slices\n');
});

const broken: [name: string, text: string, reason: string][] = [
  ['machine-throws.mjs', 'throw new Error("broken\\nin two lines");\n', 'broken'],
  ['machine-nothing.mjs', 'export const x = 1;\n', 'it has no default export that is a function'],
  ['machine-syntax.mjs', 'export default function (\n', 'Unexpected end of input'],
  ['machine-init.mjs', 'export default () => { throw new Error("no power"); };\n', 'no power'],
];
for (const [file, text, reason] of broken) {
  test(`a module that is broken is one line of error: ${file}`, async () => {
    const own = join(dir, file.replace('.mjs', ''));
    mkdirSync(own);
    writeFileSync(join(own, file), text);
    const name = file.slice('machine-'.length, -'.mjs'.length);
    const { status, stderr } = await runEmulator(['-M', name, '-display', 'none'], {
      env: { ...env, QEMU_MODULE_DIR: own },
    });
    assert.is(status, 1);
    assert.is(
      stderr,
      `qemu-system-x86_64: failed to load module 'machine-${name}' from '${join(own, file)}': ${reason}\n`,
    );
  });
}

test('an accelerator that is broken is one line of error', async () => {
  const own = join(dir, 'accel');
  mkdirSync(own);
  writeFileSync(join(own, 'accel-cold.mjs'), 'throw new Error("no coil");\n');
  const { status, stderr } = await runEmulator(['-M', 'none', '-accel', 'cold', '-display', 'none'], {
    env: { ...env, QEMU_MODULE_DIR: own },
  });
  assert.is(status, 1);
  const path = join(own, 'accel-cold.mjs');
  assert.is(stderr, `qemu-system-x86_64: -accel cold: failed to load module 'accel-cold' from '${path}': no coil\n`);
});

test('a name that is no file name loads nothing', async () => {
  const { status, stderr } = await runEmulator(['-M', '../toaster', '-display', 'none'], { env });
  assert.is(status, 1);
  assert.match(stderr, 'unsupported machine type: "../toaster"');
});

test.run();

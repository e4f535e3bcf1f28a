import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { infoCommands, mainCommands } from '../../../qmp/hmp/commands/index.js';
import { HmpInterpreter } from '../../../qmp/hmp/interpreter.js';
import { asScreen, recordedScreens } from '../../support/hmp-screens.js';
import { createTestMonitor } from '../../support/monitor.js';
import { readTestData } from '../../support/schema.js';

/** What reads differently here; docs/differences-from-qemu-qmp.md says why. */
const differences: Readonly<Record<string, string | undefined>> = {
  'info version': '10.2.50 (nitro-emu-0.0.0)\n',
  // The recorded QEMU had a user network by default; these machines have no network.
  'info network': '\n',
  // Statistics of QEMU's own translator.
  'info jit': 'Error: JIT information is only available with accel=tcg\n',
  'info accel': '\n',
  // Two points more than QEMU has.
  'info trace-events nitro_*': [
    'enclave_ended',
    'enclave_started',
    'heartbeat_done',
    'heartbeat_event',
    'ioctl',
    'serial_vsock_event',
  ]
    .map((point) => `nitro_${point} : state 0\n`)
    .join(''),
  // The test's monitor is on no character device.
  'info chardev': '\n',
  'qom-list /chardevs': 'type (string)\n',
};

/** Properties and trace points come in no promised order. */
function lines(command: string, text: string): string[] {
  const all = text.split('\n');
  return /^(qom-list|info trace-events)/.test(command) ? all.sort() : all;
}

const screens = suite('hmp: recorded screens of -M none');
const monitor = await createTestMonitor();
const interpreter = new HmpInterpreter(monitor.host, new MonitorClient());

for (const [index, { command, output: recorded }] of recordedScreens('hmp-none.txt').entries()) {
  // Help is in words of our own.
  if (command === 'info') continue;
  screens(`${command} (screen ${index})`, async () => {
    const screen = asScreen(await interpreter.run(command));
    assert.equal(lines(command, screen), lines(command, differences[command] ?? recorded));
  });
}

screens.run();

const help = suite('hmp: help');

help('names and parameters are those of the recorded QEMU', () => {
  const recorded = JSON.parse(readTestData('hmp-help-names.json')) as Record<'help' | 'help info', string[]>;
  for (const { name, usage } of mainCommands) assert.ok(recorded.help.includes(`${name} ${usage}`.trim()), name);
  for (const { name, usage } of infoCommands) {
    if (name === 'nitro') continue;
    assert.ok(recorded['help info'].includes(`info ${name} ${usage}`.trim()), name);
  }
});

help('`info` alone lists what `help info` lists', async () => {
  const listing = await interpreter.run('info');
  assert.is(listing, await interpreter.run('help info'));
  assert.match(listing, /^info status {2}-- .+$/m);
});

help('`help COMMAND` tells about one', async () => {
  assert.match(await interpreter.run('help c'), /^cont\|c {2}-- .+\n$/);
  assert.match(await interpreter.run('help info status'), /^info status {2}-- .+\n$/);
  assert.is(await interpreter.run('help nonesuch'), "unknown command: 'nonesuch'\n");
});

help.run();

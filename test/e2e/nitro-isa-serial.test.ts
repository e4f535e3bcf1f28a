import { readFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import type { UnderDouble } from '../support/double.js';
import { nitroSuite } from '../support/nitro-host.js';

const { host, test, run } = await nitroSuite('isa-serial on -M nitro');
const text = 'hello from the enclave\n';
const debug = ['-accel', 'nitro,debug-mode=on', '-M', 'nitro', '-smp', '2', '-m', '128M', '-display', 'none'];
let runs = 0;

/** Runs a debug enclave with a file as chardev `c` until the file has the console. @returns what it wrote to stderr */
async function consoleTo(devices: readonly string[]): Promise<string> {
  const file = host.path(`console${runs++}`);
  const args = [...debug, '-kernel', host.path('test.eif'), '-chardev', `file,id=c,path=${file}`, ...devices];
  const double = await host.start({ bare: true, args, config: { console: { text } } });
  await deadline(`the console with ${devices.join(' ')}`, filled(double, file), 30_000);
  await double.kill('SIGTERM');
  await double.ended();
  return double.stderr;
}

async function filled(double: UnderDouble, file: string): Promise<void> {
  let ended = false;
  void double.exit.then(() => {
    ended = true;
  });
  while ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    if (ended) throw new Error(`it ended: ${double.stderr}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const end = 'qemu-system-x86_64: terminating on signal 15\n';

for (const device of [
  'isa-serial,chardev=c',
  'isa-serial,chardev=c,id=serial0,index=0',
  '{"driver": "isa-serial", "chardev": "c", "id": "serial0", "index": 0}',
]) {
  test(`-device ${device} is the enclave's console, without a default serial port beside it`, async () => {
    assert.is(await consoleTo(['-device', device]), end);
  });
}

test('with -nodefaults there is no bridge, and the console works the same', async () => {
  assert.is(await consoleTo(['-nodefaults', '-device', 'isa-serial,chardev=c']), end);
});

test('beside a nitro-serial-vsock it stays silent, with a warning', async () => {
  const stderr = await consoleTo([
    ...['-device', 'nitro-serial-vsock,chardev=c', '-chardev', 'null,id=d', '-device', 'isa-serial,chardev=d'],
  ]);
  const warning = "warning: an enclave has one console, and another device has it: 'd' stays silent";
  assert.is(stderr, `qemu-system-x86_64: ${warning}\n${end}`);
});

test("without a chardev, or with one that is not there, the errors are QEMU's", async () => {
  for (const [device, error] of [
    ['isa-serial', "No 'ISA' bus found for device 'isa-serial'"],
    ['isa-serial,index=0', "No 'ISA' bus found for device 'isa-serial'"],
    ['isa-serial,chardev=nope', "Property 'isa-serial.chardev' can't find value 'nope'"],
  ]) {
    const double = await host.start({ args: ['-device', device ?? ''] });
    const { code } = await double.ended();
    assert.is(code, 1);
    assert.is(double.stderr, `qemu-system-x86_64: -device ${device}: ${error}\n`);
  }
});

test('it cannot be plugged later', async () => {
  const { double, qmp } = await host.startQmp({ args: ['-chardev', 'null,id=c'] });
  const refusal = await qmp.refusal('device_add', { driver: 'isa-serial', chardev: 'c' });
  assert.is(refusal, "No 'ISA' bus found for device 'isa-serial'");
  qmp.close();
  await double.stop();
});

run();

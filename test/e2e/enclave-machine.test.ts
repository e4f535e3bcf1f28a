import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline, eventually } from '../support/deadline.js';
import {
  accelerators,
  type EnclaveOptions,
  EnclaveProcess,
  enclaveMissing,
  guestProgram,
} from '../support/enclave-process.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('nitro-enclave: the machine runs guest programs');

/** A test on each accelerator with an enclave that is ended after it. */
function enclave(
  name: string,
  options: EnclaveOptions | (() => Promise<EnclaveOptions>),
  body: (machine: EnclaveProcess) => Promise<void>,
) {
  for (const accelerator of accelerators) {
    test(`${accelerator}: ${name}`, async () => {
      const missing = enclaveMissing(accelerator);
      if (missing !== undefined) {
        console.log(`SKIP ${missing}`);
        return;
      }
      const machine = new EnclaveProcess({
        accelerator,
        ...(typeof options === 'function' ? await options() : options),
      });
      try {
        await body(machine);
      } finally {
        await machine.stop();
      }
    });
  }
}

const noReboot = ['-no-reboot'];

test('the programs are what their sources give with the compiler that made them', () => {
  const version = (() => {
    try {
      return execFileSync('gcc', ['-dumpfullversion'], { encoding: 'utf8' }).trim();
    } catch {
      return 'none';
    }
  })();
  if (version !== '12.2.0') {
    console.log(`SKIP gcc ${version}, not 12.2.0`);
    return;
  }
  const dir = scratchDir();
  execFileSync('sh', [guestProgram('hello').replace('hello.elf', 'build.sh'), dir]);
  for (const name of ['hello', 'memory', 'interrupts', 'smp', 'nsm', 'vsock'] as const) {
    assert.ok(readFileSync(join(dir, `${name}.elf`)).equals(readFileSync(guestProgram(name))), name);
  }
});

enclave(
  'an EIF starts, its console shows from the first byte, and a reset by the keyboard controller ends it',
  { program: 'hello', cmdline: 'say=word', args: noReboot },
  async (machine) => {
    assert.is(await machine.status(), 0);
    assert.is(machine.console, 'hello from the enclave\nword\n');
    assert.is(machine.stderr, '');
  },
);

enclave('RAM is where the memory map says', { program: 'memory', args: noReboot }, async (machine) => {
  assert.is(await machine.status(), 0);
  assert.match(machine.console, 'range 0 9fc00 type 1\nrange 9fc00 60400 type 2\nrange 100000 3f00000 type 1\nbad 0\n');
});

enclave(
  'the serial port interrupts for output and input, and an NMI comes from the monitor',
  { program: 'interrupts', cmdline: 'nmi=1', args: noReboot },
  async (machine) => {
    const qmp = await machine.qmp();
    await machine.says('interrupts came\n');
    machine.type('typed at the console\n');
    await machine.says('line: typed at the console\nwaiting for an NMI\n');
    await qmp.run('inject-nmi');
    assert.is(await machine.status(), 0);
    assert.match(machine.console, /sent by interrupts\n[\s\S]*NMI\n$/);
  },
);

enclave('all CPUs start', { program: 'smp', cmdline: 'cpus=3', args: [...noReboot, '-smp', '3'] }, async (machine) => {
  assert.is(await machine.status(), 0);
  assert.is(machine.console, 'cpus 3 sum of ids 3\n');
});

for (const [how, cmdline, machine] of [
  ['a triple fault', 'end=triple', ''],
  ["ACPI's reset register", 'end=acpi', 'acpi=on'],
] as const) {
  enclave(`${how} resets the machine, which starts anew`, { program: 'hello', cmdline, machine }, async (process) => {
    const qmp = await process.qmp();
    await process.says('hello from the enclave\nhello from the enclave\n');
    assert.equal(await qmp.event('RESET'), { guest: true, reason: 'guest-reset' });
    await qmp.run('quit');
    assert.is(await process.status(), 0);
    assert.match(process.console, /^(hello from the enclave\n)+[a-z ]*$/);
  });
}

enclave(
  'a guest that powers off ends the process with status 0',
  { program: 'hello', cmdline: 'end=off', machine: 'acpi=on', args: ['-S'] },
  async (machine) => {
    const qmp = await machine.qmp();
    await qmp.run('cont');
    assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-shutdown' });
    assert.is(await machine.status(), 0);
    assert.is(machine.console, 'hello from the enclave\n');
  },
);

enclave(
  'with -no-shutdown a guest that powers off leaves a machine that can be reset and started again',
  { program: 'hello', cmdline: 'end=off', machine: 'acpi=on', args: ['-no-shutdown'] },
  async (machine) => {
    const qmp = await machine.qmp();
    await qmp.event('SHUTDOWN');
    await qmp.event('STOP');
    assert.is(await qmp.refusal('cont'), 'Resetting the Virtual Machine is required');
    await qmp.run('system_reset');
    await qmp.run('cont');
    await machine.says('hello from the enclave\nhello from the enclave\n');
  },
);

enclave(
  'with -no-reboot or action reboot=shutdown a guest reset ends the process',
  { program: 'hello', args: ['-action', 'reboot=shutdown'] },
  async (machine) => {
    const qmp = await machine.qmp().catch(() => undefined);
    assert.is(await machine.status(), 0);
    if (qmp?.events.includes('SHUTDOWN')) {
      assert.equal(await qmp.event('SHUTDOWN'), { guest: true, reason: 'guest-reset' });
    }
  },
);

enclave(
  'a machine is held by -S, stops, goes on, and is reset from outside',
  { program: 'hello', cmdline: 'end=spin', args: ['-S'] },
  async (machine) => {
    const qmp = await machine.qmp();
    const status = async () => ((await qmp.run('query-status')) as { status: string }).status;
    assert.is(await status(), 'prelaunch');
    assert.match(await qmp.hmp('info registers'), /RIP=0000000000200000/);
    await qmp.run('cont');
    await machine.says('hello');
    await qmp.run('stop');
    assert.is(await status(), 'paused');
    const before = await qmp.hmp('info registers');
    assert.is(await qmp.hmp('info registers'), before);
    await qmp.run('cont');
    await qmp.run('system_reset');
    await machine.says('hello from the enclave\nhello from the enclave\n');
    await qmp.run('stop');
    await qmp.run('system_reset');
    assert.is(await status(), 'prelaunch');
    assert.match(await qmp.hmp('info registers'), /RIP=0000000000200000/);
    await qmp.run('cont');
    await machine.says('hello from the enclave\nhello from the enclave\nhello from the enclave\n');
  },
);

enclave(
  'every reset loads the image anew, and an image that is gone by then is an error that stops the machine',
  { program: 'hello', cmdline: 'end=halt' },
  async (machine) => {
    const qmp = await machine.qmp();
    await machine.says('hello');
    execFileSync('rm', [machine.image]);
    assert.match(await qmp.refusal('system_reset'), `could not load kernel '${machine.image}'`);
    assert.is(await qmp.refusal('cont'), 'Resetting the Virtual Machine is required');
  },
);

enclave('the power button does nothing without ACPI', { program: 'hello', cmdline: 'end=halt' }, async (machine) => {
  const qmp = await machine.qmp();
  await machine.says('hello');
  await qmp.run('system_powerdown');
  await qmp.event('POWERDOWN');
  assert.is(((await qmp.run('query-status')) as { status: string }).status, 'running');
});

enclave(
  'the monitor looks into the running guest: registers, memory, threads, devices',
  { program: 'smp', cmdline: 'cpus=2 end=spin', args: ['-smp', '2'] },
  async (machine) => {
    const qmp = await machine.qmp();
    await machine.says('cpus 2');
    const registers = await qmp.hmp('info registers -a');
    assert.match(registers, /CPU#0[\s\S]*RIP=0000000000200[0-9a-f]{3}[\s\S]*CPU#1[\s\S]*HLT=1/);
    const elf = readFileSync(guestProgram('smp'));
    const start = elf.subarray(0x1000, 0x1008);
    const bytes = [...start].map((byte) => ` 0x${byte.toString(16).padStart(2, '0')}`).join('');
    assert.is(await qmp.hmp('xp /8xb 0x200000'), `00200000:${bytes}\r\n`);
    assert.is(await qmp.hmp('x /8xb 0x200000'), `0000000000200000:${bytes}\r\n`);
    assert.is(await qmp.hmp('x /1xb 0x7000000000'), '0000007000000000: Cannot access memory\r\n');
    const cpus = (await qmp.run('query-cpus-fast')) as { 'thread-id': number; 'qom-path': string }[];
    assert.equal(
      cpus.map((cpu) => cpu['qom-path']),
      ['/machine/unattached/device[0]', '/machine/unattached/device[2]'],
    );
    const tasks = execFileSync('ls', [`/proc/${machine.child.pid}/task`], { encoding: 'utf8' }).split('\n');
    // The software CPU's vCPUs take turns in one thread.
    assert.is(new Set(cpus.map((cpu) => cpu['thread-id'])).size, machine.accelerator === 'kvm' ? 2 : 1);
    for (const cpu of cpus) assert.ok(tasks.includes(String(cpu['thread-id'])));
  },
);

enclave(
  'the NSM answers: what it is, a register as the image measures, random bytes',
  { program: 'nsm', machine: 'id=i-test,parent-id=i-0123', args: noReboot },
  async (machine) => {
    assert.is(await machine.status(), 0);
    const [description = '', register = '', random = ''] = machine.console.split('\n');
    assert.match(description, Buffer.from('i-test').toString('hex'));
    // PCR0 by an independent model of the measurements.
    const model = new URL('../../../test/support/eif_model.py', import.meta.url).pathname;
    const input = JSON.stringify({ do: 'measure', path: machine.image });
    const measured = JSON.parse(execFileSync('python3', [model], { encoding: 'utf8', input })) as { pcr0: string };
    assert.match(register, measured.pcr0);
    assert.ok(random.length > 512);
  },
);

enclave(
  'vsock carries the heartbeat, which is answered here, and connections of unix sockets',
  {
    program: 'vsock',
    cmdline: 'connections=3',
    machine: 'vsock-uds=/tmp/nitro-vsock-PID'.replace('PID', String(process.pid)),
    args: noReboot,
  },
  async (machine) => {
    const qmp = await machine.qmp();
    await machine.says('heartbeat\nready\n');
    assert.equal(await qmp.event('NITRO_HEARTBEAT'), { byte: 0xb7, ok: true });
    for (const word of ['one', 'two', 'a third, which is longer']) {
      const socket = createConnection(`/tmp/nitro-vsock-${process.pid}`);
      let received = '';
      socket.setEncoding('utf8').on('data', (piece: string) => {
        received += piece;
      });
      socket.write('CONNECT 5005\n');
      await eventually('OK', () => /^OK \d+\n$/.test(received), 20_000);
      received = '';
      socket.write(word);
      await eventually('the echo', () => received === word, 20_000);
      socket.end();
      await deadline('the end', new Promise((resolve) => socket.once('close', resolve)), 20_000);
    }
    assert.is(await machine.status(), 0);
    assert.is(machine.console, 'cid 10\nheartbeat\nready\ndone\n');
  },
);

let peer: ChildProcessWithoutNullStreams | undefined;
let said = '';

/** A vhost-user back end with CID 4. @returns its socket */
async function startPeer(): Promise<string> {
  const socket = join(scratchDir(), 'vhost4.socket');
  peer = spawn('python3', ['test/e2e/virtio/vhost_user_vsock.py', socket, '4']);
  said = '';
  peer.stdout.setEncoding('utf8').on('data', (piece: string) => {
    said += piece;
  });
  await eventually('the back end', () => said !== '', 20_000);
  return socket;
}

enclave(
  "QEMU's documented form: vsock ends in a vhost-user process, which reaches the guest",
  async () => ({
    program: 'vsock',
    cmdline: 'connections=2',
    machine: 'vsock=c,id=hello-world',
    args: ['-chardev', `socket,id=c,path=${await startPeer()}`],
  }),
  async (machine) => {
    try {
      await machine.says('cid 4\nno heartbeat\nready\n');
      peer?.stdin.write('dial 5005 over two processes\n');
      await eventually('the echo', () => said.includes('over two processes'), 20_000);
    } finally {
      peer?.kill('SIGKILL');
    }
  },
);

enclave(
  'the monitor shows virtio devices as their driver left them',
  { program: 'vsock', cmdline: 'connections=1' },
  async (machine) => {
    const qmp = await machine.qmp();
    await machine.says('ready\n');
    const devices = (await qmp.run('x-query-virtio')) as { path: string; name: string }[];
    assert.equal(devices.map(({ name }) => name).sort(), ['virtio-nsm', 'virtio-vsock']);
    const path = devices.find(({ name }) => name === 'virtio-vsock')?.path ?? '';
    const status = (await qmp.run('x-query-virtio-status', { path })) as Record<string, unknown>;
    assert.equal([status.started, status['num-vqs'], status['device-id']], [true, 3, 19]);
    // Eight receive buffers, and as many as the heartbeat has taken are given back.
    const queue = (await qmp.run('x-query-virtio-queue-status', { path, queue: 0 })) as Record<string, number>;
    assert.is(queue['vring-num'], 8);
    assert.is(queue.inuse, 0);
    assert.ok((queue['last-avail-idx'] ?? 0) > 0);
    const element = (await qmp.run('x-query-virtio-queue-element', { path, queue: 0 })) as {
      descs: unknown;
      avail: { idx: number };
    };
    assert.equal(
      (element.descs as { len: number; flags: string[] }[]).map(({ len, flags }) => [len, flags]),
      [[4096, ['write']]],
    );
    assert.is(element.avail.idx, (queue['last-avail-idx'] ?? 0) + 8);
    assert.match(await qmp.hmp('info virtio'), `${path} [virtio-vsock]`);
    assert.match(await qmp.hmp(`info virtio-status ${path}`), 'VIRTIO_CONFIG_S_DRIVER_OK');
    assert.match(await qmp.hmp(`info virtio-queue-element ${path} 0`), 'len 4096 (write)');
  },
);

enclave(
  'the clock begins where -rtc says',
  { program: 'hello', cmdline: 'end=halt', args: ['-rtc', 'base=2030-01-02T03:04:05'] },
  async (machine) => {
    const qmp = await machine.qmp();
    const time = (await qmp.run('qom-get', { path: '/machine', property: 'rtc-time' })) as Record<string, number>;
    assert.equal([time.tm_year, time.tm_mon, time.tm_mday, time.tm_hour, time.tm_min], [130, 0, 2, 3, 4]);
  },
);

enclave(
  'without heartbeat nobody answers it',
  { program: 'vsock', cmdline: 'connections=0', machine: 'heartbeat=off,guest-cid=77', args: noReboot },
  async (machine) => {
    assert.is(await machine.status(), 0);
    assert.is(machine.console, 'cid 4d\nno heartbeat\nready\ndone\n');
  },
);

test.run();

import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import { type DoubleRecord, doubleProgram, doubleUnavailable } from '../support/double.js';
import { emulatorPath } from '../support/emulator.js';
import { bzImage } from '../support/kernels.js';
import { Libvirt, libvirtUnavailable, type Terminal } from '../support/libvirt.js';
import { NitroHost } from '../support/nitro-host.js';

const test = suite('libvirt');
const unavailable = (await libvirtUnavailable()) ?? (await doubleUnavailable());
const it = (name: string, work: (lv: Libvirt) => Promise<void>): void => {
  test(name, async () => {
    if (unavailable !== undefined) return console.log(`SKIP ${unavailable}`);
    if (libvirt === undefined) throw new Error('libvirtd did not start');
    await work(libvirt);
  });
};

const consoleText = 'hello from the enclave\n';
let libvirt: Libvirt | undefined;
let host: NitroHost;
/** <domain type=> that this host has. */
const virtType = (() => {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return 'kvm';
  } catch {
    return 'qemu';
  }
})();

test.before(async () => {
  if (unavailable !== undefined) return;
  host = await NitroHost.create();
  libvirt = await Libvirt.start();
  await writeFile(host.path('bzImage'), bzImage(65_536));
  await writeFile(host.path('initrd.img'), 'x'.repeat(1500));
  await makeEmulator();
});
test.after(async () => {
  await libvirt?.remove();
  await host?.remove();
});

/** <emulator>: domains run under the double, at the process id that libvirt knows; probes run as they are. */
async function makeEmulator(): Promise<void> {
  await writeFile(host.path('double.json'), JSON.stringify(host.config({ console: { text: consoleText } })));
  const double = `${process.cwd()}/${await doubleProgram()}`;
  const program = `'${process.execPath}' '${emulatorPath()}'`;
  const script = `#!/bin/sh
case " $* " in
*' -daemonize '*)
  echo "$*" >> '${host.path('probes')}'
  exec ${program} "$@"
  ;;
esac
exec '${double}' --config '${host.path('double.json')}' --records '${host.path('records')}'-$$ -- ${program} "$@"
`;
  await writeFile(host.path('emulator'), script);
  await chmod(host.path('emulator'), 0o755);
}

interface Shape {
  type?: string;
  machine?: string;
  os?: string;
  head?: string;
  devices?: string;
  /** <qemu:arg>s. */
  args?: readonly string[];
}

const enclaveArgs = [
  ...['-accel', 'nitro,debug-mode=on'],
  ...['-device', 'nitro-vsock-bridge,id=nitro-vsock'],
  ...['-device', 'nitro-heartbeat'],
];

/** reference/libvirt/domains/nitro-minimal.xml and what else a test needs. */
function domain(name: string, shape: Shape = {}): string {
  const { type = virtType, machine = 'nitro', head = '', args = enclaveArgs } = shape;
  const { devices = "<console type='pty'/>", os = `<initrd>${host.path('initrd.img')}</initrd>` } = shape;
  return `
<domain type='${type}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>${name}</name>
  <memory unit='MiB'>128</memory>
  <vcpu>2</vcpu>
  <os>
    <type arch='x86_64' machine='${machine}'>hvm</type>
    <kernel>${host.path('bzImage')}</kernel>
    ${os}
    <cmdline>console=ttyS0</cmdline>
  </os>
  ${head}
  <devices>
    <emulator>${host.path('emulator')}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    ${devices}
  </devices>
  <qemu:commandline>${args.map((arg) => `<qemu:arg value='${arg}'/>`).join('')}</qemu:commandline>
</domain>`;
}

/** What the double recorded of a running domain. */
async function records(lv: Libvirt, name: string): Promise<DoubleRecord[]> {
  const pid = (await lv.pids()).get(name);
  const lines = readFileSync(`${host.path('records')}-${pid}`, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => JSON.parse(line) as DoubleRecord);
}

async function probes(): Promise<string[]> {
  return (await readFile(host.path('probes'), 'utf8')).trim().split('\n');
}

/** Watches a domain's QMP events from now on. It does not say when it is ready: events made for that tell. */
async function watch(lv: Libvirt, name: string): Promise<Terminal> {
  const terminal = lv.terminal('qemu-monitor-event', '--loop', '--domain', name);
  for (let i = 0; !/event STOP [\s\S]*event RESUME /.test(terminal.output); i++) {
    if (i === 50) throw new Error(`no STOP and RESUME in: ${terminal.output}`);
    await lv.ok('suspend', name);
    await lv.ok('resume', name);
  }
  return terminal;
}

it('the program itself is probed and reported with its machine', async (lv) => {
  const xml = await lv.ok('domcapabilities', '--emulatorbin', emulatorPath(), '--machine', 'nitro');
  assert.match(xml, new RegExp(`<domain>${virtType}</domain>`));
  assert.match(xml, /<machine>nitro<\/machine>/);
  const dir = lv.path('cache/libvirt/qemu/cache/capabilities');
  const cached = readdirSync(dir).map((file) => readFileSync(`${dir}/${file}`, 'utf8'));
  const own = cached.find((text) => text.includes(`<emulator>${emulatorPath()}<`)) ?? '';
  assert.is(own.includes("<flag name='kvm'/>"), virtType === 'kvm');
  assert.ok(own.includes("<flag name='tcg'/>"));
  assert.match(own, /<machine type='tcg' name='nitro' maxCpus='4096'/);
  assert.not.match(own, /name='nitro'[^>]*defaultRAMid/);
});

it('a probe that fails shows the message of the program', async (lv) => {
  await writeFile(host.path('broken'), `#!/bin/sh\nexec '${process.execPath}' '${emulatorPath()}' "$@" -bogus\n`);
  await chmod(host.path('broken'), 0o755);
  assert.match(
    await lv.refusal('domcapabilities', '--emulatorbin', host.path('broken')),
    /Failed to start QEMU binary .*broken for probing: qemu-system-x86_64: -bogus: invalid option/,
  );
});

it('a domain starts, shows itself, pauses and goes on', async (lv) => {
  await lv.define(domain('enc1'));
  await lv.ok('start', 'enc1');
  await lv.state('enc1', 'running (booted)');
  assert.match(await lv.ok('dominfo', 'enc1'), /CPU\(s\): +2\n(CPU time: .*\n)?Max memory: +131072 KiB\n/);
  assert.match(await lv.ok('domstats', 'enc1'), /vcpu\.current=2\n/);
  assert.equal(await lv.qmp('enc1', 'query-status'), { status: 'running', running: true });
  assert.is(await lv.ok('qemu-monitor-command', '--hmp', 'enc1', 'info status'), 'VM status: running');
  assert.is(await lv.qmp('enc1', 'qom-get', { path: '/machine/peripheral/nitro-vsock', property: 'enclave-cid' }), 16);
  assert.is(await lv.qmp('enc1', 'qom-get', { path: '/machine/peripheral/serial0', property: 'type' }), 'isa-serial');

  await lv.ok('suspend', 'enc1');
  await lv.state('enc1', 'paused (user)');
  assert.equal(await lv.qmp('enc1', 'query-status'), { status: 'paused', running: false });
  await lv.ok('resume', 'enc1');
  await lv.state('enc1', 'running (unpaused)');

  // -accel kvm (or tcg) of libvirt's came first, the enclave's own won; the memory is in huge pages.
  const calls = (await records(lv, 'enc1')).map(({ call }) => call);
  for (const call of ['NE_CREATE_VM', 'memfd_huge', 'NE_ADD_VCPU', 'NE_START_ENCLAVE', 'heartbeat']) {
    assert.ok(calls.includes(call), call);
  }
});

it('virsh console shows the console of the enclave from its first byte', async (lv) => {
  const terminal = lv.terminal('console', 'enc1');
  await terminal.until(consoleText.trim());
  await terminal.end();
});

it('a restarted libvirtd finds the running domain again', async (lv) => {
  const [pid] = (await lv.pids()).values();
  await lv.stopDaemon();
  await lv.startDaemon();
  await lv.state('enc1', 'running (unpaused)');
  assert.equal([...(await lv.pids()).values()], [pid]);
  await lv.ok('suspend', 'enc1');
  await lv.ok('resume', 'enc1');
  await lv.state('enc1', 'running (unpaused)');
});

it('shutdown gives POWERDOWN and leaves the domain running', async (lv) => {
  const events = await watch(lv, 'enc1');
  await lv.ok('shutdown', 'enc1', '--mode', 'acpi');
  await events.until('event POWERDOWN');
  await lv.state('enc1', 'running (unpaused)');
  await lv.ok('reboot', 'enc1', '--mode', 'acpi');
  await events.until(/event POWERDOWN[\s\S]*event POWERDOWN/);
  await lv.state('enc1', 'running (unpaused)');
  assert.not.match(events.output, /event (SHUTDOWN|RESET)/);
  await events.end('\x03');
});

it('destroy ends it at once', async (lv) => {
  await lv.ok('destroy', '--graceful', 'enc1');
  await lv.state('enc1', 'shut off (destroyed)');
  assert.match(await lv.log('enc1'), /qemu-system-x86_64: terminating on signal 15\n/);
});

it('reset ends it with SHUTDOWN, as an enclave cannot be reset', async (lv) => {
  await lv.ok('start', 'enc1');
  const events = await watch(lv, 'enc1');
  await lv.ok('reset', 'enc1');
  await lv.state('enc1', 'shut off (shutdown)');
  await events.until(/event SHUTDOWN .*: \{"guest":false,"reason":"host-qmp-system-reset"\}/);
  assert.not.match(events.output, /event RESET/);
  await events.end('\x03');
  assert.match(await lv.log('enc1'), /cpus are not resettable, terminating\n/);
});

it('start --paused donates nothing before resume', async (lv) => {
  await lv.ok('start', '--paused', 'enc1');
  await lv.state('enc1', 'paused (user)');
  assert.not((await records(lv, 'enc1')).some(({ call }) => call === 'NE_SET_USER_MEMORY_REGION'));
  await lv.ok('resume', 'enc1');
  assert.ok((await records(lv, 'enc1')).some(({ call }) => call === 'NE_START_ENCLAVE'));
  await lv.ok('destroy', 'enc1');
});

it('after all that the program was probed once for each accelerator', async () => {
  const asked = await probes();
  const line = (accel: string) =>
    new RegExp(
      `^-S -no-user-config -nodefaults -nographic -machine none,accel=${accel} ` +
        '-qmp unix:(\\S+)/qmp.monitor,server=on,wait=off -pidfile \\1/qmp.pid -daemonize$',
    );
  assert.match(asked[0] ?? '', line('kvm:tcg'));
  if (virtType === 'kvm') assert.match(asked[1] ?? '', line('tcg'));
  assert.is(asked.length, virtType === 'kvm' ? 2 : 1);
});

it('ports of every kind, -cpu, no ACPI option and its own end policy; the first port is the console', async (lv) => {
  const log = host.path('serial0.log');
  await lv.define(
    domain('enc2', {
      os: '',
      head: `<features><acpi/></features><cpu mode='maximum'/>
        <on_poweroff>destroy</on_poweroff><on_reboot>destroy</on_reboot><on_crash>destroy</on_crash>`,
      devices: `<audio id='1' type='none'/>
        <serial type='file'><source path='${log}'/><target port='0'/></serial>
        <serial type='pty'><target port='1'/></serial>
        <serial type='unix'><source mode='bind' path='${host.path('serial2')}'/><target port='2'/></serial>
        <serial type='tcp'><source mode='bind' host='127.0.0.1' service='0'/><protocol type='raw'/><target port='3'/></serial>`,
    }),
  );
  await lv.ok('start', 'enc2');
  const written = async () => {
    for (;;) {
      const text = await readFile(log, 'utf8');
      if (text === consoleText) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await deadline('the console in the file', written(), 30_000);
  const text = await lv.log('enc2');
  assert.match(text, /-add-fd set=0,fd=\d+,opaque=serial0-source/);
  assert.match(text, /-device '\{"driver":"isa-serial","chardev":"charserial3","id":"serial3","index":3\}'/);
  const silent = 'warning: an enclave has one console, it is at the first isa-serial: the others stay silent';
  assert.is(text.split(silent).length, 2);
  const chardevs = (await lv.qmp('enc2', 'query-chardev')) as { label: string; filename: string }[];
  assert.match(chardevs.find(({ label }) => label === 'charserial1')?.filename ?? '', /^pty:\/dev\/pts\/\d+$/);
  await lv.ok('destroy', 'enc2');
});

it('type qemu: a production enclave starts, and its console stays silent with one warning', async (lv) => {
  await lv.define(domain('enc3', { type: 'qemu', args: ['-accel', 'nitro'] }));
  await lv.ok('start', 'enc3');
  const text = await lv.log('enc3');
  assert.match(text, /-accel tcg \\\n/);
  assert.is(text.split('an enclave has a console in debug mode only').length, 2);
  await lv.ok('destroy', 'enc3');
});

it('what the program refuses is what virsh shows', async (lv) => {
  await lv.define(domain('enc4', { args: [] }));
  assert.match(await lv.refusal('start', 'enc4'), /qemu-system-x86_64: The 'nitro' machine requires -accel nitro/);
  await writeFile(host.path('domain.xml'), domain('enc5', { machine: 'none' }));
  assert.match(await lv.refusal('define', host.path('domain.xml')), /does not support machine type 'none'/);
});

it('commands that cannot work leave the domain running', async (lv) => {
  await lv.ok('start', 'enc1');
  assert.match(await lv.refusal('dump', '--memory-only', 'enc1', host.path('core')), /donated to the enclave/);
  await lv.state('enc1', 'running (unpaused)');
  assert.match(await lv.refusal('inject-nmi', 'enc1'), /machine does not provide NMIs/);
  assert.match(await lv.refusal('managedsave', 'enc1'), /Failed to save domain/);
  await lv.state('enc1', 'running (save canceled)');
  await lv.ok('destroy', 'enc1');
});

test.run();

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../src/system/json.js';
import { debianDependency, debianPackage, initramfs } from '../support/debian.js';
import { deviceCalls, type UnderDouble } from '../support/double.js';
import { exampleImage } from '../support/eif-example.js';
import { arm64Image, bzImage, pattern, zboot } from '../support/kernels.js';
import { nitroSuite } from '../support/nitro-host.js';

const { host, test, run } = await nitroSuite('nitro: the enclave starts');
const MIB = 1024 * 1024;
const arches = ['x86_64', 'aarch64'] as const;

const model = fileURLToPath(new URL('../../../test/support/eif_model.py', import.meta.url));
/** The image the python model wraps, in a file. */
async function modelImage(arch: (typeof arches)[number], kernel: string, initrd: string, append: string) {
  const path = host.path('model.eif');
  const flags = arch === 'aarch64' ? 1 : 0;
  const input = JSON.stringify({ do: 'wrap', kernel, initrd, append, flags, path });
  execFileSync('python3', [model], { input, timeout: 60_000 });
  return await readFile(path);
}

/** What a running enclave was started with. */
async function started(double: UnderDouble): Promise<JsonObject> {
  const { flags, cid_in, cid_out, memory, vcpus, ret } = await double.record('NE_START_ENCLAVE');
  return {
    flags: flags ?? -1,
    cid_in: cid_in ?? -1,
    cid_out: cid_out ?? -1,
    memory: memory ?? 0,
    vcpus: vcpus ?? 0,
    ret: ret ?? -1,
  };
}

/** Goes to the monitor of -nographic, asks for the CID as the quick start does, and quits. */
async function askForCid(double: UnderDouble): Promise<void> {
  double.stdin.write('\x01c');
  await double.output('(qemu) ');
  double.stdin.write('qom-get /machine/peripheral/nitro-vsock enclave-cid\n');
  await double.output(/\n16\r\n/);
  double.stdin.write('quit\n');
  assert.equal(await double.ended(), { code: 0, signal: null });
}

for (const arch of arches) {
  test(`quick start, ${arch}: an EIF, the console on stdio, the CID in the monitor`, async () => {
    const image = Buffer.from(exampleImage);
    if (arch === 'aarch64') execFileSync('python3', [model], { input: JSON.stringify(armImage()), timeout: 60_000 });
    else await writeFile(host.path('enclave.eif'), image);
    const words = '-accel nitro,debug-mode=on -M nitro -nographic -smp 2 -m 512M -kernel enclave.eif';
    const double = await host.start({
      arch,
      bare: true,
      cwd: host.dir,
      args: words.split(' '),
      dumpImage: host.path('donated'),
      config: { console: { text: 'Linux version 6\r\nhello\r\n' } },
    });
    await double.output('Linux version 6\r\nhello\r\n');
    assert.equal(await started(double), { flags: 1, cid_in: 0, cid_out: 16, memory: 512 * MIB, vcpus: 2, ret: 0 });
    assert.is((await double.record('heartbeat')).ok, true);
    assert.is((await double.record('image')).crc_ok, true);
    await askForCid(double);
    assert.ok((await readFile(host.path('enclave.eif'))).equals(await readFile(host.path('donated'))));
    assert.is(double.stderr, '');
  });

  test(`quick start, ${arch}: a kernel, an initrd and a command line are wrapped`, async () => {
    await writeFile(host.path('vmlinuz'), arch === 'x86_64' ? bzImage(300_000) : arm64Image(300_000));
    await writeFile(host.path('initrd.cpio'), pattern(3 * MIB + 5));
    const words =
      '-accel nitro,debug-mode=on -M nitro -nographic -smp 2 -m 512M -kernel vmlinuz -initrd initrd.cpio -append';
    const args = [...words.split(' '), 'console=ttyS0'];
    const double = await host.start({ arch, bare: true, cwd: host.dir, args, dumpImage: host.path('donated') });
    await double.record('heartbeat');
    await askForCid(double);
    const expected = await modelImage(arch, host.path('vmlinuz'), host.path('initrd.cpio'), 'console=ttyS0');
    assert.ok(expected.equals(await readFile(host.path('donated'))));
  });
}

/** A request for an image that aarch64 takes. */
function armImage(): JsonObject {
  const sections = [
    [1, arm64Image(5000)],
    [2, Buffer.from('a=b')],
    [5, Buffer.from('{}')],
    [3, pattern(999)],
  ] as const;
  const encoded = sections.map(([type, bytes]) => [type, bytes.toString('base64')]);
  return { do: 'build', path: host.path('enclave.eif'), sections: encoded, flags: 1, version: 4 };
}

test('arm64 kernels that are packed, by gzip or as EFI zboot, are unpacked before they are wrapped', async () => {
  const kernel = arm64Image(200_000);
  await writeFile(host.path('Image'), kernel);
  const expected = await modelImage('aarch64', host.path('Image'), '', 'quiet');
  for (const packed of [gzipSync(kernel), zboot(gzipSync(kernel))]) {
    await writeFile(host.path('packed'), packed);
    const args = ['-kernel', host.path('packed'), '-append', 'quiet'];
    const double = await host.start({ arch: 'aarch64', args, dumpImage: host.path('donated') });
    await double.record('NE_START_ENCLAVE');
    await double.stop();
    assert.ok(expected.equals(await readFile(host.path('donated'))));
  }
});

test("Debian's kernel with a busybox initramfs, wrapped on the fly, is donated as the model builds it", async () => {
  const name = await debianDependency('linux-image-cloud-amd64', /linux-image-[\d.-]+-cloud-amd64\S*/);
  const linux = name === undefined ? undefined : await debianPackage(name);
  const busybox = await debianPackage('busybox-static');
  if (linux === undefined || busybox === undefined) return console.log('SKIP no kernel and busybox from Debian');
  const [vmlinuz = ''] = (await readdir(`${linux}/boot`)).filter((file) => file.startsWith('vmlinuz'));
  await copyFile(`${linux}/boot/${vmlinuz}`, host.path('vmlinuz'));
  const program = ['bin/busybox', 'usr/bin/busybox'].find((path) => existsSync(`${busybox}/${path}`)) ?? '';
  const files = [
    { name: 'bin', mode: 0o040755, data: Buffer.alloc(0) },
    { name: 'bin/busybox', mode: 0o100755, data: await readFile(`${busybox}/${program}`) },
    { name: 'init', mode: 0o100755, data: Buffer.from('#!/bin/busybox sh\nexec /bin/busybox poweroff -f\n') },
  ];
  await writeFile(host.path('initrd.cpio'), initramfs(files));
  const append = 'console=ttyS0 panic=-1';
  const args = ['-kernel', host.path('vmlinuz'), '-initrd', host.path('initrd.cpio'), '-append', append];
  const double = await host.start({ args, dumpImage: host.path('donated') });
  await double.record('heartbeat');
  assert.is((await double.record('image')).crc_ok, true);
  await double.stop();
  const expected = await modelImage('x86_64', host.path('vmlinuz'), host.path('initrd.cpio'), append);
  assert.ok(expected.length > 6 * MIB);
  assert.ok(expected.equals(await readFile(host.path('donated'))));
});

test('a CID is chosen by the hypervisor or given, and shows over QMP and HMP', async () => {
  for (const [option, cid] of [
    ['nitro', 16],
    ['nitro,enclave-cid=42', 42],
    ['nitro,enclave-cid=4294967294', 4294967294],
  ] as const) {
    const { double, qmp } = await host.startQmp({
      bare: true,
      args: ['-accel', option, '-M', 'nitro', '-kernel', host.path('test.eif'), '-display', 'none'],
    });
    const start = await started(double);
    assert.is(start.cid_in, option === 'nitro' ? 0 : cid);
    await double.record('heartbeat');
    const path = '/machine/peripheral/nitro-vsock';
    assert.is(await qmp.run('qom-get', { path, property: 'enclave-cid' }), cid);
    assert.is(await qmp.hmp(`qom-get ${path} enclave-cid`), `${cid}\r\n`);
    assert.is(await qmp.run('qom-get', { path: '/machine/accel', property: 'enclave-cid' }), cid);
    await double.stop();
  }
});

test('debug mode off is the default and asks for no console', async () => {
  for (const option of ['nitro', 'nitro,debug-mode=off', 'nitro,debug-mode=on']) {
    const args = [
      '-accel',
      option,
      '-M',
      'nitro',
      '-kernel',
      host.path('test.eif'),
      '-display',
      'none',
      '-serial',
      'null',
    ];
    const { double, qmp } = await host.startQmp({ bare: true, args });
    const debug = option.endsWith('=on');
    assert.is((await started(double)).flags, debug ? 1 : 0);
    await double.record('heartbeat');
    assert.is(await qmp.run('qom-get', { path: '/machine/accel', property: 'debug-mode' }), debug);
    if (debug) await double.record('vsock_connect');
    await qmp.ask('quit');
    await double.ended();
    assert.is(double.calls('vsock_connect').length > 0, debug);
  }
});

test('without -smp and -m: one full core of this host and 128 MiB', async () => {
  const args = ['-accel', 'nitro', '-M', 'nitro', '-kernel', host.path('test.eif'), '-display', 'none'];
  const { double, qmp } = await host.startQmp({ bare: true, args });
  const { memory, vcpus } = await started(double);
  assert.equal({ memory, vcpus }, { memory: 128 * MIB, vcpus: 2 });
  await double.record('heartbeat');
  const cpus = (await qmp.run('query-cpus-fast')) as JsonObject[];
  assert.equal(
    cpus.map((cpu) => [cpu['cpu-index'], cpu['qom-type'], cpu['qom-path']]),
    [0, 1].map((index) => [index, 'host-x86_64-cpu', `/machine/accel/vcpu[${index}]`]),
  );
});

test('the calls come in the order that the driver wants, and the descriptors are closed on exec', async () => {
  const { double, qmp } = await host.startQmp();
  await double.record('heartbeat');
  await qmp.ask('quit');
  await double.ended();
  assert.equal(deviceCalls(double.records), [
    ...[
      'open',
      'NE_CREATE_VM',
      'vsock_socket',
      'vsock_bind',
      'NE_SET_USER_MEMORY_REGION',
      'NE_ADD_VCPU',
      'NE_ADD_VCPU',
    ],
    ...['image', 'NE_START_ENCLAVE', 'release'],
  ]);
  const CLOEXEC = 0x80000;
  for (const call of ['open', 'vsock_socket'])
    assert.is(Number((await double.record(call)).flags) & CLOEXEC, CLOEXEC, call);
});

run();

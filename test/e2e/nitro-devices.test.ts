import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import type { JsonObject } from '../../src/system/json.js';
import { type DoubleConfig, deviceCalls } from '../support/double.js';
import { nitroSuite } from '../support/nitro-host.js';

const { host, test, run } = await nitroSuite('nitro: devices by hand, hot plug, memory backends');
const PROGRAM = 'qemu-system-x86_64';
const enclave = ['-kernel', host.path('test.eif'), '-display', 'none'];
const machine = ['-accel', 'nitro,debug-mode=on', '-M', 'nitro', ...enclave];

/** Runs options that are refused. @returns what was printed */
async function refused(args: readonly string[], config: DoubleConfig = {}): Promise<string[]> {
  const double = await host.start({ bare: true, args, config });
  assert.equal(await double.ended(), { code: 1, signal: null });
  assert.is(double.calls('NE_START_ENCLAVE').filter(({ ret }) => ret === 0).length, 0);
  assert.is(double.calls('release').length, double.calls('NE_CREATE_VM').length);
  return double.stderr.trimEnd().split('\n');
}

test('-nodefaults makes no device: no port is bound, no console is asked for, nothing shows the CID', async () => {
  const { double, qmp } = await host.startQmp({ bare: true, args: [...machine, '-nodefaults', '-serial', 'null'] });
  await qmp.event('RESUME');
  await double.record('heartbeat_refused');
  assert.equal(await qmp.run('qom-list', { path: '/machine/peripheral' }), [{ name: 'type', type: 'string' }]);
  assert.equal(double.calls('vsock_socket'), []);
  assert.is(await qmp.run('qom-get', { path: '/machine/accel', property: 'enclave-cid' }), 16);
});

test('bridge, heartbeat and console made by hand do what the defaults do', async () => {
  const devices = ['nitro-vsock-bridge,id=nitro-vsock', 'nitro-heartbeat,id=h', 'nitro-serial-vsock,id=s,chardev=c'];
  const args = [
    ...machine,
    '-nodefaults',
    '-chardev',
    'stdio,id=c',
    ...devices.flatMap((device) => ['-device', device]),
  ];
  const { double, qmp } = await host.startQmp({ bare: true, args, config: { console: { text: 'by hand\r\n' } } });
  assert.is((await double.record('heartbeat')).ok, true);
  await double.output('by hand\r\n');
  const path = '/machine/peripheral/nitro-vsock';
  assert.is(await qmp.run('qom-get', { path, property: 'enclave-cid' }), 16);
  const [bridge] = (await qmp.hmp('info qtree')).split('\r\n').filter((line) => line.includes('bridge'));
  assert.match(bridge ?? '', 'dev: nitro-vsock-bridge, id "nitro-vsock"');
  assert.match(await qmp.hmp('info qtree'), 'dev: nitro-heartbeat, id "h"');
  assert.is(await qmp.run('qom-get', { path: '/machine/peripheral/s', property: 'chardev' }), 'c');
});

test('devices that cannot be: a second bridge, no bridge, no such chardev, no such property', async () => {
  const bare = [...machine, '-nodefaults'];
  const bridge = ['-device', 'nitro-vsock-bridge,id=x'];
  const rows: [args: string[], says: string][] = [
    [[...machine, ...bridge], "x: A machine has one nitro-vsock-bridge at most; 'nitro-vsock' is there already"],
    [
      [...bare, ...bridge, '-device', 'nitro-vsock-bridge'],
      "A machine has one nitro-vsock-bridge at most; 'x' is there already",
    ],
    [[...bare, '-device', 'nitro-heartbeat'], "No 'nitro-vsock-bus' bus found for device 'nitro-heartbeat'"],
    [
      [...bare, ...bridge, '-device', 'nitro-serial-vsock,chardev=nope'],
      "nitro-serial-vsock,chardev=nope: Property 'nitro-serial-vsock.chardev' can't find value 'nope'",
    ],
    [[...bare, ...bridge, '-device', 'nitro-heartbeat,nope=1'], "Property 'nitro-heartbeat.nope' not found"],
    [
      [...bare, '-device', 'nitro-vsock-bridge,enclave-cid=5'],
      "Property 'nitro-vsock-bridge.enclave-cid' is not writable",
    ],
  ];
  for (const [args, says] of rows) {
    const [line = ''] = await refused(args);
    assert.match(line, `${PROGRAM}: -device `);
    assert.ok(line.endsWith(says), `${line}\nends with ${says}`);
  }
});

test('a second heartbeat finds the port taken by the first, at once', async () => {
  const lines = await refused([...machine, '-device', 'nitro-heartbeat,id=second'], { heartbeat: false });
  assert.equal(lines, [`${PROGRAM}: -device nitro-heartbeat,id=second: Failed to bind socket: Address already in use`]);
});

const own = (options: string): string[] => [...machine, '-object', `${options},id=m`, '-machine', 'memory-backend=m'];

test('memory of the user: memfd, file on hugetlbfs, several page sizes, preallocated and bound', async () => {
  const huge = host.path('huge');
  const gigantic = host.path('gigantic');
  await Promise.all([mkdir(huge), mkdir(gigantic)]);
  const hugetlbfs = [
    { dir: huge, kib: 2048 },
    { dir: gigantic, kib: 1048576 },
  ];
  const rows: [options: string, bytes: number][] = [
    ['memory-backend-memfd,size=128M,hugetlb=on', 128],
    ['memory-backend-memfd,size=66M,hugetlb=on,hugetlbsize=2M,share=off,merge=off,dump=off', 66],
    ['memory-backend-memfd,size=1G,hugetlb=on,hugetlbsize=1G', 1024],
    ['memory-backend-memfd,size=64M,hugetlb=on,prealloc=on,host-nodes=0,policy=bind', 64],
    [`memory-backend-file,size=64M,mem-path=${huge}/ram,share=on`, 64],
    [`memory-backend-file,size=64M,mem-path=${huge},share=off,prealloc=on`, 64],
    [`memory-backend-file,size=1G,mem-path=${gigantic}/ram,share=on`, 1024],
  ];
  for (const [options, mib] of rows) {
    const double = await host.start({ bare: true, args: own(options), config: { hugetlbfs, image: 'header' } });
    const start = await double.record('NE_START_ENCLAVE');
    assert.is(start.memory, mib * 1024 * 1024, options);
    assert.is(start.ret, 0);
    assert.is(start.vcpus, 2, 'the default is one core whatever the backend asked before');
    await double.stop();
  }
});

test('memory that is not huge pages is refused by the driver, and the hint says what would be', async () => {
  const plain = `memory-backend-file,size=64M,mem-path=${host.path('plain')},share=on`;
  for (const options of ['memory-backend-memfd,size=64M', 'memory-backend-ram,size=64M', plain]) {
    const [line, hint = ''] = await refused(own(options));
    assert.is(line, `${PROGRAM}: nitro: NE_SET_USER_MEMORY_REGION failed for m (67108864 bytes): Unknown error 263`);
    assert.match(hint, /NE_ERR_MEM_NOT_HUGE_PAGE.*leave out -machine memory-backend.*memory-backend-memfd,hugetlb=on/);
  }
});

test('memory backends that do not fit: size, name, page size, NUMA node', async () => {
  const rows: [args: string[], says: RegExp][] = [
    [[...own('memory-backend-memfd,size=128M,hugetlb=on'), '-m', '256M'], /Machine memory size does not match/],
    [[...machine, '-machine', 'memory-backend=nope'], /Memory backend 'nope' not found/],
    [own('memory-backend-memfd,size=64M,hugetlb=on,hugetlbsize=16M'), /failed to create memfd.*No such device/],
    [own('memory-backend-memfd,size=64M,hugetlb=on,hugetlbsize=3M'), /'hugetlbsize'|power of 2/],
    [own('memory-backend-memfd,size=64M,hugetlb=on,policy=bind'), /host-nodes must be set for policy bind/],
  ];
  for (const [args, says] of rows) assert.match((await refused(args)).join('\n'), says);
});

test('what was donated is neither dumped nor shown; before the launch it may be', async () => {
  const file = host.path('dump');
  const { qmp } = await host.startQmp({ args: ['-S'] });
  const save = { val: 8 * 1024 * 1024, size: 16, filename: file };
  assert.equal(await qmp.run('pmemsave', save), {});
  assert.match(await qmp.hmp('xp /1xw 0x800000'), '0x6669652e');
  await qmp.run('cont');
  const reason = 'guest memory was donated to the enclave and cannot be read by its parent';
  assert.match(await qmp.refusal('pmemsave', { ...save, filename: `${file}2` }), reason);
  const dump: JsonObject = { paging: false, protocol: `file:${file}2` };
  assert.match(await qmp.refusal('dump-guest-memory', dump), reason);
  assert.match(await qmp.hmp('xp /1xw 0x800000'), reason);
  assert.is(existsSync(`${file}2`), false);
});

test('the first accelerator that the machine can use wins', async () => {
  for (const accels of [
    ['kvm', 'nitro'],
    ['tcg', 'nitro'],
    ['nitro', 'tcg'],
  ]) {
    const args = [...accels.flatMap((name) => ['-accel', name]), '-M', 'nitro', ...enclave];
    const double = await host.start({ bare: true, args });
    await double.record('heartbeat');
    assert.is(deviceCalls(double.records)[0], 'open');
    assert.is(double.stderr, '');
    await double.stop();
  }
  const absent = ['-accel', 'nitro', '-accel', 'tcg', '-M', 'nitro', ...enclave];
  assert.match((await refused(absent, { device: 'absent' })).join('\n'), 'failed to initialize nitro');
});

run();

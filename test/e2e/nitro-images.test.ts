import { copyFile, readFile, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import * as assert from 'uvu/assert';
import { exampleImage } from '../support/eif-example.js';
import { arm64Image, bzImage, pattern } from '../support/kernels.js';
import { type NitroRun, nitroSuite } from '../support/nitro-host.js';

const { host, test, run } = await nitroSuite('nitro: images that are refused, options, traces');
const PROGRAM = 'qemu-system-x86_64';
const MIB = 1024 * 1024;

/** The example image with changes; its CRC is made right again where node:zlib can. */
async function image(name: string, change: (bytes: Buffer) => void, mend = true): Promise<string> {
  const bytes = Buffer.from(exampleImage);
  change(bytes);
  if (mend && crc32 !== undefined) {
    bytes.writeUInt32BE(crc32(Buffer.concat([bytes.subarray(0, 544), bytes.subarray(548)])), 544);
  }
  return await file(name, bytes);
}

async function file(name: string, bytes: Buffer): Promise<string> {
  await writeFile(host.path(name), bytes);
  return host.path(name);
}

/** Starts with an image that must be refused before anything is donated. @returns what was printed */
async function refused(kernel: string, run: NitroRun = {}): Promise<string> {
  const double = await host.start({ ...run, args: ['-kernel', kernel, ...(run.args ?? [])] });
  assert.equal(await double.ended(), { code: 1, signal: null });
  assert.equal(
    double.records.map(({ call }) => call).filter((call) => /^(NE_|vsock)/.test(call)),
    ['NE_CREATE_VM'],
  );
  return double.stderr;
}

test('an EIF with a wrong CRC, header or table', async () => {
  const rows: [kernel: string, says: RegExp][] = [
    [await image('crc.eif', (bytes) => bytes.writeUInt8(0xff, 700), false), /CRC mismatch\. .*\n.*offset 544/],
    [
      await file('short.eif', exampleImage.subarray(0, 300)),
      /Failed to read EIF header\n.*300 bytes, an EIF header 548/,
    ],
    [await file('cut.eif', exampleImage.subarray(0, 900)), /Failed to read EIF section header\n.*offset 60, holds 900/],
    [
      await image('33.eif', (bytes) => bytes.writeUInt16BE(33, 26)),
      /section count must not be greater than 32 but found 33/,
    ],
    [await image('far.eif', (bytes) => bytes.writeBigUInt64BE(1n << 40n, 28)), /section header\n.*1099511627776/],
    [await image('big.eif', (bytes) => bytes.writeBigUInt64BE(1n << 62n, 284)), /section|size/],
    [
      await image('arm.eif', (bytes) => bytes.writeUInt16BE(1, 6)),
      /Expected EIF flags to be 0\n.*is for aarch64, this target is x86_64/,
    ],
  ];
  for (const [kernel, says] of rows) {
    const stderr = await refused(kernel);
    assert.match(stderr, says);
    assert.ok(stderr.startsWith(`${PROGRAM}: `));
    assert.is.not(stderr.includes('    at '), true, 'no stack trace');
  }
  assert.match(await refused(host.path('test.eif'), { arch: 'aarch64' }), /is for x86_64, this target is aarch64/);
});

test('a file that is neither an EIF nor a kernel of the target', async () => {
  const neither = /nitro: '.*' is neither an EIF nor a Linux kernel for x86_64\n/;
  assert.match(await refused(await file('text', Buffer.from('hello'))), neither);
  assert.match(await refused(await file('empty', Buffer.alloc(0))), neither);
  assert.match(await refused(await file('Image', arm64Image(70_000))), neither);
  const bz = await file('bzImage', bzImage(70_000));
  assert.match(await refused(bz, { arch: 'aarch64' }), /neither an EIF nor a Linux kernel for aarch64/);
  assert.match(await refused('/nonexistent'), /nitro: failed to read EIF '\/nonexistent'\nNo such file or directory/);
  assert.match(await refused(host.dir), /nitro: failed to read EIF '.*'\n.*directory/);
  const missing: NitroRun = { args: ['-initrd', '/nonexistent'] };
  assert.match(await refused(bz, missing), /\/nonexistent/);
});

test('an image larger than RAM less 8 MiB', async () => {
  const initrd = await file('initrd', pattern(57 * MIB));
  const bz = await file('bzImage', bzImage(70_000));
  const large = await refused(bz, { args: ['-initrd', initrd, '-m', '64M'] });
  assert.match(large, /larger than the guest RAM it is loaded into\n.*increase -m/);
  const fits = await host.start({ args: ['-kernel', bz, '-initrd', initrd, '-m', '66M'] });
  assert.is((await fits.record('NE_START_ENCLAVE')).ret, 0);
});

test('-initrd and -append beside an EIF are ignored, each with a warning', async () => {
  const initrd = await file('initrd.cpio', pattern(5000));
  const dumpImage = host.path('donated');
  const double = await host.start({ args: ['-initrd', initrd, '-append', 'quiet'], dumpImage });
  await double.record('heartbeat');
  assert.match(double.stderr, /warning: .*-initrd is ignored\n.*warning: .*-append is ignored\n/);
  await double.stop();
  assert.ok((await readFile(dumpImage)).equals(exampleImage));
});

test('a CPU model other than host is accepted with a warning', async () => {
  const double = await host.start({ args: ['-cpu', 'qemu64'] });
  await double.record('heartbeat');
  assert.match(double.stderr, 'warning: -cpu has no effect on a Nitro Enclave');
});

test('-accel nitro,help and wrong options of the accelerator', async () => {
  const help = await host.start({ bare: true, args: ['-accel', 'nitro,help'] });
  assert.equal(await help.ended(), { code: 0, signal: null });
  assert.match(help.stdout, /debug-mode=<bool>[\s\S]*enclave-cid=<uint64>/);
  const rows: [option: string, says: string][] = [
    ['nope=1', "Property 'nitro-accel.nope' not found"],
    ['debug-mode=maybe', "Parameter 'debug-mode' expects 'on' or 'off'"],
    ['enclave-cid=x', "Parameter 'enclave-cid' expects uint64"],
    ['enclave-cid=18446744073709551616', "Parameter 'enclave-cid' expects uint64"],
  ];
  for (const [option, says] of rows) {
    const double = await host.start({
      bare: true,
      args: ['-accel', `nitro,${option}`, '-M', 'nitro', '-display', 'none'],
    });
    assert.equal(await double.ended(), { code: 1, signal: null });
    assert.is(double.stderr, `${PROGRAM}: -accel nitro,${option}: ${says}\n`);
  }
});

test('-trace nitro_* -D FILE: what happened, by the names that QEMU has', async () => {
  const log = host.path('trace.log');
  const args = ['-trace', 'nitro_*', '-D', log];
  const accel = ['-accel', 'nitro,debug-mode=on', '-M', 'nitro', '-display', 'none', '-kernel', host.path('test.eif')];
  const all = [...accel, '-serial', 'null', ...args];
  const double = await host.start({ bare: true, args: all, config: { console: { text: 'x' } } });
  await double.record('heartbeat');
  await double.record('console_sent');
  await double.control('end', {});
  assert.equal(await double.ended(), { code: 0, signal: null });
  const lines = (await readFile(log, 'utf8')).trimEnd().split('\n');
  const names = lines.map((line) => /\b(nitro_\w+)/.exec(line)?.[1] ?? line);
  assert.equal([...new Set(names)].sort(), [
    ...['nitro_enclave_ended', 'nitro_enclave_started', 'nitro_heartbeat_done', 'nitro_heartbeat_event'],
    ...['nitro_ioctl', 'nitro_serial_vsock_event'],
  ]);
  assert.is(names.filter((name) => name === 'nitro_ioctl').length, 5);
  assert.match(lines.find((line) => line.includes('nitro_enclave_started')) ?? '', /CID=16/);
  assert.is(double.stderr, '');
});

test('without -D traces go to stderr; a pattern picks', async () => {
  const double = await host.start({ args: ['-trace', 'enable=nitro_enclave_*'] });
  await double.output('nitro_enclave_started', 'stderr');
  await double.record('heartbeat');
  assert.is(double.stderr.includes('nitro_ioctl'), false);
});

test('paths with commas and spaces', async () => {
  const kernel = host.path('an, image.eif');
  await copyFile(host.path('test.eif'), kernel);
  const double = await host.start({ args: ['-kernel', kernel] });
  assert.is((await double.record('NE_START_ENCLAVE')).ret, 0);
});

run();

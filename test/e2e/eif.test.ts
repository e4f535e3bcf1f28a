import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LOAD_OFFSET, type LoadedImage, loadEif } from '../../src/eif/load.js';
import { measureEif, ramPayloads } from '../../src/eif/measure.js';
import { type GuestRam, readRam } from '../../src/system/guest-ram.js';
import type { TargetArch } from '../../src/system/system.js';
import { deadline } from '../support/deadline.js';
import { signatureSection } from '../support/eif-image.js';
import { arm64Image, bzImage, pattern } from '../support/kernels.js';
import { MemoryRam } from '../support/memory-ram.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const test = suite('eif e2e');

const model = fileURLToPath(new URL('../../../test/support/eif_model.py', import.meta.url));
/** Asks the python model. */
function oracle<T>(request: object): T {
  const input = JSON.stringify(request);
  return JSON.parse(execFileSync('python3', [model], { input, timeout: 300_000, encoding: 'utf8' }));
}
const has = (program: string) => (process.env.PATH ?? '').split(':').some((dir) => existsSync(join(dir, program)));

let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'eif-e2e-'));
});
test.after(() => rm(dir, { recursive: true }));

const load = (kernel: string, ram: GuestRam, more: { initrd?: string; append?: string; arch?: TargetArch } = {}) =>
  deadline<LoadedImage>('the load', loadEif({ kernel, ram, arch: 'x86_64', warn: () => undefined, ...more }), 300_000);

async function measured(ram: GuestRam, loaded: LoadedImage): Promise<Record<string, string>> {
  const registers = await measureEif(ramPayloads(ram, loaded.offset, loaded.sections));
  return Object.fromEntries(
    Object.entries(registers).map(([name, value]) => [name, Buffer.from(value).toString('hex')]),
  );
}

test("images of the model's making load without a finding and measure as the model says", async () => {
  if (!has('python3')) return console.log('SKIP python3 is not installed');
  const ramdisk = fc.uint8Array({ maxLength: 5000 }).map((bytes) => Buffer.concat([bytes, Buffer.from('r')]));
  await fc.assert(
    fc.asyncProperty(
      fc.array(ramdisk, { minLength: 1, maxLength: 5 }),
      fc.boolean(),
      fc.boolean(),
      async (ramdisks, signed, arm) => {
        const sections = [
          [1, bzImage(3000)],
          [2, Buffer.from('console=ttyS0')],
          [5, Buffer.from('{}')],
          ...ramdisks.map((bytes) => [3, bytes] as const),
          ...(signed ? [[4, signatureSection()] as const] : []),
        ].map(([type, bytes]) => [type, (bytes as Buffer).toString('base64')]);
        const path = join(dir, 'model.eif');
        const built = oracle<{ crc32: number; size: number }>({
          do: 'build',
          path,
          sections,
          flags: arm ? 1 : 0,
          version: 4,
        });
        const ram = new MemoryRam(9 * MIB, MIB);
        const loaded = await load(path, ram, { arch: arm ? 'aarch64' : 'x86_64' });
        assert.equal(loaded.warnings, []);
        assert.is(loaded.crc32, built.crc32);
        assert.is(loaded.size, built.size);
        assert.equal(await measured(ram, loaded), oracle({ do: 'measure', path }));
      },
    ),
    { numRuns: 12 },
  );
});

test('a wrapped kernel is the image of the model byte for byte, on both architectures', async () => {
  if (!has('python3')) return console.log('SKIP python3 is not installed');
  const initrd = join(dir, 'initrd');
  await writeFile(initrd, pattern(9 * MIB + 7));
  const kernel = join(dir, 'kernel');
  for (const arch of ['x86_64', 'aarch64'] as const) {
    await writeFile(kernel, arch === 'x86_64' ? bzImage(300_001) : arm64Image(300_001));
    for (const options of [{ initrd, append: 'console=ttyS0' }, { append: '' }]) {
      const path = join(dir, 'wrapped.eif');
      const flags = arch === 'aarch64' ? 1 : 0;
      const built = oracle<{ crc32: number; size: number }>({
        do: 'wrap',
        kernel,
        initrd: options.initrd ?? '',
        append: options.append,
        flags,
        path,
      });
      const ram = new MemoryRam(32 * MIB, 5 * MIB);
      const loaded = await load(kernel, ram, { arch, ...options });
      assert.is(loaded.crc32, built.crc32);
      assert.ok(Buffer.from(readRam(ram, LOAD_OFFSET, built.size)).equals(await readFile(path)));
      assert.equal(await measured(ram, loaded), oracle({ do: 'measure', path }));
    }
  }
});

test('an image signed with a fresh certificate of openssl measures into PCR8 as openssl sees the certificate', async () => {
  if (!has('python3') || !has('openssl')) return console.log('SKIP python3 and openssl are not both installed');
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const pem = join(dir, 'signer.pem');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'];
  openssl('req', '-x509', ...curve, '-nodes', '-keyout', '/dev/null', '-subj', '/CN=signer', '-out', pem);
  // Human-readable text before the PEM block, as `openssl x509 -text` writes it.
  const section = signatureSection(openssl('x509', '-in', pem, '-text').toString());
  const path = join(dir, 'signed.eif');
  const sections = [[4, section.toString('base64')]];
  oracle({ do: 'build', path, sections, flags: 0, version: 4 });
  const ram = new MemoryRam(9 * MIB);
  const loaded = await load(path, ram);
  assert.is((await measured(ram, loaded)).pcr8, oracle<{ pcr8: string }>({ do: 'measure', path }).pcr8);
  const der = join(dir, 'signer.der');
  openssl('x509', '-in', pem, '-outform', 'DER', '-out', der);
  const zero = join(dir, 'zero');
  const inner = Buffer.from(openssl('dgst', '-sha384', '-binary', der));
  await writeFile(zero, Buffer.concat([Buffer.alloc(48), inner]));
  assert.is(
    (await measured(ram, loaded)).pcr8,
    Buffer.from(openssl('dgst', '-sha384', '-binary', zero)).toString('hex'),
  );
});

/** RAM of any size whose windows are all the same memory. */
function echoRam(size: number): GuestRam {
  const window = new Uint8Array(16 * MIB);
  return {
    size,
    *windows(_: number, length: number) {
      for (let at = 0; at < length; at += window.length) yield window.subarray(0, length - at);
    },
  };
}

test('an image of more than 4 GiB is loaded and its CRC agrees', async () => {
  if (!has('python3')) return console.log('SKIP python3 is not installed');
  const path = join(dir, 'huge.eif');
  const sections = [
    [1, bzImage(3000).toString('base64')],
    [2, Buffer.from('a=b').toString('base64')],
    [3, { zeros: 5 * GIB + 3 }],
    [3, Buffer.from('tail').toString('base64')],
  ];
  const built = oracle<{ crc32: number; size: number }>({ do: 'build', path, sections, flags: 0, version: 4 });
  const loaded = await load(path, echoRam(6 * GIB));
  assert.is(loaded.size, built.size);
  assert.is(loaded.crc32, built.crc32);
  assert.is(loaded.initrdSize, 5 * GIB + 7);
});

test.run();

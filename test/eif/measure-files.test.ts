import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadEif } from '../../src/eif/load.js';
import { measureFiles } from '../../src/eif/measure-files.js';
import { measureImage } from '../../src/eif/measure-image.js';
import { deadline } from '../support/deadline.js';
import { exampleImage } from '../support/eif-example.js';
import { MemoryRam } from '../support/memory-ram.js';

const test = suite('eif/measure-files');

let dir = '';
let kernel = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'measure-files-'));
  kernel = join(dir, 'example.eif');
  await writeFile(kernel, exampleImage);
});
test.after(() => rm(dir, { recursive: true }));

const none = () => undefined;
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
/** As AWS's builder measured it (spec eif.md, section 10). */
const pcrs = [
  '87f0de4f10dd6a84e349caacd97790d87ba002e13f1e7d463c3ee00218ed26d203257d7158e972964932869b535a7ede',
  'b1fe98d0a7a42bb6809b165a0b3903a85140b161d0ed653bf84904479fe960ef8e6644d2f5d7d741ef69662f53da17a7',
  '3bcb5ad7f813c90b23c699e0e0b2440440086294165aebf6a7bdbe72fbde34d06dea10eecbccb6c53a087be0a91d3df1',
];

test('an image measures the same from its file as AWS says', async () => {
  const { pcr0, pcr1, pcr2, pcr8 } = await deadline('the measurement', measureImage(kernel, none));
  assert.equal([pcr0, pcr1, pcr2].map(hex), pcrs);
  assert.ok(pcr8.every((byte) => byte === 0));
});

test('a ramdisk behind those of the image goes into PCR0 and PCR2, not into PCR1', async () => {
  const more = join(dir, 'more');
  await writeFile(more, 'more');
  const ram = new MemoryRam(16 << 20, 16 << 20);
  const loaded = await deadline('the load', loadEif({ kernel, arch: 'x86_64', ram, warn: none }));
  const measured = await deadline('the measurement', measureFiles({ kernel, arch: 'x86_64' }, loaded, more));
  const extended = (text: string) => {
    const inner = createHash('sha384').update(text, 'latin1').digest();
    return createHash('sha384').update(Buffer.alloc(48)).update(inner).digest('hex');
  };
  // The parts of the example, as spec eif.md has them.
  const kernelBytes = '\x7fKERNEL-IMAGE\x00\x01\x02';
  assert.is(hex(measured.pcr0), extended(`${kernelBytes}console=ttyS0 panic=30boot-ramdiskapp-ramdiskmore`));
  assert.is(hex(measured.pcr1), pcrs[1]);
  assert.is(hex(measured.pcr2), extended('app-ramdiskmore'));
});

test('what is no sound image is refused', async () => {
  const refused = async (content: Uint8Array): Promise<string> => {
    const path = join(dir, 'bad.eif');
    await writeFile(path, content);
    return await measureImage(path, none).then(
      () => 'no error',
      (error: Error) => error.message,
    );
  };
  assert.match(await refused(Buffer.from('text')), /Failed to read EIF header/);
  const damaged = Buffer.from(exampleImage);
  damaged[600] = (damaged[600] ?? 0) ^ 1;
  assert.match(await refused(damaged), /CRC mismatch/);
});

test.run();

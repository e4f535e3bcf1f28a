import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readGuestImage } from '../../src/eif/guest-image.js';
import { HEAD_SIZE } from '../../src/eif/kernel.js';
import { FilePart, ImageFile } from '../../src/eif/read.js';
import { deadline } from '../support/deadline.js';
import { exampleImage } from '../support/eif-example.js';
import { makeImage, text } from '../support/eif-image.js';
import { pattern } from '../support/kernels.js';
import { thrown } from '../support/thrown.js';

const test = suite('eif guest image');
let dir = '';
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'guest-image-'));
});
test.after(() => rm(dir, { recursive: true }));

/** Does `work` with a file of those bytes. */
async function withFile<T>(bytes: Uint8Array, work: (file: ImageFile, path: string) => Promise<T>): Promise<T> {
  const path = join(dir, 'image');
  await writeFile(path, bytes);
  const file = await ImageFile.open(path, 'no image');
  try {
    return await deadline('the image', work(file, path), 60_000);
  } finally {
    await file.close();
  }
}
const all = async (part: FilePart) => Buffer.from(await part.bytes(0, part.size)).toString();

test('the sections of the image that AWS’s tools made are handed out in order', async () => {
  await withFile(exampleImage, async (file) => {
    const head = await file.bytes(0, HEAD_SIZE);
    const image = await readGuestImage(file, head, 2 ** 20, (line) => assert.unreachable(line));
    // spec eif.md, section 10
    assert.is(image.crc32, 0x04ef1cb5);
    assert.is(Buffer.from(image.cmdline).toString(), 'console=ttyS0 panic=30');
    assert.match(await all(image.kernel), /KERNEL-IMAGE/);
    assert.equal(await Promise.all(image.ramdisks.map(all)), ['boot-ramdisk', 'app-ramdisk']);
  });
});

test('an image that is larger than RAM, or lacks or repeats a section, is refused', async () => {
  const refuse = (bytes: Uint8Array, room = 2 ** 20) =>
    withFile(bytes, async (file) => {
      const head = await file.bytes(0, HEAD_SIZE);
      return (await thrown(() => readGuestImage(file, head, room, () => undefined))).message;
    });
  assert.is(await refuse(exampleImage, 900), 'EIF of 923 bytes is larger than the guest RAM it is loaded into');
  const cmdline = { type: 2, bytes: text('a') };
  assert.is(await refuse(makeImage({ sections: [cmdline] })), 'Invalid EIF image. No kernel section.');
  const [kernel, ramdisk] = [1, 3].map((type) => ({ type, bytes: text('x') }));
  if (kernel === undefined || ramdisk === undefined) throw new Error('no sections');
  const twice = makeImage({ sections: [kernel, cmdline, ramdisk, cmdline] });
  assert.is(await refuse(twice), 'Invalid EIF image. More than 1 cmdline section');
});

test('a part of a file is read within its bounds only', async () => {
  const bytes = pattern(10_000);
  await withFile(bytes, async (file) => {
    const part = new FilePart(file, 100, 5000);
    assert.ok(bytes.subarray(200, 300).equals(await part.bytes(100, 100)));
    assert.ok(bytes.subarray(5000, 5100).equals(await part.bytes(4900, 1000)));
    assert.is((await part.bytes(5000, 10)).length, 0);
    assert.is((await part.bytes(9000, 10)).length, 0);
    const target = Buffer.alloc(3000);
    await part.readInto(1000, [target.subarray(0, 1), target.subarray(1, 2000), target.subarray(2000)]);
    assert.ok(target.equals(bytes.subarray(1100, 4100)));
    const error = await part.readInto(4000, [new Uint8Array(1001)]).catch((thrownError: unknown) => thrownError);
    assert.instance(error, RangeError);
  });
});

test('a file that was written to since its opening is told', async () => {
  await withFile(pattern(1000), async (file, path) => {
    await file.checkUnchanged();
    await appendFile(path, 'more');
    assert.is((await thrown(() => file.checkUnchanged())).hint, 'changed while it was read');
  });
});

test.run();

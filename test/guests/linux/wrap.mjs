// Puts kernel, command line and ramdisk into an EIF: wrap.mjs KERNEL CMDLINE RAMDISK OUTPUT
import { readFileSync, writeFileSync } from 'node:fs';
import { planImage, writeImage } from '../../../dist/src/eif/build.js';
import { bytesPayload } from '../../../dist/src/eif/read.js';

const [kernel, cmdline, initrd, output] = process.argv.slice(2);
const part = (path) => bytesPayload(readFileSync(path));
const plan = planImage('x86_64', { kernel: part(kernel), cmdline: part(cmdline), initrd: part(initrd) });
const bytes = new Uint8Array(plan.size);
const ram = {
  size: bytes.length,
  *windows(offset, length) {
    yield bytes.subarray(offset, offset + length);
  },
};
await writeImage(plan, ram, 0);
writeFileSync(output, bytes);

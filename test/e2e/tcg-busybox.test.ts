// A ramdisk with busybox under the enclave's kernel, two CPUs of the software CPU.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { enclaveKernel } from '../support/boot-files.js';
import { debianPackage, initramfs } from '../support/debian.js';
import { BOOT_MS, withLinux } from '../support/linux-process.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('tcg: busybox');
const PROCESSES = 200;
const init = `#!/bin/busybox sh
bb=/bin/busybox
$bb mkdir -p /proc
$bb mount -t proc none /proc
echo "CPUS $($bb nproc)"
$bb sha256sum /bin/busybox
$bb sha512sum /bin/busybox
$bb gzip -c /bin/busybox | $bb gunzip -c | $bb md5sum
right=0
for i in $($bb seq ${PROCESSES}); do [ "$($bb echo $i)" = $i ] && right=$((right + 1)); done
echo "PROCESSES $right"
$bb reboot -f
`;

test('two CPUs, sums as the host computes them, hundreds of processes, and a reboot that ends the machine', async () => {
  const busybox = await debianPackage('busybox-static');
  if (busybox === undefined) return console.log('SKIP apt-get cannot get busybox-static');
  const dir = scratchDir();
  const program = readFileSync(join(busybox, 'bin/busybox'));
  const files = [
    { name: 'bin', mode: 0o40755, data: Buffer.alloc(0) },
    { name: 'bin/busybox', mode: 0o100755, data: program },
    { name: 'init', mode: 0o100755, data: Buffer.from(init) },
  ];
  const initrd = join(dir, 'ramdisk');
  writeFileSync(initrd, initramfs(files));
  const args = ['-initrd', initrd, '-append', 'console=ttyS0 quiet panic=-1 reboot=k', '-no-reboot'];
  await withLinux({ kernel: enclaveKernel(dir), cpus: 2, args }, async (linux) => {
    await linux.says('PROCESSES', BOOT_MS);
    assert.is(await linux.status(), 0, linux.stderr);
    const sum = (algorithm: string) => createHash(algorithm).update(program).digest('hex');
    const wanted = [
      'CPUS 2',
      `${sum('sha256')}  /bin/busybox`,
      `${sum('sha512')}  /bin/busybox`,
      `${sum('md5')}  -`,
      `PROCESSES ${PROCESSES}`,
    ];
    assert.equal(linux.console.trim().split('\r\n').slice(0, wanted.length), wanted);
    assert.is(linux.stderr, '');
  });
});

test.run();

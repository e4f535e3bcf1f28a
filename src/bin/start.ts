import { accessSync, constants } from 'node:fs';

/** `npm start`: what this release can run on this host, and what is missing for the rest. */

function usable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

const nitro = usable('/dev/nitro_enclaves');
const lines = [
  ...(nitro
    ? ['This host can run Nitro Enclaves (/dev/nitro_enclaves opens). Boot one with:']
    : [
        'This host cannot run Nitro Enclaves: /dev/nitro_enclaves is missing or not',
        'permitted. On an EC2 parent instance:',
      ]),
  '',
  '  npx qemu-system-x86_64 -accel nitro,debug-mode=on -M nitro -nographic \\',
  '    -smp 2 -m 512M -kernel enclave.eif',
  '',
  'What is missing: the embedded machine (-M nitro-enclave on KVM or on the',
  'software CPU), which will boot a demonstration enclave here without EC2, is not',
  'part of this release. The monitor can be tried on any host:',
  '',
  '  npx qemu-system-x86_64 -M none -monitor stdio -display none',
];
process.stderr.write(`${lines.join('\n')}\n`);
process.exitCode = 1;

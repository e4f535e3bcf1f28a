import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readCbor } from '../../src/attestation/cbor.js';
import { type Plain, plainCbor } from '../support/attestation.js';
import { accelerators, type EnclaveAccelerator, EnclaveProcess, enclaveMissing } from '../support/enclave-process.js';
import { scratchDir } from '../support/scratch.js';

const test = suite('nitro-enclave: a guest asks for its attestation document');

const tool = fileURLToPath(new URL('../../bundle/src/bin/nitro-attest.js', import.meta.url));
const ca = join(scratchDir(), 'ca');
const nonce = '0102030405060708';
const parentId = 'i-1234567890abcdef0';
/** The example of AWS's guide (spec eif.md, section 7). */
const pcr4 = '08f996b5d43e047a9eb51e7f548bfee7e164fd7dc8f65541f2ac09d6545ac812719327281c401a67a10fcba87ae79ce0';

const request = plainCbor(
  new Map<Plain, Plain>([
    [
      'Attestation',
      new Map<Plain, Plain>([
        ['user_data', Buffer.from('of the guest')],
        ['nonce', Buffer.from(nonce, 'hex')],
        ['public_key', null],
      ]),
    ],
  ]),
);

interface Outcome {
  /** What the guest got. */
  readonly response: Uint8Array;
  /** nitro-attest's exit status, where the response is a document. */
  readonly status: number | null;
  readonly report: string;
}

/** Boots a guest that asks once, with faults turned on before it starts, and verifies what it got. */
async function attest(
  accelerator: EnclaveAccelerator,
  faults: readonly object[],
  machine = 'attestation=ca0',
  asked = request,
): Promise<Outcome> {
  const enclave = new EnclaveProcess({
    accelerator,
    program: 'nsm',
    cmdline: `request=${asked.toString('hex')}`,
    machine: `${machine},parent-id=${parentId},id=i-0123-enc4567`,
    args: ['-no-reboot', '-S', '-object', `nitro-attestation-ca,id=ca0,dir=${ca}`],
  });
  try {
    const qmp = await enclave.qmp();
    for (const fault of faults) await qmp.run('x-nitro-inject', { ...fault });
    await qmp.run('cont');
    assert.is(await enclave.status(), 0, enclave.stderr);
    const response = Buffer.from(enclave.console.trim(), 'hex');
    const path = join(enclave.dir, 'document');
    const document = documentIn(response);
    if (document === undefined) return { response, status: null, report: '' };
    await writeFile(path, document);
    const expected = ['--root', join(ca, 'root.pem'), '--eif', enclave.image, '--pcr4', pcr4, '--nonce', nonce];
    const parts = ['--user-data', Buffer.from('of the guest').toString('hex')];
    const run = spawnSync(process.execPath, [tool, 'verify', path, ...expected, ...parts], { encoding: 'utf8' });
    return { response, status: run.status, report: run.stdout + run.stderr };
  } finally {
    await enclave.stop();
  }
}

function documentIn(response: Uint8Array): Uint8Array | undefined {
  const { item } = readCbor(response);
  const [name, fields] = (item.type === 'map' ? item.entries[0] : undefined) ?? [];
  const [, document] = (fields?.type === 'map' ? fields.entries[0] : undefined) ?? [];
  return name?.type === 'text' && name.value === 'Attestation' && document?.type === 'bytes'
    ? document.value
    : undefined;
}

function guestTest(name: string, body: (accelerator: EnclaveAccelerator) => Promise<void>): void {
  for (const accelerator of accelerators) {
    test(`${accelerator}: ${name}`, async () => {
      const missing = enclaveMissing(accelerator);
      if (missing !== undefined) {
        console.log(`SKIP ${missing}`);
        return;
      }
      await body(accelerator);
    });
  }
}

guestTest(
  'nitro-attest accepts the document, with the registers of the image and of the parent',
  async (accelerator) => {
    const { status, report } = await attest(accelerator, []);
    assert.is(status, 0, report);
    assert.match(report, /PCR0, PCR1, PCR2, PCR8, PCR4 as expected/);
  },
);

const faults: [name: string, status: number, fault: object][] = [
  ['leaf-expired', 13, {}],
  ['leaf-not-yet-valid', 13, {}],
  ['other-root', 12, {}],
  ['broken-signature', 14, {}],
  ['truncated-document', 10, { value: 100 }],
  ['wrong-pcr', 16, { value: 4 }],
  ['replayed-nonce', 17, {}],
  ['clock-jump', 13, { value: 864_000 }],
];
for (const [fault, expected, more] of faults) {
  guestTest(`with ${fault} it fails with status ${expected}`, async (accelerator) => {
    const { status, report } = await attest(accelerator, [{ fault, ...more }]);
    assert.is(status, expected, report);
  });
}

guestTest('with nsm-error the guest gets that error', async (accelerator) => {
  const { response } = await attest(accelerator, [{ fault: 'nsm-error', value: 6, count: 1 }]);
  assert.equal(Buffer.from(response), plainCbor(new Map([['Error', 'BufferTooSmall']])));
});

guestTest('with entropy-starvation the guest gets no random bytes', async (accelerator) => {
  const asked = plainCbor('GetRandom');
  const starved = await attest(accelerator, [{ fault: 'entropy-starvation' }], undefined, asked);
  assert.equal(Buffer.from(starved.response), plainCbor(new Map([['Error', 'InternalError']])));
  const { response } = await attest(accelerator, [], undefined, asked);
  assert.ok(response.length > 256);
});

guestTest("attestation=unsigned gives QEMU's form, which nobody accepts", async (accelerator) => {
  const { status, report } = await attest(accelerator, [], 'attestation=unsigned');
  assert.is(status, 10, report);
});

guestTest('in debug mode the registers are zero', async (accelerator) => {
  const { status, report } = await attest(accelerator, [], 'attestation=ca0,debug-mode=on');
  assert.is(status, 16, report);
});

test.run();

import { createConnection } from 'node:net';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRoot, verifyDocument } from '../../src/attestation/index.js';
import { EnclaveClient } from '../../src/demo/enclave-client.js';
import { deadline } from '../support/deadline.js';
import { BOOT_MS, LinuxProcess } from '../support/linux-process.js';
import type { QmpConnection } from '../support/qmp-connection.js';

/** docs/fault-injection.md, as a Linux in an enclave meets it: the demonstration enclave on the software CPU. */
const test = suite('nitro-enclave: faults, as a guest sees them');

const ECHO_PORT = 5006;

interface Fault {
  readonly fault: string;
  readonly value?: number;
  readonly count?: number;
  readonly off?: true;
}

/** One machine for all tests: what each turns on is used up or turned off by it. */
const machine = new LinuxProcess({ machine: 'vsock-uds=DIR/vsock', args: ['-S'] });
const vsock = join(machine.dir, 'vsock');
let qmp: QmpConnection;
test.after(() => machine.stop());

const inject = (fault: Fault) => qmp.run('x-nitro-inject', { ...fault });
const activeFaults = async () => ((await qmp.run('x-nitro-query-enclave')) as { faults: Fault[] }).faults;

async function withClient<T>(work: (client: EnclaveClient) => Promise<T>): Promise<T> {
  const client = await EnclaveClient.connect(vsock, AbortSignal.timeout(30_000));
  try {
    return await deadline("the enclave's answer", work(client), 30_000);
  } finally {
    client.close();
  }
}

const nonce = Buffer.from('0102', 'hex');
const attest = () => withClient((client) => client.attest(nonce));

/** The step at which the document of a new request fails, undefined when it is accepted. */
async function failingStep(): Promise<string | undefined> {
  const { certificate } = (await qmp.run('x-nitro-query-attestation-root')) as { certificate: string };
  const registers = (await qmp.run('x-nitro-query-pcrs')) as { index: number; image?: string }[];
  const measured = registers.flatMap(({ index, image }) =>
    image === undefined ? [] : [[index, Buffer.from(image, 'hex')] as const],
  );
  const document = await attest();
  const { steps } = verifyDocument(document, {
    root: readRoot(Buffer.from(certificate)),
    pcrs: new Map(measured),
    nonce,
  });
  return steps.find(({ result }) => result === 'failed')?.step;
}

test('a lost heartbeat leaves the enclave waiting in its init, and shows in queries; a reset without it boots', async () => {
  qmp = await machine.qmp();
  await inject({ fault: 'heartbeat-lost' });
  await qmp.run('cont');
  await machine.says('enclave: init is running', BOOT_MS);
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  assert.not.match(machine.console, 'enclave: heartbeat');
  assert.not.ok(qmp.events.includes('NITRO_HEARTBEAT'));
  assert.equal(await activeFaults(), [{ fault: 'heartbeat-lost', value: 0 }]);
  assert.match(await qmp.hmp('info nitro'), /^fault: heartbeat-lost, value 0, until it is turned off\r$/m);
  await inject({ fault: 'heartbeat-lost', off: true });
  await qmp.run('system_reset');
  await machine.says('enclave: heartbeat answered', BOOT_MS);
  assert.equal(await qmp.event('NITRO_HEARTBEAT'), { byte: 0xb7, ok: true });
  await machine.says('enclave: ready', BOOT_MS);
  assert.is(await failingStep(), undefined);
});

for (const [fault, step, more] of [
  ['leaf-expired', 'validity', {}],
  ['leaf-not-yet-valid', 'validity', {}],
  ['other-root', 'chain', {}],
  ['broken-signature', 'signature', {}],
  ['truncated-document', 'cbor', { value: 100 }],
  ['wrong-pcr', 'pcrs', {}],
  ['clock-jump', 'validity', { value: -7200 * 24 }],
] as const) {
  test(`with ${fault} the document fails at ${step}, and the next one is accepted`, async () => {
    await inject({ fault, ...more, count: 1 });
    assert.is(await failingStep(), step);
    assert.is(await failingStep(), undefined);
  });
}

test('the NSM fails as often as it was told to', async () => {
  await inject({ fault: 'nsm-error', value: 6, count: 2 });
  for (let i = 0; i < 2; i++) {
    const answer = await attest().catch((error: Error) => error.message);
    assert.is(answer, 'the NSM gave no document: BufferTooSmall');
  }
  assert.ok((await attest()).length > 4000);
});

test('a slow answer keeps its requester waiting, and only that request', async () => {
  await inject({ fault: 'slow-answer', value: 2_000, count: 1 });
  const started = performance.now();
  await attest();
  const [slow, asked] = [performance.now() - started, performance.now()];
  await attest();
  assert.ok(slow >= 2_000, `${slow} ms`);
  assert.ok(performance.now() - asked < slow - 500);
});

test('a vsock reset ends one connection of the enclave, which serves the next', async () => {
  const echo = createConnection({ path: vsock });
  try {
    const received: string[] = [];
    const ended = new Promise<void>((resolve) => echo.once('close', () => resolve()));
    echo.on('error', () => {});
    echo.setEncoding('latin1').on('data', (piece: string) => received.push(piece));
    echo.write(`CONNECT ${ECHO_PORT}\n`);
    await inject({ fault: 'vsock-reset', count: 1 });
    echo.write('never echoed');
    await deadline('the reset', ended, 30_000);
    assert.match(received.join(''), /^(OK \d+\n)?$/);
  } finally {
    echo.destroy();
  }
  assert.ok((await attest()).length > 4000);
});

test("without entropy Linux's random number generator gets nothing from the NSM, and the enclave boots all the same", async () => {
  await inject({ fault: 'entropy-starvation', count: 1 });
  machine.console = '';
  await qmp.run('system_reset');
  await machine.says('enclave: ready', BOOT_MS);
  // Taken by the driver's first request for random bytes.
  assert.equal(await activeFaults(), []);
});

test('all is off again, and the guest reboots out of the machine', async () => {
  assert.equal(await activeFaults(), []);
  await qmp.run('set-action', { reboot: 'shutdown' });
  await withClient(async (client) => client.reboot());
  assert.is(await machine.status(), 0);
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { Dispatcher } from '../../../qmp/dispatch.js';
import { FaultBoard, faultNames } from '../../../src/attestation/faults.js';
import { PcrBank } from '../../../src/attestation/pcr-bank.js';
import { addNsmProperties } from '../../../src/hw/nitro/nsm-properties.js';
import type { JsonObject, JsonValue } from '../../../src/system/json.js';
import { type EnclaveView, Machine, type NsmView } from '../../../src/system/machine.js';
import { createTestMonitor } from '../../support/monitor.js';

const test = suite('commands: x-nitro-*');

interface Row {
  index: number;
  value: string;
  locked?: boolean;
  image?: string;
  note?: string;
}

/** Monitors of a machine with an enclave whose image measures to 01.., 02.., 03.. and zero. */
async function fixture(options: { nsm?: Partial<NsmView>; debugMode?: boolean; bare?: boolean } = {}) {
  const { debugMode = false, bare = false } = options;
  const bank = new PcrBank();
  const measured = new Map([0, 1, 2, 8].map((index) => [index, Buffer.alloc(48, index === 8 ? 0 : index + 1)]));
  for (const [index, value] of measured) if (!debugMode) bank.load(index, value);
  for (let index = 0; index < 16; index++) bank.lock(index);
  const nsm: NsmView = {
    root: 'a certificate\n',
    faults: new FaultBoard(),
    registers: async () =>
      Array.from({ length: 32 }, (_, index) => ({ value: bank.value(index), locked: bank.isLocked(index) })),
    ...options.nsm,
  };
  const enclave: EnclaveView = {
    debugMode,
    cid: 16,
    file: 'hello.eif',
    image: { format: 'eif', size: 923, crc32: 0x04ef1cb5, sections: [], warnings: [] },
    measure: async () => measured,
    ...(bare ? {} : { nsm }),
  };
  const monitor = await createTestMonitor();
  const { machine } = monitor.system;
  assert.instance(machine, Machine);
  Object.defineProperty(machine, 'enclave', { value: enclave });
  if (!bare) addNsmProperties(machine, nsm);
  const dispatcher = new Dispatcher(monitor.host, new MonitorClient());
  const call = async (name: string, args: JsonObject = {}): Promise<JsonValue> => dispatcher.dispatch(name, args);
  const message = (name: string, args: JsonObject = {}): Promise<string> =>
    call(name, args).then(
      () => 'no error',
      (error: Error) => error.message,
    );
  const hmp = async (line: string) => String(await call('human-monitor-command', { 'command-line': line }));
  return { bank, nsm, call, message, hmp };
}

test('registers are shown as they are now, beside what the image measures to', async () => {
  const { bank, call } = await fixture();
  const value = bank.extend(16, Buffer.from('application'));
  const rows = (await call('x-nitro-query-pcrs')) as unknown as Row[];
  assert.is(rows.length, 32);
  const one = '01'.repeat(48);
  assert.equal(rows[0], { index: 0, value: one, locked: true, image: one });
  assert.equal(rows[16], { index: 16, value: Buffer.from(value).toString('hex'), locked: false });
});

test('where they differ a note says why', async () => {
  const changed = await fixture();
  changed.bank.load(0, Buffer.alloc(48, 9));
  const [row] = (await changed.call('x-nitro-query-pcrs')) as unknown as Row[];
  assert.match(row?.note ?? '', /image file has changed/);
  const debug = (await (await fixture({ debugMode: true })).call('x-nitro-query-pcrs')) as unknown as Row[];
  assert.equal(debug.map(({ note }) => note).slice(0, 9), [
    'debug mode shows zeros',
    'debug mode shows zeros',
    'debug mode shows zeros',
    ...Array(6).fill(undefined),
  ]);
});

test('where the Nitro Hypervisor has the module, the image alone tells of registers', async () => {
  const { call, message, hmp } = await fixture({ bare: true, debugMode: true });
  const rows = (await call('x-nitro-query-pcrs')) as unknown as Row[];
  assert.equal(
    rows.map(({ index }) => index),
    [0, 1, 2, 8],
  );
  assert.is(rows[0]?.note, 'debug mode shows zeros');
  const text = 'the module of this enclave is in the Nitro Hypervisor';
  assert.is(await message('x-nitro-query-attestation-root'), text);
  assert.is(await message('x-nitro-inject', { fault: 'leaf-expired' }), text);
  assert.match(await hmp('info nitro'), /attestation: by the Nitro Hypervisor/);
});

test('the root of documents is told, unless they are not signed', async () => {
  assert.equal(await (await fixture()).call('x-nitro-query-attestation-root'), { certificate: 'a certificate\n' });
  const unsigned = await fixture({ nsm: { root: undefined } });
  assert.is(
    await unsigned.message('x-nitro-query-attestation-root'),
    'attestation documents of this machine are not signed',
  );
  assert.is(((await unsigned.call('x-nitro-query-enclave')) as JsonObject).attestation, 'unsigned');
});

test('faults are turned on and off, and shown while they are on', async () => {
  const { nsm, call, message, hmp } = await fixture();
  const shown = async () => ((await call('x-nitro-query-enclave')) as JsonObject).faults;
  assert.equal(await shown(), []);
  await call('x-nitro-inject', { fault: 'wrong-pcr', value: 3, count: 2 });
  await call('x-nitro-inject', { fault: 'leaf-expired' });
  assert.equal(await shown(), [
    { fault: 'leaf-expired', value: 0 },
    { fault: 'wrong-pcr', value: 3, count: 2 },
  ]);
  assert.match(await hmp('info nitro'), /fault: wrong-pcr, value 3, 2 time\(s\)/);
  assert.is(nsm.faults.take('wrong-pcr'), 3);
  await call('x-nitro-inject', { fault: 'leaf-expired', off: true });
  assert.equal(await shown(), [{ fault: 'wrong-pcr', value: 3, count: 1 }]);
  assert.match(await message('x-nitro-inject', { fault: 'wrong-pcr', value: 32 }), /is 32, not 0 to 31/);
  assert.is(
    await message('x-nitro-inject', { fault: 'wrong-pcr', value: 1, off: true }),
    "'off' takes neither 'value' nor 'count'",
  );
  assert.match(await message('x-nitro-inject', { fault: 'none' }), /does not accept value 'none'/);
});

test('properties show registers, and turn faults on and off', async () => {
  const { bank, nsm, call, message } = await fixture();
  const path = '/machine';
  const get = (property: string) => call('qom-get', { path, property });
  const set = (property: string, value: string) => message('qom-set', { path, property, value });
  bank.extend(31, Buffer.from('x'));
  assert.is(await get('pcr[31]'), Buffer.from(bank.value(31)).toString('hex'));
  assert.is(await set('pcr[31]', 'x'), "Property 'none-machine.pcr[31]' is not writable");
  for (const name of faultNames) assert.is(await get(`x-inject-${name}`), 'off');
  assert.is(await set('x-inject-clock-jump', 'on,value=-60,count=3'), 'no error');
  assert.is(await get('x-inject-clock-jump'), 'on,value=-60,count=3');
  assert.is(await set('x-inject-clock-jump', 'on'), 'no error');
  assert.is(await get('x-inject-clock-jump'), 'on,value=86400');
  assert.is(await set('x-inject-clock-jump', 'off'), 'no error');
  assert.equal(nsm.faults.active(), []);
  assert.is(await set('x-inject-broken-signature', 'on'), 'no error');
  assert.is(await get('x-inject-broken-signature'), 'on');
  assert.is(await set('x-inject-clock-jump', 'yes'), "'yes' is neither 'off' nor 'on[,value=N][,count=N]'");
  assert.match(await set('x-inject-broken-signature', 'on,value=1'), /takes no value/);
});

test('a machine without an enclave says so', async () => {
  const { host } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  assert.throws(() => dispatcher.dispatch('x-nitro-inject', { fault: 'wrong-pcr' }), 'this machine has no enclave');
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  encodeMemoryRegion,
  encodeStartInfo,
  type NeErrorName,
  neErrorName,
  startedCid,
} from '../../../accel/nitro/abi.js';
import { type NitroHostFacts, openHint, type Request, requestHint } from '../../../accel/nitro/diagnose.js';

const MIB = 1024 * 1024;
const facts: NitroHostFacts = {
  moduleLoaded: true,
  pool: [1, 5],
  threadsPerCore: 2,
  hugePages: [{ node: 0, size: 2 * MIB, free: 3, total: 8 }],
  poolNode: 0,
};
const request: Request = { cpus: 3, memory: 130 * MIB, cid: 2n };

const test = suite('causes and fixes of the nitro accelerator');

test('a missing device tells a host without module from an instance without enclaves', () => {
  assert.match(openHint('ENOENT', { ...facts, moduleLoaded: false }), /modprobe nitro_enclaves/);
  assert.match(openHint('ENOENT', facts), /--enclave-options Enabled=true/);
  assert.match(openHint('EACCES', facts), /usermod -aG ne/);
});

test('each error number of the driver has a hint that begins with its name', () => {
  for (let errno = 256; errno <= 275; errno++) {
    const name = neErrorName(errno);
    assert.ok(name, String(errno));
    assert.ok(requestHint(name, undefined, request, facts).startsWith(`NE_ERR_${name}: `), name);
  }
  assert.is(neErrorName(255), undefined);
  assert.is(neErrorName(276), undefined);
  assert.is(neErrorName(12), undefined);
});

test('the hint for CPUs names pool, threads per core and a whole number of cores', () => {
  const hint = requestHint('NO_CPUS_AVAIL_IN_POOL', undefined, request, facts);
  assert.match(hint, /holds 2 CPUs \(1,5; 2 threads a core on this host\)/);
  assert.match(hint, /cpu_count: 4/);
  assert.match(requestHint('NO_CPUS_AVAIL_IN_POOL', undefined, request, { ...facts, pool: [] }), /pool is empty/);
  assert.match(requestHint('FULL_CORES_NOT_USED', undefined, request, facts), /-smp is 3: use -smp 4/);
});

test('the hint for memory has what is asked, what is free, and the command that reserves it', () => {
  const hint = requestHint(undefined, 'ENOMEM', request, facts);
  assert.match(hint, /130 MiB = 65 huge pages of 2 MiB/);
  assert.match(hint, /node 0: 3 of 8 pages of 2 MiB free/);
  assert.match(hint, /echo 65 \| sudo tee \/sys\/devices\/system\/node\/node0\//);
});

test('a CID is judged reserved or possibly in use', () => {
  assert.match(requestHint('INVALID_ENCLAVE_CID', undefined, request, facts), /CID 2 is reserved/);
  assert.match(requestHint(undefined, 'EEXIST', { ...request, cid: 16n }, facts), /CID 16 may be in use/);
});

test('structures have the layout of the header', () => {
  const region = encodeMemoryRegion(2 * MIB, 0x7fff_0000_0000n);
  assert.equal([...new BigUint64Array(region.buffer, region.byteOffset, 3)], [0n, BigInt(2 * MIB), 0x7fff_0000_0000n]);
  const start = encodeStartInfo(true, 42n);
  assert.equal([...new BigUint64Array(start.buffer, start.byteOffset, 2)], [1n, 42n]);
  assert.is(startedCid(start), 42);
});

test('the names are those of the header', () => {
  const first: NeErrorName = 'VCPU_ALREADY_USED';
  assert.is(neErrorName(256), first);
  assert.is(neErrorName(275), 'INVALID_ENCLAVE_CID');
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { e820Map, encodeE820 } from '../../../src/hw/i386/e820.js';
import { MIB, machineMemory } from '../../support/i386-kernels.js';
import { thrown } from '../../support/thrown.js';

const test = suite('e820');

test('RAM below 1 MiB ends at the EBDA', () => {
  assert.equal(e820Map(machineMemory(512 * MIB)), [
    { addr: 0, size: 0x9fc00, type: 'ram' },
    { addr: 0x9fc00, size: 0x60400, type: 'reserved' },
    { addr: 0x100000, size: 511 * MIB, type: 'ram' },
  ]);
});

test('RAM beyond 3 GiB continues at 4 GiB', () => {
  assert.is(e820Map(machineMemory(3072 * MIB)).length, 3);
  assert.equal(e820Map(machineMemory(8192 * MIB)).slice(2), [
    { addr: 0x100000, size: 3071 * MIB, type: 'ram' },
    { addr: 0x100000000, size: 5120 * MIB, type: 'ram' },
  ]);
});

test('an entry has 20 bytes', () => {
  const bytes = encodeE820([{ addr: 0x123456789a, size: 0x200000000, type: 'reserved' }]);
  assert.is(Buffer.from(bytes).toString('hex'), '9a78563412000000000000000200000002000000');
});

test('a machine without RAM above 1 MiB is refused', async () => {
  assert.is((await thrown(() => e820Map(machineMemory(MIB)))).message, 'guest RAM is too small');
});

test.run();

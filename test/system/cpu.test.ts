import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCpuModel } from '../../src/system/cpu.js';

const test = suite('cpu');

test('features come in their order, plus and minus as on and off', () => {
  assert.equal(parseCpuModel('x86_64', 'host,+cx16,-xsave,phys-bits=40,pmu'), {
    name: 'host',
    typeName: 'host-x86_64-cpu',
    properties: [
      ['cx16', 'on'],
      ['xsave', 'off'],
      ['phys-bits', '40'],
      ['pmu', 'on'],
    ],
  });
});

test('names that contain hyphens are whole', () => {
  assert.is(parseCpuModel('x86_64', 'Cascadelake-Server-v3,+core-capability').name, 'Cascadelake-Server-v3');
});

test('a vendor that is not 12 characters is refused in the words of QEMU 7.2', () => {
  assert.throws(
    () => parseCpuModel('x86_64', 'host,vendor=Me'),
    "can't apply global host-x86_64-cpu.vendor=Me: Property '.vendor' doesn't take value 'Me'",
  );
});

test.run();

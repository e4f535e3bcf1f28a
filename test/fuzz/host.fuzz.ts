import * as fc from 'fast-check';
import { suite } from 'uvu';
import { parseCpuList, parsePageSize } from '../../src/host/host-facts.js';
import { findListener } from '../../src/host/vsock-diag.js';

const test = suite('fuzz/host');
const numRuns = 1_000_000;

test('the CPU list parser takes any text', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9,\- \n]{0,40}$/));
  const ascending = (list: number[]) => list.every((cpu, i) => i === 0 || cpu > (list[i - 1] ?? 0));
  fc.assert(
    fc.property(text, (input) => ascending(parseCpuList(input) ?? [])),
    { numRuns },
  );
});

test('the auxiliary vector parser takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => (parsePageSize(Buffer.from(bytes)) ?? 0) >= 0),
    { numRuns },
  );
});

test('the vsock_diag parser takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (bytes, port) => {
      const answer = findListener(Buffer.from(bytes), port);
      return answer === undefined || answer === 'more' || answer >= 0;
    }),
    { numRuns },
  );
});

test.run();

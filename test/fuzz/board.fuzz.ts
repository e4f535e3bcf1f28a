import * as fc from 'fast-check';
import { suite } from 'uvu';
import { clockHolds, clockSteps, keyboardHolds, keyboardSteps, uartHolds, uartSteps } from '../support/board-fuzz.js';

const test = suite('fuzz/board');
const numRuns = 1_000_000;

test('a serial port survives whatever is accessed', () => {
  fc.assert(fc.property(uartSteps, uartHolds), { numRuns });
});

test('a keyboard controller survives whatever is accessed', () => {
  fc.assert(fc.property(keyboardSteps, keyboardHolds), { numRuns });
});

test('a clock survives whatever is accessed, whenever', () => {
  fc.assert(fc.property(clockSteps, clockHolds), { numRuns });
});

test.run();

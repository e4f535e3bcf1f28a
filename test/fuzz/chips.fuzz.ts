import { suite } from 'uvu';
import { chipsSurvive } from '../support/chips-fuzz.js';

const test = suite('fuzz: interrupt chips');

test('1 M accesses of a hostile guest', () => {
  // 40 accesses each, on average.
  chipsSurvive(25_000);
});

test.run();

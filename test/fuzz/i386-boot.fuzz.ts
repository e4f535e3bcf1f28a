import { suite } from 'uvu';
import { bootParsersHold } from '../support/i386-fuzz.js';

const test = suite('i386 boot fuzz');

test('a damaged kernel is refused, or understood with nothing out of bounds', () => bootParsersHold(1_000_000));

test.run();

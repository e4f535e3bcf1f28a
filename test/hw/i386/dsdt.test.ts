import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dsdtTerms } from '../../../src/hw/i386/dsdt.js';
import { virtioSlot } from '../../../src/hw/i386/memory-layout.js';

const test = suite('DSDT');
const recorded: { terms: string } = JSON.parse(
  readFileSync(new URL('../../../../test/hw/i386/dsdt.json', import.meta.url), 'utf8'),
);

test("the definition block is byte for byte what Intel's compiler makes of dsdt.asl", () => {
  const terms = dsdtTerms([virtioSlot(7, true), virtioSlot(6, true)], 0x505);
  assert.is(Buffer.from(terms).toString('hex'), recorded.terms);
});

test.run();

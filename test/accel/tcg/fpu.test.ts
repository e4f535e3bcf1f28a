import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Encoding } from '../../../accel/tcg/isa/table.js';
import { CoreCpu } from '../../support/core-cpu.js';
import { approximateEncodings, fpuCase, titleOf, transcendentalEncodings } from '../../support/fpu-cases.js';
import { outcome } from '../../support/fpu-compare.js';
import { casesOf, digest, RECORDED, recordedDigests, vectorEncodings } from '../../support/fpu-vectors.js';
import { Random } from '../../support/instruction-cases.js';

const test = suite('tcg: floating point and SIMD');
const core = new CoreCpu();

test('every encoding gives what an Intel processor was recorded to give', () => {
  const digests = vectorEncodings.map((encoding) => {
    const results = casesOf(encoding, RECORDED).map((one) => core.run(one));
    return [titleOf(encoding), digest(encoding, results)];
  });
  assert.equal(Object.fromEntries(digests), recordedDigests());
});

test('approximate reciprocals are within 1.5 * 2^-12', () => {
  const encoding = named(approximateEncodings, 'rcpss');
  const root = named(approximateEncodings, 'rsqrtss');
  const random = new Random(1);
  for (let i = 0; i < 2000; i++) {
    const x = Math.fround((1 + random.u32() / 2 ** 32) * 2 ** (random.below(240) - 120));
    assert.ok(Math.abs(scalar(encoding, x) * x - 1) <= 1.5 * 2 ** -12, `rcpss ${x}`);
    assert.ok(Math.abs(scalar(root, x) * Math.sqrt(x) - 1) <= 1.5 * 2 ** -12, `rsqrtss ${x}`);
  }
});

function named(encodings: readonly Encoding[], name: string): Encoding {
  const found = encodings.find(({ row }) => row.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
}

/** Offsets in a struct test, and in the state of a struct result. */
const IMAGE = 24 + 144;
const RESULT_IMAGE = 32 + 144;

/** A scalar of single precision through `F3 0F xx C1`: XMM0 from XMM1. */
function scalar({ opcode }: Encoding, x: number): number {
  const one = fpuCase(named(approximateEncodings, 'rcpss'), new Random(0));
  one.fill(0xcc, 0, 16);
  Buffer.from([0xf3, 0x0f, opcode, 0xc1]).copy(one);
  one.writeFloatLE(x, IMAGE + 160 + 16);
  return core.run(one).readFloatLE(RESULT_IMAGE + 160);
}

interface FunctionVector {
  readonly name: string;
  /** ST(0), ST(1) and the register that becomes the result, 80 bits in hex. */
  readonly st0: string;
  readonly st1: string;
  readonly result: string;
}

test('transcendental functions are what mpmath says, rounded to nearest', () => {
  const vectors: readonly FunctionVector[] = JSON.parse(readFileSync('test/accel/tcg/x87-functions.json', 'utf8'));
  for (const { name, st0, st1, result } of vectors) {
    const encoding = named(transcendentalEncodings, name);
    const one = fpuCase(encoding, new Random(0));
    one.writeUInt16LE(0x37f, IMAGE);
    one.writeUInt16LE(0, IMAGE + 2);
    one.writeUInt8(3, IMAGE + 4);
    for (const [i, number] of [st0, st1].entries())
      Buffer.from(number, 'hex')
        .reverse()
        .copy(one, IMAGE + 32 + 16 * i);
    const parts = outcome(encoding, core.run(one));
    assert.is(parts.get('trap'), 'none');
    // FPTAN pushes 1 on its result.
    assert.is(parts.get(name === 'fptan' ? 'st1' : 'st0'), result, `${name} ${st0} ${st1}`);
  }
});

test.run();

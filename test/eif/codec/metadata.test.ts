import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { metadataProblem } from '../../../src/eif/codec/metadata.js';
import { exampleImage } from '../../support/eif-example.js';

const test = suite('eif metadata');
const problem = (text: string) => metadataProblem(Buffer.from(text));

test("AWS's metadata, QEMU's empty object and null are right", () => {
  assert.is(metadataProblem(exampleImage.subarray(622, 622 + 254)), undefined);
  assert.is(problem('{}'), undefined);
  assert.is(problem('null'), undefined);
});

test('what is not a JSON object is named', () => {
  assert.match(problem('{"a"') ?? '', /^not JSON: /);
  assert.match(metadataProblem(Buffer.from([0xff])) ?? '', /^not JSON: /);
  assert.is(problem('[]'), 'not a JSON object');
  assert.is(problem('7'), 'not a JSON object');
});

test('missing members are named', () => {
  const whole = JSON.parse(exampleImage.toString('utf8', 622, 622 + 254));
  delete whole.DockerInfo;
  delete whole.BuildMetadata.KernelVersion;
  assert.match(problem(JSON.stringify(whole)) ?? '', /^lacks DockerInfo, BuildMetadata.KernelVersion,/);
});

test('arbitrary bytes are answered, deep nesting too', () => {
  assert.match(problem('['.repeat(1_000_000)) ?? '', /^not JSON: /);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (bytes) => {
        metadataProblem(bytes);
      },
    ),
  );
});

test.run();

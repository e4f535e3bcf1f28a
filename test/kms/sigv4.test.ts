import { createHash, createHmac } from 'node:crypto';
import { SignatureV4 } from '@smithy/signature-v4';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { KmsError } from '../../src/kms/errors.js';
import { authenticate, type Credentials, ROOT_ARN, type SignedRequest } from '../../src/kms/sigv4.js';
import { deadline } from '../support/deadline.js';

const test = suite('Signature Version 4');

/** The hash that AWS's signer wants to be given. */
class Sha256 {
  readonly #secret: Uint8Array | undefined;
  #data = Buffer.alloc(0);

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret =
      secret === undefined || typeof secret === 'string'
        ? secret === undefined
          ? undefined
          : Buffer.from(secret)
        : new Uint8Array(
            ArrayBuffer.isView(secret)
              ? secret.buffer.slice(secret.byteOffset, secret.byteOffset + secret.byteLength)
              : secret,
          );
  }

  update(data: string | Uint8Array): void {
    this.#data = Buffer.concat([this.#data, Buffer.from(data as Uint8Array)]);
  }

  reset(): void {
    this.#data = Buffer.alloc(0);
  }

  async digest(): Promise<Uint8Array> {
    const hash = this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
    return hash.update(this.#data).digest();
  }
}

const credentials: Credentials = {
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  arn: 'arn:aws:iam::111122223333:role/parent',
};
const time = Date.parse('2026-02-03T04:05:06Z');

/** A request signed by AWS's own signer. */
async function signed(
  body: string,
  more: { service?: string; query?: Record<string, string> } = {},
): Promise<SignedRequest> {
  const { service = 'kms', query = {} } = more;
  const signer = new SignatureV4({ credentials, region: 'us-east-1', service, sha256: Sha256 as never });
  const request = {
    method: 'POST',
    protocol: 'http:',
    hostname: '127.0.0.1',
    path: '/',
    query,
    headers: { host: '127.0.0.1:8180', 'x-amz-target': 'TrentService.Decrypt', 'content-type': 'a  b' },
    body,
  };
  const signing: Promise<unknown> = signer.sign(request as never, { signingDate: new Date(time) });
  const result = (await deadline('the signature', signing)) as { headers: Record<string, string> };
  const search = new URLSearchParams(query).toString();
  const headers = Object.fromEntries(
    Object.entries(result.headers).map(([name, value]) => [name.toLowerCase(), value]),
  );
  return { method: 'POST', target: search === '' ? '/' : `/?${search}`, headers, body: Buffer.from(body) };
}

function kmsError(thrown: unknown): KmsError {
  if (!(thrown instanceof KmsError)) throw thrown;
  return thrown;
}

function refusal(request: SignedRequest, known: readonly Credentials[] = [credentials], now = time): string {
  try {
    authenticate(request, known, now);
    return '';
  } catch (error) {
    return kmsError(error).name;
  }
}

test("requests signed by AWS's own signer are accepted, and tell who calls", async () => {
  // The signer itself loses this name.
  const name = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__');
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.dictionary(name, fc.string()), async (body, query) => {
      const plain: Record<string, string> = { ...query };
      assert.is(authenticate(await signed(body, { query: plain }), [credentials], time), credentials.arn);
    }),
    { numRuns: 50 },
  );
});

test('a request that was changed after it was signed is refused', async () => {
  const request = await signed('{"a":1}');
  const bad = 'InvalidSignatureException';
  assert.is(refusal({ ...request, body: Buffer.from('{"a":2}') }), bad);
  assert.is(refusal({ ...request, method: 'PUT' }), bad);
  assert.is(refusal({ ...request, target: '/?a=1' }), bad);
  assert.is(refusal({ ...request, headers: { ...request.headers, 'x-amz-target': 'TrentService.Encrypt' } }), bad);
  assert.is(refusal(request, [{ ...credentials, secretAccessKey: 'another' }]), bad);
  assert.is(refusal(request, [credentials], time + 16 * 60_000), bad);
  assert.is(refusal(request, [credentials], time - 16 * 60_000), bad);
  assert.is(refusal(request, [credentials], time + 14 * 60_000), '');
  assert.is(refusal(await signed('{}', { service: 's3' })), bad);
});

test('callers that are not known, or do not sign, are refused', async () => {
  const request = await signed('{}');
  assert.is(refusal(request, [{ ...credentials, accessKeyId: 'AKIDOTHER' }]), 'UnrecognizedClientException');
  assert.is(refusal(request, [{ ...credentials, sessionToken: 'token' }]), 'UnrecognizedClientException');
  assert.is(refusal({ ...request, headers: {} }), 'MissingAuthenticationTokenException');
});

test('an authorization that cannot be parsed is refused, with and without credentials to check it', async () => {
  const request = await signed('{}');
  const good = request.headers.authorization ?? '';
  for (const authorization of [
    '',
    'Basic dXNlcg==',
    good.replace('AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1'),
    good.replace('aws4_request', 'aws3_request'),
    good.replace(/Signature=.*/, 'Signature=00'),
    good.replace('host;', ''),
    good.replace('/us-east-1', ''),
  ]) {
    const changed = { ...request, headers: { ...request.headers, authorization } };
    assert.is(refusal(changed), 'IncompleteSignatureException', authorization);
    assert.is(refusal(changed, []), 'IncompleteSignatureException', authorization);
  }
});

test('without credentials to check, whoever calls is the root of the account', async () => {
  assert.is(authenticate(await signed('{}'), [], time), ROOT_ARN);
  assert.is(authenticate({ method: 'POST', target: '/', headers: {}, body: Buffer.alloc(0) }, [], time), ROOT_ARN);
});

test.run();

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { KmsError } from './errors.js';
import { ACCOUNT } from './keys.js';

/** A caller that is known by its keys. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Required of the request when there is one. */
  readonly sessionToken?: string;
  /** Who that is to key policies; default the account's root. */
  readonly arn?: string;
}

/** The parts of an HTTP request that are signed. */
export interface SignedRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: Uint8Array;
}

/** A caller who has proved nothing, because no credentials were given to check with. */
export const ROOT_ARN = `arn:aws:iam::${ACCOUNT}:root`;
const ALGORITHM = 'AWS4-HMAC-SHA256';
/** How far a request's time may be from ours, ms. */
const CLOCK_TOLERANCE = 15 * 60_000;

interface Authorization {
  readonly accessKeyId: string;
  /** yyyymmdd */
  readonly date: string;
  readonly region: string;
  readonly service: string;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
}

/**
 * Parses a request's Signature Version 4 and, when there are credentials to check with, verifies it.
 *
 * @param known the callers; empty: whoever calls is the account's root
 * @param now milliseconds since 1970
 * @returns the caller's ARN
 * @throws KmsError
 */
export function authenticate(request: SignedRequest, known: readonly Credentials[], now: number): string {
  const header = request.headers.authorization;
  if (header === undefined) {
    if (known.length === 0) return ROOT_ARN;
    throw new KmsError('MissingAuthenticationTokenException', 'the request is not signed');
  }
  const authorization = parse(header);
  if (known.length === 0) return ROOT_ARN;
  const caller = known.find(({ accessKeyId }) => accessKeyId === authorization.accessKeyId);
  if (caller === undefined) {
    throw new KmsError('UnrecognizedClientException', `access key '${authorization.accessKeyId}' is not known`);
  }
  if (caller.sessionToken !== undefined && request.headers['x-amz-security-token'] !== caller.sessionToken) {
    throw new KmsError('UnrecognizedClientException', 'the security token is not that of the access key');
  }
  verify(request, authorization, caller.secretAccessKey, now);
  return caller.arn ?? ROOT_ARN;
}

function incomplete(message: string): KmsError {
  return new KmsError('IncompleteSignatureException', message);
}

function parse(header: string): Authorization {
  const [algorithm, ...rest] = header.split(' ');
  if (algorithm !== ALGORITHM) throw incomplete(`the authorization is not ${ALGORITHM}`);
  const fields = new Map(
    rest
      .join('')
      .split(',')
      .map((field): [string, string] => {
        const at = field.indexOf('=');
        return [field.slice(0, at), field.slice(at + 1)];
      }),
  );
  const [accessKeyId, date, region, service, end, ...more] = (fields.get('Credential') ?? '').split('/');
  const signedHeaders = (fields.get('SignedHeaders') ?? '').split(';');
  const signature = fields.get('Signature') ?? '';
  if (!accessKeyId || !/^\d{8}$/.test(date ?? '') || !region || !service || end !== 'aws4_request' || more.length > 0) {
    throw incomplete('Credential is not ID/DATE/REGION/SERVICE/aws4_request');
  }
  if (!signedHeaders.includes('host') || !signedHeaders.includes('x-amz-date')) {
    throw incomplete("SignedHeaders lacks 'host' or 'x-amz-date'");
  }
  if (!/^[0-9a-f]{64}$/.test(signature)) throw incomplete('Signature is not 64 hex digits');
  return { accessKeyId, date: date ?? '', region, service, signedHeaders, signature };
}

function verify(request: SignedRequest, authorization: Authorization, secret: string, now: number): void {
  const { date, region, service, signedHeaders, signature } = authorization;
  const wrong = (message: string) => new KmsError('InvalidSignatureException', message);
  const time = request.headers['x-amz-date'] ?? '';
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(time) ?? [];
  const signedAt = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (!time.startsWith(date) || Number.isNaN(signedAt))
    throw incomplete("'x-amz-date' is not a time of the credential");
  if (Math.abs(now - signedAt) > CLOCK_TOLERANCE) throw wrong(`the signature was made at ${time}, too far from now`);
  if (service !== 'kms') throw wrong(`the credential is for '${service}', not for kms`);
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = [ALGORITHM, time, scope, sha256(canonicalRequest(request, signedHeaders))].join('\n');
  const key = [date, region, service, 'aws4_request'].reduce<Buffer>(
    (previous, part) => hmac(previous, part),
    Buffer.from(`AWS4${secret}`),
  );
  if (!timingSafeEqual(hmac(key, text), Buffer.from(signature, 'hex'))) {
    throw wrong("the signature is not that of the request with the caller's secret key");
  }
}

/** AWS Signature Version 4, "Create a canonical request". */
function canonicalRequest({ method, target, headers, body }: SignedRequest, signed: readonly string[]): string {
  const url = new URL(target, 'http://host');
  const query = [...url.searchParams]
    .map(([name, value]) => [uriEncode(name), uriEncode(value)] as const)
    .sort(([a, x], [b, y]) => order(a, b) || order(x, y))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
  const lines = signed.map((name) => `${name}:${(headers[name] ?? '').trim().replaceAll(/ +/g, ' ')}\n`).join('');
  return [method, url.pathname, query, lines, signed.join(';'), sha256(body)].join('\n');
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function uriEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}

function sha256(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

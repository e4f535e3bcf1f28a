import { createHash, timingSafeEqual } from 'node:crypto';

/** Subprotocols that are spoken; `binary` is what QEMU's own clients offer. */
export const subprotocols = ['qmp', 'jsonrpc', 'binary'] as const;
export type Subprotocol = (typeof subprotocols)[number];

/** A browser cannot set headers: it offers its token as a subprotocol of this form, base64url behind the prefix. */
export const tokenPrefix = 'qmp.token.';

/** Who may connect. */
export interface AccessRules {
  /** Web pages that may: `scheme://host[:port]`, or `null` for local files. */
  readonly origins: ReadonlySet<string>;
  /** SHA-256 of the bearer token that everybody must show. */
  readonly token: Buffer | undefined;
}

/** The opening handshake, as far as access depends on it. */
export interface Handshake {
  readonly path: string | undefined;
  /** Header fields by name in small letters. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** Let in, speaking a subprotocol or none; or refused with an HTTP status and a sentence. */
export type Verdict =
  | { readonly subprotocol: Subprotocol | undefined }
  | { readonly status: number; readonly why: string };

export function tokenDigest(token: string | Buffer): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Judges an opening handshake. Pure; the time it takes does not tell how much of a token is right. */
export function judge({ path, headers }: Handshake, rules: AccessRules): Verdict {
  if (path !== '/') return { status: 404, why: 'the only path is /' };
  // Drafts before RFC 6455 had a field of their own.
  const origin = headers.origin ?? headers['sec-websocket-origin'];
  if (origin !== undefined && !rules.origins.has(String(origin))) {
    return { status: 403, why: `origin ${String(origin)} is not allowed (x-origins)` };
  }
  const offered = list(headers['sec-websocket-protocol']);
  if (rules.token !== undefined && !offersToken(headers.authorization, offered, rules.token)) {
    return { status: 401, why: 'a bearer token is needed' };
  }
  const protocols = offered.filter((name) => !name.startsWith(tokenPrefix));
  const subprotocol = protocols.find(isSubprotocol);
  if (subprotocol === undefined && offered.length > 0) {
    return { status: 400, why: `none of the subprotocols offered is one of ${subprotocols.join(', ')}` };
  }
  return { subprotocol };
}

function isSubprotocol(name: string): name is Subprotocol {
  return (subprotocols as readonly string[]).includes(name);
}

function list(value: string | readonly string[] | undefined): string[] {
  return String(value ?? '')
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function offersToken(
  authorization: string | readonly string[] | undefined,
  offered: readonly string[],
  digest: Buffer,
): boolean {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(String(authorization ?? '')) ?? [];
  const shown: (string | Buffer)[] = offered
    .filter((name) => name.startsWith(tokenPrefix))
    .map((name) => Buffer.from(name.slice(tokenPrefix.length), 'base64url'));
  if (bearer !== undefined) shown.push(bearer);
  return shown.some((token) => timingSafeEqual(tokenDigest(token), digest));
}

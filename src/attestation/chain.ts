import type { KeyObject } from 'node:crypto';
import { type CertificateRequest, type Identity, issue, type NameParts, selfSign, usage } from './issue.js';

/** Everything needed to sign documents under one root. */
export interface ChainOptions {
  readonly root: Identity;
  /** Instance and enclave; names the two lowest certificates. */
  readonly moduleId: string;
  /** In the names of the certificates; default `us-east-1`. */
  readonly region?: string;
  /** Milliseconds that the end certificate lives; default three hours. */
  readonly leafLifetime?: number;
}

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const DAY = 24 * HOUR;
const YEAR = 365.25 * DAY;
/** AWS's end certificates live for three hours. */
const LEAF_LIFETIME = 3 * HOUR;
/** Certificates begin that much before they are made, as AWS's end certificates do. */
const BACKDATE = 3 * SECOND;
/** The part of its life that a certificate must have left to be used: a document is to outlive its way to the verifier. */
const RESERVE = 1 / 6;
/** Upper bound of a common name (RFC 5280, appendix A.1). */
const NAME_LIMIT = 64;

const country: NameParts[number] = ['C', 'US'];
const owner: NameParts = [
  ['O', 'Amazon'],
  ['OU', 'AWS'],
];
const seattle: NameParts = [['ST', 'Washington'], ['L', 'Seattle'], ...owner];

/** A new root in the form of AWS's: P-384, valid for 30 years. @param now milliseconds since 1970 */
export function createRoot(now: number): Identity {
  return issue(rootRequest(now));
}

/** The same for a key that is there already. */
export function selfSignRoot(key: KeyObject, now: number): Identity {
  return selfSign(rootRequest(now), key);
}

function rootRequest(now: number): CertificateRequest {
  return {
    subject: [country, ...owner, ['CN', 'aws.nitro-enclaves']],
    notBefore: now - BACKDATE,
    notAfter: now + 30 * YEAR,
    pathLength: 'any',
    usage: usage.authority,
  };
}

interface Level {
  readonly subject: (options: Required<ChainOptions>, serial: string) => NameParts;
  readonly lifetime: (options: Required<ChainOptions>) => number;
  readonly pathLength?: number;
  readonly usage: number;
}

/** From the region down to the enclave: subjects, order of their parts and lives as in AWS's chains. */
const levels: readonly Level[] = [
  {
    subject: ({ region }, serial) => [country, ...owner, ['CN', `${serial}.${region}.aws.nitro-enclaves`]],
    lifetime: () => 20 * DAY,
    pathLength: 2,
    usage: usage.authority,
  },
  {
    subject: ({ region }, serial) => [
      ['CN', `${serial}.zonal.${region}.aws.nitro-enclaves`],
      ['OU', 'AWS'],
      ['O', 'Amazon'],
      country,
      ['ST', 'WA'],
      ['L', 'Seattle'],
    ],
    lifetime: () => 6 * DAY,
    pathLength: 1,
    usage: usage.authority,
  },
  {
    subject: ({ region, moduleId }) => [
      country,
      ...seattle,
      ['CN', commonName(moduleId.replace(/-enc[^-]*$/, ''), `.${region}.aws.nitro-enclaves`)],
    ],
    lifetime: () => DAY,
    pathLength: 0,
    usage: usage.instance,
  },
  {
    subject: ({ region, moduleId }) => [country, ...seattle, ['CN', commonName(moduleId, `.${region}.aws`)]],
    lifetime: ({ leafLifetime }) => leafLifetime,
    usage: usage.leaf,
  },
];

/** Authorities between the root and the end certificate. */
export const CA_LEVELS = levels.filter(({ pathLength }) => pathLength !== undefined).length;

/** `name` and `ending`, the former cut to what fits. */
function commonName(name: string, ending: string): string {
  return name.slice(0, NAME_LIMIT - ending.length) + ending;
}

/** A signing key with its certificates, the root first. */
export interface SigningChain {
  readonly leaf: Identity;
  readonly cabundle: readonly Uint8Array[];
}

interface Issued extends Identity {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The chain of an enclave; certificates are made when first needed and again before they expire. */
export class CertificateChain {
  readonly #options: Required<ChainOptions>;
  #issued: Issued[] = [];

  constructor(options: ChainOptions) {
    this.#options = { region: 'us-east-1', leafLifetime: LEAF_LIFETIME, ...options };
  }

  /** The chain to sign with at `now`, milliseconds since 1970. */
  at(now: number): SigningChain {
    const stale = levels.findIndex((level, index) => !this.#isFresh(this.#issued[index], level, now));
    if (stale !== -1) this.#reissue(stale, now);
    return this.#signingChain(this.#issued);
  }

  /** A chain of which only the end certificate differs: it is valid from `notBefore` to `notAfter`. */
  withLeaf(now: number, notBefore: number, notAfter: number): SigningChain {
    this.at(now);
    const authorities = this.#issued.slice(0, -1);
    const leaf = this.#issue(levels.length - 1, authorities.at(-1), { notBefore, notAfter });
    return this.#signingChain([...authorities, leaf]);
  }

  #signingChain(issued: readonly Issued[]): SigningChain {
    const leaf = issued.at(-1);
    if (leaf === undefined) throw new Error('a chain without certificates');
    const authorities = [this.#options.root, ...issued.slice(0, -1)];
    return { leaf, cabundle: authorities.map(({ certificate }) => certificate) };
  }

  #isFresh(issued: Issued | undefined, level: Level, now: number): boolean {
    if (issued === undefined || now < issued.notBefore) return false;
    const left = issued.notAfter - now;
    const { leafLifetime } = this.#options;
    const authority = level.pathLength !== undefined;
    return left > RESERVE * level.lifetime(this.#options) && (!authority || left > leafLifetime);
  }

  /** Makes the certificates from `level` down anew. */
  #reissue(level: number, now: number): void {
    this.#issued = this.#issued.slice(0, level);
    for (let index = level; index < levels.length; index++) {
      const lifetime = levels[index]?.lifetime(this.#options) ?? 0;
      const validity = { notBefore: now - BACKDATE, notAfter: now + lifetime };
      this.#issued.push(this.#issue(index, this.#issued.at(-1), validity));
    }
  }

  #issue(index: number, parent: Identity | undefined, validity: { notBefore: number; notAfter: number }): Issued {
    const level = levels[index];
    if (level === undefined) throw new Error(`a chain has no level ${index}`);
    const { subject, pathLength, usage: flags } = level;
    const serial = randomName();
    const request = { subject: subject(this.#options, serial), ...validity, usage: flags };
    const identity = issue(
      pathLength === undefined ? request : { ...request, pathLength },
      parent ?? this.#options.root,
    );
    return { ...identity, ...validity };
  }
}

/** The eight bytes, in hex, that tell authorities of one region apart. */
function randomName(): string {
  return crypto.getRandomValues(Buffer.alloc(8)).toString('hex');
}

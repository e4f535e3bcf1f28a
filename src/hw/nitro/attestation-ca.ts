import type { AttesterConfig } from '../../attestation/attester.js';
import type { Identity } from '../../attestation/issue.js';
import { toPem } from '../../attestation/pem.js';
import { prop } from '../../qom/property.js';
import type { ObjectClass, TypeRegistry } from '../../qom/types.js';
import { UserCreatable } from '../../qom/user-creatable.js';
import { QemuError } from '../../system/errors.js';
import type { System } from '../../system/system.js';
import { ephemeralRoot, givenRoot, keptRoot } from './attestation-ca-files.js';

/** Shortest and longest life of end certificates, seconds: renewal takes some milliseconds, authorities live a day. */
const LEAF_LIFETIME = { least: 60, most: 43_200, default: 10_800 };

/**
 * The authority that signs attestation documents: a root kept in `dir`, given as `key` and `cert`, or gone with the
 * process when none of them is set.
 */
export class AttestationCa extends UserCreatable {
  dir = '';
  key = '';
  cert = '';
  region = 'us-east-1';
  leafLifetime = LEAF_LIFETIME.default;
  #root: Identity | undefined;
  #users = 0;

  override async complete(): Promise<void> {
    this.#root = await this.#open();
  }

  #open(): Identity | Promise<Identity> {
    const { dir, key, cert } = this;
    if (dir !== '' && (key !== '' || cert !== '')) throw new QemuError("'dir' and 'key'/'cert' are mutually exclusive");
    if (dir !== '') return keptRoot(dir);
    if ((key === '') !== (cert === '')) throw new QemuError("'key' and 'cert' must be given together");
    return key === '' ? ephemeralRoot() : givenRoot(key, cert);
  }

  override canBeDeleted(): boolean {
    return this.#users === 0;
  }

  /** Marks the object as in use for good, and tells how documents are signed. */
  use(): AttesterConfig {
    this.#users += 1;
    return { mode: 'signed', root: this.root, region: this.region, leafLifetime: this.leafLifetime * 1000 };
  }

  get root(): Identity {
    if (this.#root === undefined) throw new QemuError(`attestation authority '${this.name}' is not ready`);
    return this.#root;
  }

  /** Options are read when the object is completed. */
  checkSettable(name: string): void {
    if (this.#root !== undefined) throw new QemuError(`Property '${name}' can no longer be set`);
  }
}

/** How a machine makes its attestation documents. */
export interface Attestation {
  /** For createAttester, in whatever thread. */
  readonly config: AttesterConfig;
  /** The root certificate in PEM; undefined when documents are not signed. */
  readonly root: string | undefined;
  /** Whether AWS's limits on attestation requests hold (NsmOptions.strict). */
  readonly strict: boolean;
}

/**
 * Reads the machine property `attestation`: the id of a nitro-attestation-ca, `unsigned` for QEMU's answers, or '' for a
 * root that is gone with the process.
 *
 * @throws QemuError when there is no such object
 */
export function openAttestation(system: System, choice: string): Attestation {
  if (choice === 'unsigned') return { config: { mode: 'unsigned' }, root: undefined, strict: false };
  const config = choice === '' ? ephemeral() : findCa(system, choice).use();
  const root = config.mode === 'signed' ? toPem(config.root.certificate) : undefined;
  return { config, root, strict: true };
}

function ephemeral(): AttesterConfig {
  return { mode: 'signed', root: ephemeralRoot() };
}

function findCa({ tree }: System, id: string): AttestationCa {
  const object = tree.objects.component(id);
  if (object === undefined) {
    throw new QemuError(`No attestation authority with id '${id}'`, {
      hint: `add -object nitro-attestation-ca,id=${id} or say attestation=unsigned`,
    });
  }
  if (!(object instanceof AttestationCa)) throw new QemuError(`Object with id '${id}' is not a nitro-attestation-ca`);
  return object;
}

export function defineAttestationTypes(types: TypeRegistry): void {
  const text = (field: 'dir' | 'key' | 'cert' | 'region', description: string) =>
    prop.string<AttestationCa>({
      get: (ca) => ca[field],
      set: (ca, value) => {
        ca.checkSettable(field);
        ca[field] = value;
      },
      description,
    });
  types.define({
    name: 'nitro-attestation-ca',
    parent: 'object',
    interfaces: ['user-creatable'],
    create: (type: ObjectClass) => new AttestationCa(type),
    properties: {
      dir: text('dir', 'Directory that keeps the root and its key; both are made on first use'),
      key: text('key', "PEM file with the root's private key (P-384)"),
      cert: text('cert', 'PEM file with the root certificate'),
      region: text('region', 'Region in the names of certificates'),
      'leaf-lifetime': prop.uint32<AttestationCa>({
        get: (ca) => ca.leafLifetime,
        set: (ca, value) => {
          ca.checkSettable('leaf-lifetime');
          if (value < LEAF_LIFETIME.least || value > LEAF_LIFETIME.most) {
            const range = `${LEAF_LIFETIME.least} to ${LEAF_LIFETIME.most}`;
            throw new QemuError(`Parameter 'leaf-lifetime' expects ${range} seconds`);
          }
          ca.leafLifetime = value;
        },
        description: 'Seconds that end certificates live',
      }),
      root: prop.string<AttestationCa>({
        get: (ca) => toPem(ca.root.certificate),
        description: 'The root certificate in PEM',
      }),
    },
  });
}

import { close, open } from 'node:fs';
import { promisify } from 'node:util';
import { prop } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import type { TypeRegistry } from '../qom/types.js';
import { UserCreatable, type UserCreatableData } from '../qom/user-creatable.js';
import { QemuError } from './errors.js';
import { osErrorText } from './os-error.js';

/** A source of random bytes for guests. */
abstract class RngBackend extends UserCreatable {
  opened = false;

  override complete(): void | Promise<void> {
    this.opened = true;
  }
}

/** The bytes of node:crypto. */
class RngBuiltin extends RngBackend {}

/** The bytes of a device node. */
class RngRandom extends RngBackend {
  filename = '/dev/urandom';
  #fd: number | undefined;

  override async complete(): Promise<void> {
    try {
      this.#fd = await promisify(open)(this.filename, 'r');
    } catch (error) {
      throw new QemuError(`Could not open '${this.filename}': ${osErrorText(error)}`, { cause: error });
    }
    this.opened = true;
  }

  protected override finalize(): void {
    if (this.#fd !== undefined) close(this.#fd);
  }
}

export function defineRngTypes(types: TypeRegistry): void {
  const data: UserCreatableData = { schemaOptions: { opened: qapi.optional(qapi.bool, ['deprecated']) } };
  types.define({
    name: 'rng-backend',
    parent: 'object',
    abstract: true,
    interfaces: ['user-creatable'],
    data: { ...data },
    properties: { opened: prop.bool<RngBackend>({ get: (rng) => rng.opened }) },
  });
  types.define({ name: 'rng-builtin', parent: 'rng-backend', create: (type) => new RngBuiltin(type) });
  types.define({
    name: 'rng-random',
    parent: 'rng-backend',
    create: (type) => new RngRandom(type),
    properties: {
      filename: prop.string<RngRandom>({
        get: (rng) => rng.filename,
        set: (rng, value) => {
          if (rng.opened) throw new QemuError("Property 'filename' can no longer be set");
          rng.filename = value;
        },
      }),
    },
  });
}

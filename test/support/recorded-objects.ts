import { readFileSync } from 'node:fs';
import type { JsonObject } from '../../src/system/json.js';

/** What a recorded QEMU 10.2.50 answered (reference/qemu: qmp/errors.json, qmp/query-qmp-schema.json, cli, qom-tree). */
export interface RecordedObjects {
  readonly exchanges: readonly {
    readonly name: string;
    readonly steps: readonly { readonly send: JsonObject; readonly receive: JsonObject }[];
  }[];
  /** Output of `-object memory-backend-memfd,help`. */
  readonly memfdHelp: string;
  readonly listProperties: Readonly<Record<string, readonly { readonly name: string; readonly type: string }[]>>;
  /** Members of the object-add variants: builtin name, values of an enum, or `array of ELEMENT`. */
  readonly schemaOptions: Readonly<
    Record<string, Readonly<Record<string, { readonly type: string | string[]; readonly optional: boolean }>>>
  >;
  /** Paths, properties, `{ type, value }` below /objects of `-M nitro -m 128M`. */
  readonly nitroRam: Readonly<
    Record<string, Readonly<Record<string, { readonly type: string; readonly value: unknown }>>>
  >;
}

export const recordedObjects = JSON.parse(
  readFileSync(new URL('../../../test/support/recorded-objects.json', import.meta.url), 'utf8'),
) as RecordedObjects;

import type { Device } from '../qdev/device.js';
import { refuseAfterRealize } from '../qdev/device.js';
import type { Property } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import { QemuError } from '../system/errors.js';
import type { System } from '../system/system.js';
import { Chardev } from './chardev.js';

/**
 * The `chardev=ID` property of a device (DEFINE_PROP_CHR): names a character device that is there already.
 *
 * @param field where the device keeps it
 */
export function chardevProperty<D extends Device>(
  system: System,
  field: { [K in keyof D]: D[K] extends Chardev | undefined ? K : never }[keyof D],
): Property {
  const chardevOf = (object: unknown): Chardev | undefined =>
    (object as Record<typeof field, Chardev | undefined>)[field];
  return {
    type: 'str',
    flavour: 'qdev',
    value: qapi.str,
    description: 'Id of the character device to use',
    get: (object) => chardevOf(object)?.label ?? '',
    set: (object, value, name) => {
      refuseAfterRealize(object as Device, name);
      const found = system.tree.chardevs.component(String(value));
      const chardev = found instanceof Chardev ? found : undefined;
      const property = `Property '${object.type.name}.${name}'`;
      if (chardev === undefined) throw new QemuError(`${property} can't find value '${String(value)}'`);
      if (chardev.frontend !== undefined && !chardev.sharable) {
        throw new QemuError(`${property} can't take value '${String(value)}', it's in use`);
      }
      (object as unknown as Record<typeof field, Chardev | undefined>)[field] = chardev;
    },
  };
}

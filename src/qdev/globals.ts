import type { QomObject } from '../qom/object.js';
import type { TypeRegistry } from '../qom/types.js';
import { asError, QemuError } from '../system/errors.js';
import { deviceData } from './device.js';

/** One `-global driver.property=value`. */
export interface GlobalProperty {
  readonly driver: string;
  readonly property: string;
  readonly value: string;
}

/** Property defaults given with -global: applied to every object of the named type (or below it) when it is made. */
export class GlobalProperties {
  readonly #entries: { global: GlobalProperty; used: boolean }[] = [];

  add(global: GlobalProperty): void {
    this.#entries.push({ global, used: false });
  }

  /** @throws QemuError `can't apply global D.P=V: ...` */
  async apply(object: QomObject): Promise<void> {
    for (const entry of this.#entries) {
      const { driver, property, value } = entry.global;
      if (!object.type.isA(driver)) continue;
      entry.used = true;
      try {
        await object.set(property, value, 'keyval');
      } catch (error) {
        const cause = asError(error);
        const text = `can't apply global ${driver}.${property}=${value}: `;
        throw cause instanceof QemuError ? cause.prefixed(text) : error;
      }
    }
  }

  /** Whether an entry was taken by no object so far. */
  get hasUnused(): boolean {
    return this.#entries.some((entry) => !entry.used);
  }

  /**
   * Warnings for entries that no object took, once the machine is up: devices that may still be hot plugged are let be.
   *
   * @param types with all types defined
   */
  unused(types: TypeRegistry): string[] {
    return this.#entries
      .filter((entry) => !entry.used)
      .flatMap(({ global: { driver, property, value } }) => {
        const type = types.get(driver);
        if (type === undefined) return [`global ${driver}.${property} has invalid class name`];
        const mayCome = type.isA('device') && (deviceData(type).hotpluggable ?? true);
        return mayCome ? [] : [`global ${driver}.${property}=${value} not used`];
      });
  }
}

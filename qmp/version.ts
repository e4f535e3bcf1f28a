import type { JsonObject } from '../src/system/json.js';

/** The QEMU version whose interfaces are offered. */
const qemuVersion = { micro: 50, minor: 2, major: 10 };

/** `10.2.50`. */
export const versionNumber = `${qemuVersion.major}.${qemuVersion.minor}.${qemuVersion.micro}`;

/** The result of query-version, also in the greeting. `packageVersion` is this package's. */
export function versionInfo(packageVersion: string) {
  return { qemu: qemuVersion, package: `nitro-emu-${packageVersion}` } satisfies JsonObject;
}

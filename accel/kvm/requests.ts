import type { ModuleApi } from '../../src/system/module-api.js';

/** What the accelerator takes from outside its folder: the program's own instances, whoever bundles this folder. */
export interface KvmParts {
  readonly host: typeof import('../../src/host/api.js');
  readonly QemuError: ModuleApi['sys']['QemuError'];
}

const EINTR = 4;

/**
 * Makes a request on a thread of libuv's pool: those that make something allocate and wait for other CPUs.
 *
 * @param name as in <linux/kvm.h>
 * @returns the result, 0 or positive
 * @throws QemuError `ioctl(NAME) failed: REASON`
 */
export async function request(
  { host, QemuError }: KvmParts,
  name: string,
  fd: number,
  number: number,
  argument: Uint8Array | number | undefined,
): Promise<number> {
  for (;;) {
    try {
      return await host.ioctlBlocking(fd, number, argument);
    } catch (error) {
      if (!(error instanceof host.HostError)) throw error;
      // KVM_CREATE_VM gives up when its thread gets a signal.
      if (error.errno === EINTR) continue;
      throw new QemuError(`ioctl(${name}) failed: ${error.message}`, { cause: error });
    }
  }
}

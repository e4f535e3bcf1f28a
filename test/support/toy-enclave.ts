import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createModuleApi, offerTypes } from '../../src/module-api.js';
import { addDevice } from '../../src/qdev/device-add.js';
import type { JsonObject } from '../../src/system/json.js';
import { Machine } from '../../src/system/machine.js';
import { createModuleLoader } from '../../src/system/module-loader.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { makeImage, text } from './eif-image.js';
import { elfImage } from './i386-kernels.js';
import { scratchDir } from './scratch.js';
import { createBareSystem } from './system.js';
import { useToyAccelerator } from './toy-vm.js';

/** What is at the entry of the kernel of the image. */
export const KERNEL_BYTES = Uint8Array.from([0xf4, 0xeb, 0xfd, 0x90]);
export const KERNEL_ENTRY = 0x200000;

/** Writes an EIF whose kernel halts. @returns its path */
export function toyImage(cmdline = 'console=ttyS0'): string {
  const path = join(scratchDir(), 'toy.eif');
  const kernel = elfImage([{ addr: BigInt(KERNEL_ENTRY), bytes: KERNEL_BYTES }], BigInt(KERNEL_ENTRY));
  const sections = [
    { type: 1, bytes: kernel },
    { type: 2, bytes: text(cmdline) },
    { type: 3, bytes: text('ramdisk') },
    { type: 5, bytes: text('{}') },
  ];
  writeFileSync(path, makeImage({ sections }));
  return path;
}

/**
 * `-M nitro-enclave` on an accelerator that executes nothing, as start-up makes it, not started.
 *
 * @param properties of the machine, as -machine gives them
 * @param devices of -device
 */
export async function toyEnclave(properties: JsonObject = {}, devices: readonly JsonObject[] = []) {
  const { system, messages, events } = createBareSystem((own) =>
    createModuleLoader(() => createModuleApi(own()), undefined),
  );
  offerTypes(system);
  createUserObjects(system);
  await system.modules.load('machine', 'nitro-enclave');
  const machine = system.types.get('nitro-enclave-machine')?.create();
  if (!(machine instanceof Machine)) throw new Error('there is no machine nitro-enclave');
  system.setMachine(machine);
  await machine.set('memory', { size: 268_435_456 });
  await machine.set('smp', { cpus: 2 });
  await machine.set('kernel', toyImage());
  for (const [name, value] of Object.entries(properties)) await machine.set(name, value, 'keyval');
  const accel = useToyAccelerator(system);
  const close = () => system.dispose();
  try {
    await machine.preflight();
    await machine.init(accel);
    for (const options of devices) await addDevice(system, options, 'keyval');
    await machine.complete();
  } catch (error) {
    await close();
    throw error;
  }
  system.run.attach(machine.runTarget());
  system.phase = 'ready';
  return { system, machine, messages, events, accel, vm: accel.vm, close };
}

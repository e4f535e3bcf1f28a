import * as qdev from './qdev/api.js';
import * as qom from './qom/api.js';
import * as sys from './system/api.js';
import type { ModuleApi } from './system/module-api.js';
import type { System } from './system/system.js';

/** Offers the types of the rooms that belong to no other offer. */
export function offerTypes(system: System): void {
  system.offerTypes('cpu', async () => (await import('./system/cpu.js')).defineCpuTypes(system));
  system.offerTypes('chardev', async () => (await import('./chardev/types.js')).defineChardevTypes(system));
  system.offerTypes('isa', async () => (await import('./hw/isa/api.js')).defineIsaTypes(system));
  system.offerTypes('i386', async () => {
    await system.needTypes('isa');
    (await import('./hw/i386/api.js')).defineBoardTypes(system);
  });
  system.offerTypes('virtio', async () => (await import('./hw/virtio/devices.js')).defineVirtioTypes(system));
  system.offerTypes('hw/nitro', async () => {
    const nitro = await import('./hw/nitro/api.js');
    nitro.defineVsockBusTypes(system);
    nitro.defineHeartbeat(system);
    nitro.defineSerialVsock(system);
  });
}

/** What machine and accelerator modules get; rooms behind `lazy` are loaded when first asked for. */
export function createModuleApi(system: System): ModuleApi {
  return {
    system,
    qom,
    qdev,
    sys,
    lazy: {
      host: () => import('./host/api.js'),
      eif: () => import('./eif/api.js'),
      hostmem: () => import('./hostmem/api.js'),
      nitro: () => import('./hw/nitro/api.js'),
      i386: () => import('./hw/i386/api.js'),
      virtio: () => import('./hw/virtio/api.js'),
      attestation: () => import('./hw/nitro/attestation-api.js'),
    },
    types: (room) => system.needTypes(room),
  };
}

import type { System, TypeRoom } from './system.js';

/**
 * What a module gets: the process it registers with, and the parts it builds on. A module imports nothing of ours, so
 * that one outside our tree works the same way.
 */
export interface ModuleApi {
  readonly system: System;
  readonly qom: typeof import('../qom/api.js');
  readonly qdev: typeof import('../qdev/api.js');
  readonly sys: typeof import('./api.js');
  /** Parts that are loaded when first used. */
  readonly lazy: {
    host(): Promise<typeof import('../host/api.js')>;
    eif(): Promise<typeof import('../eif/api.js')>;
    hostmem(): Promise<typeof import('../hostmem/api.js')>;
    nitro(): Promise<typeof import('../hw/nitro/api.js')>;
    i386(): Promise<typeof import('../hw/i386/api.js')>;
    virtio(): Promise<typeof import('../hw/virtio/api.js')>;
    attestation(): Promise<typeof import('../hw/nitro/attestation-api.js')>;
  };
  /** Defines the types of a room once, whoever asks first. */
  types(room: TypeRoom): Promise<void>;
}

import { type Measurements, textPcr } from '../../eif/measure.js';
import type { NsmMindPlan } from './nsm-mind.js';

/** Registers that the machine locks at boot. */
const LOCKED = 16;

export interface NsmBootOptions {
  /** Of the image; absent when it is no EIF. */
  readonly measurements?: Measurements | undefined;
  /** The parent's role ARN and instance id, '' for none. */
  readonly parentRole: string;
  readonly parentId: string;
  /** All registers are zero, as AWS has it for enclaves with a console. */
  readonly debugMode: boolean;
}

/** What an NSM has in its registers when the enclave starts (spec/virtio.md, section 5). */
export function nsmBoot({
  measurements,
  parentRole,
  parentId,
  debugMode,
}: NsmBootOptions): Pick<NsmMindPlan, 'pcrs' | 'locked'> {
  const pcrs = new Map<number, Uint8Array>();
  if (debugMode) return { pcrs, locked: LOCKED };
  if (measurements !== undefined) {
    for (const index of [0, 1, 2, 8] as const) pcrs.set(index, measurements[`pcr${index}`]);
  }
  if (parentRole !== '') pcrs.set(3, textPcr(parentRole));
  if (parentId !== '') pcrs.set(4, textPcr(parentId));
  return { pcrs, locked: LOCKED };
}

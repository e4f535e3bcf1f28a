import { FaultBoard } from '../../attestation/faults.js';
import { type Section, sectionName } from '../../eif/codec/header.js';
import type { Measurements } from '../../eif/measure.js';
import { measureFiles } from '../../eif/measure-files.js';
import type { EnclaveView, NsmView } from '../../system/machine.js';
import type { System } from '../../system/system.js';
import { nsmBoot } from '../virtio/nsm-boot.js';
import type { NsmMindPlan } from '../virtio/nsm-mind.js';
import { openAttestation } from './attestation-ca.js';

export interface EnclaveOptions {
  /** Path of the image. */
  readonly file: string;
  /** Path of a ramdisk that is joined to the image's, '' for none. */
  readonly initrd: string;
  /** What it is; absent for a bare kernel, which measures to nothing. */
  readonly eif?: { readonly size: number; readonly crc32: number; readonly sections: readonly Section[] } | undefined;
  /** The machine property. */
  readonly attestation: string;
  readonly parentRole: string;
  readonly parentId: string;
  readonly debugMode: boolean;
  /** The CID it is reachable at, 0 until it runs. */
  readonly cid: () => number;
  /** The registers of its NSM, as they are now. */
  readonly registers: NsmView['registers'];
}

/** An enclave whose machine is made here: what the monitor sees of it, and what its NSM has at the start. */
export interface Enclave {
  readonly view: EnclaveView & { readonly nsm: NsmView };
  readonly mind: Omit<NsmMindPlan, 'moduleId'>;
}

/**
 * Measures the image and opens what signs the enclave's documents.
 *
 * @throws QemuError when a file cannot be read, or there is no such authority
 */
export async function openEnclave(system: System, options: EnclaveOptions): Promise<Enclave> {
  const { file, initrd, eif, parentRole, parentId, debugMode, cid, registers } = options;
  const measure = async (more?: string): Promise<Measurements | undefined> =>
    eif === undefined ? undefined : await measureFiles({ kernel: file, arch: 'x86_64' }, eif, more);
  const { config, root, strict } = openAttestation(system, options.attestation);
  const faults = new FaultBoard();
  const measurements = await measure(initrd === '' ? undefined : initrd);
  const boot = nsmBoot({ measurements, parentRole, parentId, debugMode });
  const view = {
    debugMode,
    get cid() {
      return cid();
    },
    file,
    image: {
      format: eif === undefined ? ('kernel' as const) : ('eif' as const),
      size: eif?.size ?? 0,
      crc32: eif?.crc32 ?? 0,
      sections: (eif?.sections ?? []).map(({ type, payload, size }) => ({
        type: sectionName(type),
        offset: payload,
        size,
      })),
      warnings: [],
    },
    async measure() {
      const measured = await measure();
      return new Map(measured === undefined ? [] : ([0, 1, 2, 8] as const).map((i) => [i, measured[`pcr${i}`]]));
    },
    nsm: { root, faults, registers },
  };
  return { view, mind: { ...boot, strict, attester: config, faults: faults.buffer } };
}

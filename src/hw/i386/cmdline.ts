import { QemuError } from '../../system/errors.js';
import { layout, VIRTIO_MMIO_SIZE, type VirtioSlot } from './memory-layout.js';

export interface CommandLine {
  /** The EIF's command line section as it is; what follows a NUL is not for the guest. */
  readonly image?: Uint8Array | undefined;
  /** `-append`. */
  readonly append: string;
  /** Transports that the guest must be told of, i.e. none when ACPI does. */
  readonly transports: readonly VirtioSlot[];
  /** The most that the kernel takes, in bytes. */
  readonly limit: number;
}

/**
 * The kernel's command line with its NUL: the image's, a space and `-append` as QEMU joins them (hw/i386/nitro_enclave.c),
 * then the transports from the highest down.
 *
 * @throws QemuError when it is longer than the kernel takes or has a NUL inside
 */
export function commandLine({ image, append, transports, limit }: CommandLine): Uint8Array {
  if (append.includes('\0')) throw new QemuError('the kernel command line cannot hold a NUL', { hint: 'in -append' });
  const devices = [...transports]
    .sort((a, b) => b.index - a.index)
    .map(({ base, irq }) => ` virtio_mmio.device=${VIRTIO_MMIO_SIZE}@0x${base.toString(16)}:${irq}`);
  const ours = Buffer.from(`${append}${devices.join('')}`);
  const line = image === undefined ? ours : Buffer.concat([untilNul(image), Buffer.from(' '), ours]);
  const most = Math.min(limit, layout.ebda - layout.cmdline - 1);
  if (line.length > most) {
    const parts = `${image?.length ?? 0} bytes of the image, ${Buffer.byteLength(append)} of -append, the rest names devices`;
    throw new QemuError(`kernel command line of ${line.length} bytes is too long, the kernel takes ${most}`, {
      hint: parts,
    });
  }
  return Buffer.concat([line, Buffer.alloc(1)]);
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

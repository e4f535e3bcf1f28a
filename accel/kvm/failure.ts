import type { CpuRegisters } from '../../src/hw/i386/cpu-registers.js';
import { CODE_BEFORE, CODE_TOTAL, codeLine, registerDump } from '../../src/hw/i386/register-dump.js';
import { KVM_INTERNAL_ERROR_EMULATION } from './abi.js';

/** What KVM says when it can't run a guest any further. */
export type GuestFailure =
  | { readonly kind: 'internal'; readonly suberror: number; readonly data: readonly bigint[] }
  | { readonly kind: 'entry'; readonly reason: bigint }
  | { readonly kind: 'run'; readonly reason: string }
  | { readonly kind: 'exit'; readonly reason: number }
  | { readonly kind: 'system-event'; readonly type: number };

const CS = 1;

/** The cause in QEMU's words (accel/kvm/kvm-all.c, target/i386/kvm/kvm.c). */
function causeText(failure: GuestFailure): string {
  switch (failure.kind) {
    case 'internal': {
      const { suberror, data } = failure;
      const words = data.map((word, i) => `extra data[${i}]: 0x${word.toString(16).padStart(16, '0')}\n`);
      const emulation = suberror === KVM_INTERNAL_ERROR_EMULATION ? 'emulation failure\n' : '';
      return `KVM internal error. Suberror: ${suberror}\n${words.join('')}${emulation}`;
    }
    case 'entry':
      return `KVM: entry failed, hardware error 0x${failure.reason.toString(16)}\n`;
    case 'run':
      return `error: kvm run failed ${failure.reason}\n`;
    case 'exit':
      return `KVM: unknown exit, hardware reason ${failure.reason}\n`;
    case 'system-event':
      return `KVM: unknown system event ${failure.type}\n`;
  }
}

/**
 * Cause, registers and the bytes around RIP.
 *
 * @param byte reads guest memory by virtual address
 * @returns lines, the last without a newline
 */
export function failureText(
  failure: GuestFailure,
  registers: CpuRegisters,
  byte: (address: bigint) => number | undefined,
): string {
  const at = (registers.segments[CS]?.base ?? 0n) + registers.rip;
  const before = at < BigInt(CODE_BEFORE) ? Number(at) : CODE_BEFORE;
  const code = Array.from({ length: CODE_TOTAL }, (_, i) => byte(at - BigInt(before) + BigInt(i)));
  return `${causeText(failure)}${registerDump(registers)}${codeLine(code, before)}`.trimEnd();
}

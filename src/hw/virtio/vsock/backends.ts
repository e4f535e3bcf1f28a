import type { VsockBackend } from './backend.js';
import { TcpBackend } from './backend-tcp.js';
import { UnixBackend } from './backend-unix.js';
import { AfVsockBackend, type VsockForwarding } from './backend-vsock.js';
import type { TcpAddress, TcpListen } from './options.js';

/** What lies behind a vsock device of this process. Structured-cloneable. */
export type VsockBackendPlan =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'vsock'; readonly forwarding: VsockForwarding }
  | {
      readonly kind: 'tcp';
      readonly listens: readonly TcpListen[];
      /** By guest-side port. */
      readonly connects: ReadonlyMap<number, TcpAddress>;
    };

const NOWHERE: VsockBackend = {
  connect: () => Promise.reject(new Error('no vsock backend')),
  listen: () => Promise.resolve(),
  close: () => {},
};

/** @param plan without one every connection of the guest is refused */
export function openBackend(plan: VsockBackendPlan | undefined): VsockBackend {
  switch (plan?.kind) {
    case undefined:
      return NOWHERE;
    case 'unix':
      return new UnixBackend(plan.path);
    case 'vsock':
      return new AfVsockBackend(plan.forwarding);
    case 'tcp':
      return new TcpBackend(plan.listens, plan.connects);
  }
}

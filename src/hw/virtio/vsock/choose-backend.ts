import { QemuError } from '../../../system/errors.js';
import type { VsockBackendPlan } from './backends.js';
import { parseForwardCid, parseForwardListen, parseTcpConnect, parseTcpListen } from './options.js';

/** Machine properties that say where vsock ends, as texts; '' for one that is not given. */
export const vsockOptions = [
  'vsock',
  'vsock-uds',
  'vsock-forward-cid',
  'vsock-forward-listen',
  'vsock-tcp-listen',
  'vsock-tcp-connect',
] as const;
export type VsockOption = (typeof vsockOptions)[number];

/** The kind of a property is what it has in front of its second dash. */
function kindOf(option: VsockOption): string {
  return option.split('-').slice(0, 2).join('-');
}

/**
 * The host's side of a vsock device of this process.
 *
 * @param option the value of a property
 * @returns undefined when no property asks for one
 * @throws QemuError for properties that exclude each other, or a value that is malformed
 */
export function chooseBackend(option: (name: VsockOption) => string): VsockBackendPlan | undefined {
  const given = vsockOptions.filter((name) => option(name) !== '');
  const [first] = given;
  const other = given.find((name) => first !== undefined && kindOf(name) !== kindOf(first));
  if (first === undefined) return undefined;
  if (other !== undefined) {
    throw new QemuError(`machine properties '${first}' and '${other}' exclude each other`, {
      hint: 'vsock of an enclave ends in one place: a chardev, unix sockets, AF_VSOCK or TCP',
    });
  }
  switch (first) {
    case 'vsock':
      return undefined;
    case 'vsock-uds':
      return { kind: 'unix', path: option('vsock-uds') };
    case 'vsock-forward-cid':
    case 'vsock-forward-listen': {
      const [cid, listen] = [option('vsock-forward-cid'), option('vsock-forward-listen')];
      return {
        kind: 'vsock',
        forwarding: {
          ...(cid === '' ? {} : { forwardCid: parseForwardCid('vsock-forward-cid', cid) }),
          forwardListen: listen === '' ? [] : parseForwardListen('vsock-forward-listen', listen),
        },
      };
    }
    default: {
      const [listen, connect] = [option('vsock-tcp-listen'), option('vsock-tcp-connect')];
      return {
        kind: 'tcp',
        listens: listen === '' ? [] : parseTcpListen('vsock-tcp-listen', listen),
        connects: connect === '' ? new Map() : parseTcpConnect('vsock-tcp-connect', connect),
      };
    }
  }
}

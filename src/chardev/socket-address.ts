import { QemuError } from '../system/errors.js';
import type { JsonObject } from '../system/json.js';
import type { SocketAddressLegacy } from './backend.js';

/** Address with its members beside the type, as the `addr` property shows it (QEMU: SocketAddress). */
export type SocketAddress = {
  [K in SocketAddressLegacy['type']]: { type: K } & Extract<SocketAddressLegacy, { type: K }>['data'];
}[SocketAddressLegacy['type']];

export type InetAddress = Extract<SocketAddress, { type: 'inet' }>;
export type UnixAddress = Extract<SocketAddress, { type: 'unix' }>;
export type VsockAddress = Extract<SocketAddress, { type: 'vsock' }>;

export function flatten(address: SocketAddressLegacy): SocketAddress {
  return { type: address.type, ...address.data } as SocketAddress;
}

export function addressJson(address: SocketAddress): JsonObject {
  return { ...address };
}

/** What a connection is called in query-chardev. */
export interface SocketRole {
  /** `tcp`, `telnet` or `websocket`. */
  readonly protocol: string;
  readonly server: boolean;
}

/** The two ends of a connection, as far as they have names: a path, `HOST:PORT` with `[HOST]` for IPv6. */
export interface ConnectionEnds {
  readonly family: 'unix' | 'inet' | 'vsock';
  readonly local: string;
  readonly remote: string;
}

const listens = ({ server }: SocketRole): string => (server ? ',server=on' : '');

/** query-chardev's filename while nobody is connected. */
export function disconnectedName(address: SocketAddress, role: SocketRole): string {
  switch (address.type) {
    case 'inet':
      return `disconnected:${role.protocol}:${address.host}:${address.port}${listens(role)}`;
    case 'unix': {
      const abstract = address.abstract === true ? `,abstract=on${address.tight === true ? ',tight=on' : ''}` : '';
      return `disconnected:unix:${address.path}${abstract}${listens(role)}`;
    }
    case 'fd':
      return `disconnected:fd:${address.str}${listens(role)}`;
    case 'vsock':
      return `disconnected:vsock:${address.cid}:${address.port}`;
  }
}

/** query-chardev's filename while somebody is connected. */
export function connectedName(ends: ConnectionEnds, role: SocketRole): string {
  switch (ends.family) {
    case 'unix':
      return `unix:${role.server ? ends.local : ends.remote}${listens(role)}`;
    case 'inet':
      return `${role.protocol}:${ends.local}${listens(role)} <-> ${ends.remote}`;
    case 'vsock':
      return 'unknown';
  }
}

/** Where a client connects to, as error texts and the user name it. */
export function targetName(address: SocketAddress): string {
  switch (address.type) {
    case 'inet':
      return `${address.host}:${address.port}`;
    case 'unix':
      return address.path;
    case 'fd':
      return address.str;
    case 'vsock':
      return `${address.cid}:${address.port}`;
  }
}

/** 32-bit numbers of a vsock address. @throws QemuError `Failed to parse cid 'X'` */
export function parseVsock({ cid, port }: VsockAddress): { cid: number; port: number } {
  const number = (what: string, text: string): number => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value <= 0xffffffff)) throw new QemuError(`Failed to parse ${what} '${text}'`);
    return value;
  };
  return { cid: number('cid', cid), port: number('port', port) };
}

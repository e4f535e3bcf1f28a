import { readdir, readFile, readlink } from 'node:fs/promises';
import { check, libc } from './libc.js';
import { AF_VSOCK } from './socket.js';

const AF_NETLINK = 16;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const NETLINK_SOCK_DIAG = 4;
// <linux/netlink.h>, <linux/sock_diag.h>
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const HEADER_SIZE = 16;
/** struct vsock_diag_req and struct vsock_diag_msg, <linux/vm_sockets_diag.h> */
const REQUEST_SIZE = 24;
const MESSAGE_SIZE = 32;
/** The kernel's TCP_LISTEN, which vsock uses as well. */
const LISTEN = 10;
const DUMP_SIZE = 32 * 1024;

/** Who holds a socket open. */
export interface SocketOwner {
  pid: number;
  /** The process's short name, at most 15 characters. */
  comm: string;
}

/**
 * The process that listens on a vsock port of this host: the kernel's socket table (sock_diag(7)) gives the inode, /proc the
 * process that holds it. Other users' processes are visible to root only.
 *
 * @returns undefined if nobody listens or the kernel cannot tell
 */
export async function vsockPortOwner(port: number): Promise<SocketOwner | undefined> {
  const inode = listenerInode(port);
  return inode === undefined ? undefined : await socketHolder(inode);
}

function listenerInode(port: number): number | undefined {
  const fd = libc.socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
  if (fd < 0) return undefined;
  try {
    const request = dumpRequest();
    check('send', libc.send(fd, request, request.length, 0));
    const buffer = Buffer.alloc(DUMP_SIZE);
    // A netlink dump is produced by the calls themselves, so there is nothing to wait for.
    for (;;) {
      const size = libc.recv(fd, buffer, buffer.length, MSG_DONTWAIT);
      if (size <= 0) return undefined;
      const found = findListener(buffer.subarray(0, size), port);
      if (found !== 'more') return found;
    }
  } catch {
    return undefined;
  } finally {
    libc.close(fd);
  }
}

function dumpRequest(): Buffer {
  const request = Buffer.alloc(HEADER_SIZE + REQUEST_SIZE);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  request.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  request.writeUInt8(AF_VSOCK, HEADER_SIZE);
  request.writeUInt32LE(1 << LISTEN, HEADER_SIZE + 4);
  return request;
}

/**
 * Looks through one datagram of a vsock_diag dump. @internal
 *
 * @returns the inode of the listener on `port`, undefined if the dump ended without one, `more` if it goes on
 */
export function findListener(dump: Buffer, port: number): number | undefined | 'more' {
  for (let at = 0; at + HEADER_SIZE <= dump.length; ) {
    const length = dump.readUInt32LE(at);
    const type = dump.readUInt16LE(at + 4);
    if (type === NLMSG_DONE || type === NLMSG_ERROR) return undefined;
    if (length < HEADER_SIZE || at + length > dump.length) return undefined;
    const message = dump.subarray(at + HEADER_SIZE, at + length);
    if (type === SOCK_DIAG_BY_FAMILY && message.length >= MESSAGE_SIZE) {
      if (message.readUInt8(2) === LISTEN && message.readUInt32LE(8) === port) return message.readUInt32LE(20);
    }
    at += (length + 3) & ~3;
  }
  return 'more';
}

async function socketHolder(inode: number): Promise<SocketOwner | undefined> {
  const wanted = `socket:[${inode}]`;
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    // Processes come and go meanwhile, and others' are closed to us.
    const fds = await readdir(`/proc/${name}/fd`).catch(() => []);
    for (const fd of fds) {
      const target = await readlink(`/proc/${name}/fd/${fd}`).catch(() => undefined);
      if (target !== wanted) continue;
      const comm = await readFile(`/proc/${name}/comm`, 'utf8').catch(() => '');
      return { pid: Number(name), comm: comm.trimEnd() };
    }
  }
  return undefined;
}

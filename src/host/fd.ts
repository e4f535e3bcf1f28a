import { check, Errno, HostError, int32, libc, type Pointer } from './libc.js';

const F_GETFL = 3;
const F_SETFL = 4;
const F_DUPFD_CLOEXEC = 1030;
const O_NONBLOCK = 0o4000;
// <asm-generic/ioctls.h>, <asm-generic/termbits.h>
const TCGETS = 0x5401;
const TERMIOS_SIZE = 36;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

/** poll(2) events and results. */
export const POLLIN = 0x001;
export const POLLOUT = 0x004;
export const POLLERR = 0x008;
export const POLLHUP = 0x010;

/**
 * ioctl(2) on the calling thread: use it only for requests that do not wait.
 *
 * @param request the 32-bit request number, bit 31 may be set
 * @param argument an integer, an address, or a buffer that the kernel reads and writes in place
 * @returns the result, 0 or positive
 * @throws HostError with the driver's errno, also above 133
 */
export function ioctl(fd: number, request: number, argument: Exclude<Pointer, null> | number | undefined): number {
  return check('ioctl', libc.ioctl(fd, request, argument ?? null));
}

/** As `ioctl`, for requests whose failure is ordinary. @returns the result, or -errno */
export function tryIoctl(fd: number, request: number, argument: Exclude<Pointer, null> | number | undefined): number {
  return libc.ioctl(fd, request, argument ?? null);
}

/**
 * ioctl(2) on a thread of libuv's pool, for requests that wait for a device. The call cannot be interrupted: a process
 * that must end before it returns needs `exitNow`.
 *
 * @returns the result, 0 or positive
 * @throws HostError with the driver's errno, also above 133
 */
export async function ioctlBlocking(
  fd: number,
  request: number,
  argument: Exclude<Pointer, null> | number | undefined,
): Promise<number> {
  return check('ioctl', await libc.ioctlBlocking(fd, request, argument ?? null));
}

/** A non-blocking, close-on-exec eventfd(2). @throws HostError */
export function eventfd(initial = 0): number {
  return check('eventfd', libc.eventfd(initial, EFD_CLOEXEC | EFD_NONBLOCK));
}

/** Adds `count` (1 to 2^64 - 2) to an eventfd. @throws HostError EAGAIN if the counter would overflow */
export function eventfdAdd(fd: number, count = 1n): void {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64LE(count);
  check('write', libc.write(fd, counter, 8));
}

/** Reads an eventfd and sets it to 0; 0n if nothing was signalled. @throws HostError */
export function eventfdTake(fd: number): bigint {
  const counter = Buffer.alloc(8);
  const result = libc.read(fd, counter, 8);
  if (result < 0 && !wouldBlock(result)) throw new HostError('read', -result);
  return counter.readBigUInt64LE();
}

/** Whether a result of `libc` is EAGAIN. */
export function wouldBlock(result: number): boolean {
  return result === -Errno.EAGAIN;
}

/** A close-on-exec duplicate at the lowest free number from `lowest` up. @throws HostError */
export function duplicate(fd: number, lowest = 0): number {
  return check('fcntl', libc.fcntl(fd, F_DUPFD_CLOEXEC, lowest));
}

/** Sets or clears O_NONBLOCK, which belongs to the open file: every duplicate sees it. @throws HostError */
export function setNonBlocking(fd: number, on = true): void {
  const flags = check('fcntl', libc.fcntl(fd, F_GETFL, 0));
  check('fcntl', libc.fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

/** False also for a terminal that was hung up. */
export function isTerminal(fd: number): boolean {
  return libc.ioctl(fd, TCGETS, Buffer.alloc(TERMIOS_SIZE)) === 0;
}

/** What poll(2) reports for `fd` at this moment, without waiting: a mask of POLLIN, POLLOUT, POLLERR, POLLHUP. @throws HostError */
export function pollNow(fd: number, events: number): number {
  const pollfd = Buffer.concat([int32(fd), int32(events)]);
  check('poll', libc.poll(pollfd, 1, 0));
  return pollfd.readUInt16LE(6);
}

/** Two connected unix stream sockets, close-on-exec and blocking. @throws HostError */
export function socketPair(): [number, number] {
  const pair = Buffer.alloc(8);
  check('socketpair', libc.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  duplicate,
  eventfd,
  eventfdAdd,
  eventfdTake,
  ioctl,
  POLLHUP,
  POLLIN,
  POLLOUT,
  pollNow,
  setNonBlocking,
  socketPair,
} from '../../src/host/fd.js';
import { type HostError, libc } from '../../src/host/libc.js';

const test = suite('host/fd');
const FIONREAD = 0x541b;
const RNDGETENTCNT = 0x80045200;

/** The octal open flags in /proc/self/fdinfo. */
function openFlags(fd: number): number {
  return Number.parseInt(/^flags:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1] ?? '', 8);
}

test('ioctl writes its answer into the buffer it was given', () => {
  const [a, b] = socketPair();
  assert.is(libc.write(a, Buffer.from('seven b'), 7), 7);
  const pool = Buffer.alloc(64, 0xee);
  assert.is(ioctl(b, FIONREAD, pool.subarray(8, 12)), 0);
  assert.is(pool.readInt32LE(8), 7);
  assert.is(pool[7], 0xee);
  assert.is(pool[12], 0xee);
  libc.close(a);
  libc.close(b);
});

test('ioctl passes request numbers with bit 31 set', () => {
  const fd = openSync('/dev/urandom', 'r');
  const entropy = Buffer.alloc(4);
  ioctl(fd, RNDGETENTCNT, entropy);
  assert.is(entropy.readInt32LE(), Number(readFileSync('/proc/sys/kernel/random/entropy_avail', 'utf8')));
  closeSync(fd);
});

test('ioctl throws the errno of the driver', () => {
  const fd = openSync('/dev/null', 'r');
  for (const argument of [undefined, 0, 0n, Buffer.alloc(8)]) {
    assert.throws(
      () => ioctl(fd, 0x8008ae20, argument),
      (error: HostError) => error.code === 'ENOTTY',
    );
  }
  closeSync(fd);
  assert.throws(
    () => ioctl(-1, 1, undefined),
    (error: HostError) => error.code === 'EBADF',
  );
});

test('an eventfd counts up and is taken whole', () => {
  const fd = eventfd(2);
  eventfdAdd(fd);
  eventfdAdd(fd, 2n ** 40n);
  assert.is(eventfdTake(fd), 2n ** 40n + 3n);
  assert.is(eventfdTake(fd), 0n);
  assert.is(openFlags(fd) & 0o2004000, 0o2004000);
  libc.close(fd);
});

test('an eventfd that would overflow says so', () => {
  const fd = eventfd();
  eventfdAdd(fd, 2n ** 64n - 2n);
  assert.throws(
    () => eventfdAdd(fd),
    (error: HostError) => error.code === 'EAGAIN',
  );
  libc.close(fd);
});

test('a duplicate is the same file, close-on-exec, at or above the number asked for', () => {
  const fd = openSync('/proc/self/status', 'r');
  const copy = duplicate(fd, 100);
  assert.ok(copy >= 100);
  assert.is(fstatSync(copy).ino, fstatSync(fd).ino);
  assert.is(openFlags(copy) & 0o2000000, 0o2000000);
  closeSync(fd);
  closeSync(copy);
});

test('setNonBlocking sets and clears O_NONBLOCK alone', () => {
  const fd = openSync('/dev/null', 'r+');
  const before = openFlags(fd);
  setNonBlocking(fd);
  assert.is(openFlags(fd), before | 0o4000);
  setNonBlocking(fd, false);
  assert.is(openFlags(fd), before);
  closeSync(fd);
});

test('pollNow tells what is true at this moment', () => {
  const [a, b] = socketPair();
  assert.is(pollNow(b, POLLIN | POLLOUT), POLLOUT);
  libc.write(a, Buffer.from('x'), 1);
  assert.is(pollNow(b, POLLIN), POLLIN);
  libc.close(a);
  assert.is(pollNow(b, POLLIN) & POLLHUP, POLLHUP);
  libc.close(b);
});

test.run();

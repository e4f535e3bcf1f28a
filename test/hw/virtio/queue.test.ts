import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QueueFault, type QueueFaultKind, Virtqueue } from '../../../src/hw/virtio/queue.js';
import { hostileRing, survives } from '../../support/hostile-ring.js';
import { DriverQueue, Guest } from '../../support/virtio-driver.js';

const test = suite('hw/virtio/queue');
const text = (s: string) => new TextEncoder().encode(s);

function pair({ size = 8, indirect = false, eventIndex = false, windowSize = 1 << 30, base = 0 } = {}) {
  const guest = new Guest({ windowSize, base });
  const driver = new DriverQueue(guest, size, { indirect, eventIndex });
  const { desc, avail, used } = driver.ring;
  const addresses = { size, desc: BigInt(desc), driver: BigInt(avail), device: BigInt(used) };
  return { guest, driver, addresses, queue: new Virtqueue(guest.memory, addresses, { indirect: true, eventIndex }) };
}

/** The kind of the QueueFault that `work` throws. */
function fault(work: () => unknown): QueueFaultKind | undefined {
  try {
    work();
  } catch (error) {
    if (error instanceof QueueFault) return error.kind;
    throw error;
  }
  return undefined;
}

test('a chain comes out as it was put in, direct and indirect, also across the ends of RAM windows', () => {
  for (const indirect of [false, true]) {
    for (const windowSize of [1 << 30, 64]) {
      const { driver, queue } = pair({ indirect, windowSize, base: 0x10000 });
      assert.ok(driver.add('a', [text('hello '), text('world')], [3, 5]));
      const chain = queue.pop();
      assert.is(Buffer.concat(chain?.readable ?? []).toString(), 'hello world');
      assert.is(chain?.readableBytes, 11);
      assert.is(chain?.writableBytes, 8);
      assert.is(queue.pop(), undefined);
    }
  }
});

test('what the device writes comes back with its length and the token of the request', () => {
  const { driver, queue } = pair();
  driver.add('first', [text('x')], [4]);
  driver.add('second', [], [2, 2]);
  const chains = [queue.pop(), queue.pop()];
  for (const chain of chains.reverse()) {
    if (chain === undefined) throw new Error('no chain');
    for (const [i, slice] of chain.writable.entries()) slice.fill(65 + i);
    queue.push(chain, 3);
  }
  const used = driver.takeAll();
  assert.equal(
    used.map(({ token, length }) => [token, length]),
    [
      ['second', 3],
      ['first', 3],
    ],
  );
  assert.is(Buffer.from(used[0]?.bytes ?? []).toString(), 'AAB');
});

test('70,000 requests pass the wrap of both indices', () => {
  const { guest, driver, queue } = pair({ size: 4, eventIndex: true });
  const at = guest.alloc(16);
  for (let i = 0; i < 70_000; i++) {
    driver.addPlaced(i, [{ at, length: 16, flags: 2 }]);
    const chain = queue.pop();
    if (chain === undefined) throw new Error(`no chain ${i}`);
    queue.push(chain, 1);
    assert.is(queue.takeInterrupt(), true);
    assert.is(driver.take()?.token, i);
  }
});

test('a chain put back is popped again', () => {
  const { driver, queue } = pair();
  driver.add('a', [text('1')], []);
  driver.add('b', [text('2')], []);
  const first = queue.pop();
  queue.unpop();
  assert.is(queue.pop()?.head, first?.head);
  assert.is.not(queue.pop()?.head, first?.head);
  assert.equal(queue.indices, { avail: 2, used: 0, inFlight: 2 });
});

test('interrupts follow the NO_INTERRUPT flag without the event index', () => {
  const { guest, driver, queue } = pair();
  const once = () => {
    driver.add('', [text('x')], []);
    const chain = queue.pop();
    if (chain !== undefined) queue.push(chain, 0);
    return queue.takeInterrupt();
  };
  assert.is(queue.takeInterrupt(), false);
  assert.is(once(), true);
  guest.put16(driver.ring.avail, 1);
  assert.is(once(), false);
});

test('with the event index one interrupt covers all until the driver catches up', () => {
  const { driver, queue } = pair({ eventIndex: true });
  const once = () => {
    driver.add('', [text('x')], []);
    const chain = queue.pop();
    if (chain !== undefined) queue.push(chain, 0);
    return queue.takeInterrupt();
  };
  assert.equal([once(), once(), once()], [true, false, false]);
  driver.takeAll();
  assert.equal([once(), once()], [true, false]);
});

test('the driver rings only while it is asked to, and no chain is missed between', () => {
  for (const eventIndex of [false, true]) {
    const { driver, queue } = pair({ eventIndex });
    assert.is(queue.wantNotifications(true), false);
    driver.add('', [text('x')], []);
    assert.is(driver.kickNeeded(), true);
    queue.pop();
    queue.wantNotifications(false);
    driver.add('', [text('x')], []);
    assert.is(driver.kickNeeded(), false);
    assert.is(queue.wantNotifications(true), true);
    queue.pop();
    assert.is(queue.wantNotifications(true), false);
    driver.add('', [text('x')], []);
    assert.is(driver.kickNeeded(), true);
  }
});

test('each way to break a ring has its fault', () => {
  const cases: [QueueFaultKind, (parts: ReturnType<typeof pair>) => void][] = [
    ['avail-index', ({ guest, driver }) => guest.put16(driver.ring.avail + 2, 9)],
    ['head', ({ guest, driver }) => guest.put16(driver.ring.avail + 4, 8)],
    ['next', ({ guest, driver }) => guest.put16(driver.ring.desc + 14, 8)],
    ['loop', ({ guest, driver }) => guest.put16(driver.ring.desc + 14, 0)],
    ['buffer-address', ({ guest, driver }) => guest.put64(driver.ring.desc, 0xffffffffffffffffn)],
    ['buffer-address', ({ guest, driver }) => guest.put64(driver.ring.desc, BigInt(guest.size - 1))],
    ['buffer-address', ({ guest, driver }) => guest.put32(driver.ring.desc + 8, 0xffffffff)],
    ['indirect', ({ guest, driver }) => guest.put16(driver.ring.desc + 12, 4)],
    ['indirect', ({ guest, driver }) => guest.put16(driver.ring.desc + 12, 5)],
    [
      'order',
      ({ guest, driver }) => {
        guest.put16(driver.ring.desc + 12, 3);
        guest.put16(driver.ring.desc + 28, 0);
      },
    ],
  ];
  for (const [kind, spoil] of cases) {
    const parts = pair();
    parts.driver.add('', [text('abc'), text('def')], []);
    spoil(parts);
    assert.is(
      fault(() => parts.queue.pop()),
      kind,
    );
  }
});

test('indirect tables: nested, ragged, outside of RAM and not negotiated', () => {
  const spoil: ((guest: Guest, table: number, head: number) => void)[] = [
    (guest, table) => guest.put16(table + 12, 4),
    (guest, _, head) => guest.put32(head + 8, 17),
    (guest, _, head) => guest.put32(head + 8, 0),
    (guest, _, head) => guest.put64(head, BigInt(guest.size)),
  ];
  for (const change of spoil) {
    const { guest, driver, queue } = pair({ indirect: true });
    driver.add('', [text('a'), text('b')], []);
    change(guest, guest.u32(driver.ring.desc), driver.ring.desc);
    assert.is(
      fault(() => queue.pop()),
      'indirect',
    );
  }
  const { guest, driver, addresses } = pair({ indirect: true });
  driver.add('', [text('a'), text('b')], []);
  const plain = new Virtqueue(guest.memory, addresses, { indirect: false, eventIndex: false });
  assert.is(
    fault(() => plain.pop()),
    'indirect',
  );
});

test('an indirect table may hold as many descriptors as the queue, and not one more', () => {
  for (const [count, expected] of [
    [4, undefined],
    [5, 'loop'],
  ] as const) {
    const { driver, queue } = pair({ size: 4, indirect: true });
    driver.add(
      '',
      Array.from({ length: count }, () => text('x')),
      [],
    );
    assert.is(
      fault(() => queue.pop()),
      expected,
    );
  }
});

test('a driver that gives a buffer twice is stopped when more are in use than exist', () => {
  const { guest, driver, queue } = pair({ size: 2 });
  driver.add('', [text('x')], []);
  driver.add('', [text('x')], []);
  queue.pop();
  queue.pop();
  guest.put16(driver.ring.avail + 2, 3);
  assert.is(
    fault(() => queue.pop()),
    'in-flight',
  );
});

test('sizes, alignments and addresses of rings are checked', () => {
  const { guest, addresses } = pair();
  const make = (change: Partial<typeof addresses>) =>
    fault(() => new Virtqueue(guest.memory, { ...addresses, ...change }, { indirect: true, eventIndex: true }));
  assert.is(make({}), undefined);
  for (const size of [0, 3, 65536, 2 ** 32 - 1]) assert.is(make({ size }), 'size');
  assert.is(make({ desc: addresses.desc + 8n }), 'alignment');
  assert.is(make({ driver: addresses.driver + 1n }), 'alignment');
  assert.is(make({ device: addresses.device + 2n }), 'alignment');
  assert.is(make({ device: 0xfffffffffffffffcn }), 'ring-address');
  assert.is(make({ desc: BigInt(guest.size) - 16n }), 'ring-address');
});

test('hostile rings end in a fault or in buffers inside guest RAM', () => {
  fc.assert(fc.property(hostileRing, survives), { numRuns: 5_000 });
});

test.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type EventClock, EventPublisher, events, qmpEvent, systemClock } from '../../qmp/events.js';
import { visit } from '../../src/qom/visitor.js';
import type { SystemEvent } from '../../src/system/events.js';
import type { JsonObject } from '../../src/system/json.js';
import { deadline } from '../support/deadline.js';
import { converse, createTestMonitor } from '../support/monitor.js';
import { readTestData } from '../support/schema.js';

interface Sequence {
  title: string;
  argv: string[];
  log: { send?: string; recv?: string; signal?: string }[];
}

const recordedSequences = JSON.parse(readTestData('events-none.json')) as Sequence[];

/** A reply or event without its time stamp. */
function comparable(line: string): unknown {
  return JSON.parse(line, (key, value: unknown) => (key === 'timestamp' ? '<time>' : value));
}

const sequences = suite('events: recorded sequences');

for (const { title, argv, log } of recordedSequences) {
  // Character devices have a test of their own; this monitor is on none.
  if (log.some(({ send }) => send?.includes('chardev') === true)) continue;
  sequences(title, async () => {
    const monitor = await createTestMonitor({ preconfig: argv.includes('--preconfig'), paused: argv.includes('-S') });
    if (argv.includes('-no-reboot')) monitor.system.run.actions.reboot = 'shutdown';
    if (argv.includes('-no-shutdown')) monitor.system.run.actions.shutdown = 'pause';
    const peer = monitor.connect().negotiate();
    for (let at = 0; at < log.length; ) {
      const { send, signal } = log[at] ?? {};
      const expected: string[] = [];
      for (at++; log[at]?.recv !== undefined; at++) expected.push(log[at]?.recv ?? '');
      const lines = expected.filter((line) => !line.startsWith('<'));
      // What main does at SIGTERM and SIGINT.
      if (signal !== undefined) await monitor.system.run.kill('host-signal');
      const received = await converse(peer, send ?? '', lines.length);
      assert.equal(received.map(comparable), lines.map(comparable));
    }
  });
}

sequences('the reply to quit is there before the end of the machine is told', async () => {
  const { connect, system } = await createTestMonitor();
  const peer = connect().negotiate();
  peer.session.receive(Buffer.from('{"execute": "query-status"}{"execute": "quit"}'));
  await deadline('the end', system.run.finished);
  assert.is(peer.takeLines().at(-1), '{"return": {}}');
});

sequences.run();

const mapping = suite('events: mapping');

const all: readonly SystemEvent[] = [
  { type: 'shutdown', cause: 'guest-shutdown' },
  { type: 'reset', cause: 'host-qmp-system-reset' },
  { type: 'stop' },
  { type: 'resume' },
  { type: 'powerdown' },
  { type: 'wakeup' },
  { type: 'device-deleted', device: 'a', path: '/machine/peripheral/a' },
  { type: 'device-deleted', device: undefined, path: '/machine/peripheral-anon/device[0]' },
  { type: 'device-unplug-guest-error', device: 'a', path: '/machine/peripheral/a' },
  { type: 'rtc-change', offset: -5, path: '/machine/rtc' },
  { type: 'enclave-started', cid: 16 },
  { type: 'heartbeat', byte: 0xb7, ok: true },
  { type: 'console-connected', cid: 16 },
];

mapping('every system event is a declared QMP event with data that fit its declaration', () => {
  for (const event of all) {
    const { name, data } = qmpEvent(event);
    const declaration = events.find((candidate) => candidate.name === name);
    assert.ok(declaration, name);
    visit(declaration.data, data ?? {}, name);
  }
});

mapping('the cause tells whether the guest did it', () => {
  assert.equal(qmpEvent({ type: 'shutdown', cause: 'guest-shutdown' }), {
    name: 'SHUTDOWN',
    data: { guest: true, reason: 'guest-shutdown' },
  });
  assert.equal(qmpEvent({ type: 'shutdown', cause: 'host-qmp-quit' }).data, { guest: false, reason: 'host-qmp-quit' });
});

mapping.run();

const publisher = suite('events: publisher');

/** A clock that stands still until `advance`. */
class TestClock implements EventClock {
  time = 1_795_413_008_260_697;
  #timers: { due: number; run: () => void }[] = [];

  now(): number {
    return this.time;
  }

  after(ms: number, run: () => void): void {
    this.#timers.push({ due: this.time + ms * 1000, run });
  }

  advance(ms: number): void {
    this.time += ms * 1000;
    const due = this.#timers.filter((timer) => timer.due <= this.time);
    this.#timers = this.#timers.filter((timer) => timer.due > this.time);
    for (const { run } of due) run();
  }
}

function offsets(messages: readonly JsonObject[]): unknown[] {
  return messages.map(({ data }) => (data as JsonObject).offset);
}

publisher('stamps events with seconds and microseconds', () => {
  const messages: JsonObject[] = [];
  new EventPublisher((message) => messages.push(message), new TestClock()).publish({ name: 'STOP' });
  assert.equal(messages, [{ timestamp: { seconds: 1_795_413_008, microseconds: 260_697 }, event: 'STOP' }]);
});

publisher('the system clock gives the time of day in whole microseconds', () => {
  const now = systemClock.now();
  assert.ok(Number.isInteger(now));
  assert.ok(Math.abs(now / 1000 - Date.now()) < 1000);
});

publisher('lets one RTC_CHANGE a second through, the last one late', () => {
  const messages: JsonObject[] = [];
  const clock = new TestClock();
  const events = new EventPublisher((message) => messages.push(message), clock);
  const change = (offset: number, path = '/rtc') =>
    events.publish({ name: 'RTC_CHANGE', data: { offset, 'qom-path': path } });
  change(1);
  change(2);
  change(3);
  assert.equal(offsets(messages), [1]);
  clock.advance(999);
  assert.equal(offsets(messages), [1]);
  clock.advance(1);
  assert.equal(offsets(messages), [1, 3]);
  // The interval begins anew with the late one.
  change(4);
  assert.equal(offsets(messages), [1, 3]);
  clock.advance(1000);
  assert.equal(offsets(messages), [1, 3, 4]);
  clock.advance(1000);
  change(5);
  assert.equal(offsets(messages), [1, 3, 4, 5]);
});

publisher('limits each clock on its own, and other events not at all', () => {
  const messages: JsonObject[] = [];
  const events = new EventPublisher((message) => messages.push(message), new TestClock());
  for (const path of ['/a', '/b', '/a']) events.publish({ name: 'RTC_CHANGE', data: { offset: 0, 'qom-path': path } });
  assert.is(messages.length, 2);
  for (let i = 0; i < 5; i++) events.publish({ name: 'RESUME' });
  assert.is(messages.length, 7);
});

publisher.run();

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Broadcast } from '../../../qmp/session/wire.js';
import { ControlFrontend, type ControlOptions, defaultEventQueue } from '../../../qmp/transports/control.js';
import type { CharPort } from '../../../src/chardev/chardev.js';
import type { JsonObject } from '../../../src/system/json.js';
import { deadline, eventually } from '../../support/deadline.js';
import { createTestMonitor } from '../../support/monitor.js';

const test = suite('qmp/transports/control');

/** A peer that takes everything, or nothing at all while `stuck`. */
class Peer implements CharPort {
  readonly writes: string[] = [];
  readonly frontend: ControlFrontend;
  readonly subprotocol: string | undefined;
  stuck = false;
  queued = 0;
  connected = true;
  paused = false;

  constructor(make: (port: CharPort) => ControlFrontend, subprotocol?: string) {
    this.subprotocol = subprotocol;
    this.frontend = make(this);
    this.frontend.opened();
  }

  write(data: Uint8Array): boolean {
    if (this.stuck) this.queued += data.length;
    else this.writes.push(Buffer.from(data).toString('latin1'));
    return !this.stuck;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  disconnect(): void {
    this.connected = false;
    this.frontend.closed();
  }

  takeDescriptor(): undefined {
    return undefined;
  }

  say(...messages: JsonObject[]): void {
    for (const message of messages) this.frontend.receive(Buffer.from(JSON.stringify(message)));
  }

  get text(): string {
    return this.writes.join('');
  }
}

async function clients(options: ControlOptions = {}) {
  const { host } = await createTestMonitor();
  const connected = new Set<ControlFrontend>();
  const make = (port: CharPort): ControlFrontend => new ControlFrontend(host, connected, port, options);
  return { connected, connect: (subprotocol?: string) => new Peer(make, subprotocol) };
}

const negotiate = { execute: 'qmp_capabilities' };

test('each client has a session of its own', async () => {
  const { connect, connected } = await clients();
  const [one, other] = [connect(), connect()];
  one.say(negotiate, { execute: 'query-version', id: 'same' });
  other.say({ execute: 'query-version', id: 'same' });
  await eventually('the answer', () => one.text.includes('"id": "same"'));
  assert.match(other.text, /"id": "same", "error": \{"class": "CommandNotFound"/);
  assert.is(connected.size, 2);
  one.disconnect();
  assert.is(connected.size, 1);
});

test('a client that reads nothing is cut off when a megabyte of events waits, and nobody else notices', async () => {
  const { connect, connected } = await clients();
  const [stuck, lively] = [connect(), connect()];
  for (const peer of [stuck, lively]) peer.say(negotiate);
  stuck.stuck = true;
  const event = new Broadcast({ event: 'STOP', data: { filler: 'x'.repeat(1000) } });
  let sent = 0;
  const length = event.text(false).length;
  for (; stuck.connected && sent < 2 * defaultEventQueue; sent += length) {
    for (const client of [...connected]) client.sendEvent(event);
  }
  assert.not(stuck.connected);
  assert.ok(stuck.queued > defaultEventQueue && stuck.queued <= defaultEventQueue + 3 * length);
  assert.is(lively.text.split('"STOP"').length - 1, sent / length);
  assert.is(connected.size, 1);
});

test('a client that catches up begins anew, and replies do not count', async () => {
  const { connect } = await clients({ eventQueue: 1000 });
  const peer = connect();
  peer.say(negotiate);
  const event = new Broadcast({ event: 'STOP', data: { filler: 'x'.repeat(600) } });
  for (let round = 0; round < 5; round++) {
    peer.stuck = true;
    // This reply, longer than the limit, is what the client is behind with.
    peer.say({ execute: 'query-qmp-schema' });
    await eventually('the reply', () => peer.queued > 1000);
    peer.frontend.sendEvent(event);
    assert.ok(peer.connected);
    peer.stuck = false;
    peer.queued = 0;
    peer.frontend.drained();
  }
  peer.stuck = true;
  for (let i = 0; i < 3; i++) peer.frontend.sendEvent(event);
  assert.not(peer.connected);
});

test('the read-only profile serves queries and QOM reads, in QMP and in JSON-RPC', async () => {
  const { connect } = await clients({ readOnly: true });
  const qmp = connect();
  qmp.say(negotiate, { execute: 'query-status' }, { execute: 'qom-list', arguments: { path: '/' } });
  qmp.say({ execute: 'qom-get', arguments: { path: '/machine', property: 'type' } });
  await eventually('three answers', () => qmp.text.split('"return"').length === 5);
  for (const command of ['stop', 'quit', 'qom-set', 'getfd', 'human-monitor-command', 'device_add']) {
    qmp.say({ execute: command, id: command, arguments: {} });
    const refusal = `"id": "${command}", "error": {"class": "GenericError", "desc": "The command '${command}' is not permitted`;
    await eventually(command, () => qmp.text.includes(refusal));
  }
  const rpc = connect('jsonrpc');
  await eventually('the session', () => !rpc.paused);
  rpc.say({ jsonrpc: '2.0', id: 1, method: 'query-status' }, { jsonrpc: '2.0', id: 2, method: 'quit' });
  await eventually('two answers', () => rpc.writes.length === 2);
  assert.match(rpc.writes[0] ?? '', /"result": \{"status"/);
  assert.match(
    rpc.writes[1] ?? '',
    /"code": -32000, "message": "The command 'quit' is not permitted on a read-only monitor"/,
  );
});

test('with the subprotocol qmp every message is written by itself', async () => {
  const { connect } = await clients({ pretty: true });
  const peer = connect('qmp');
  peer.frontend.receive(Buffer.from('{"execute": "qmp_capabilities"}{"execute": "nonesuch"}{"execute": "nonesuch"}'));
  await eventually('four messages', () => peer.writes.length === 4);
  for (const message of peer.writes) JSON.parse(message);
});

test('a peer that ends its side is finished when all that it sent has been answered', async () => {
  for (const subprotocol of [undefined, 'jsonrpc']) {
    const { connect } = await clients();
    const peer = connect(subprotocol);
    await eventually('the session', () => !peer.paused);
    if (subprotocol === undefined)
      peer.say(negotiate, { execute: 'query-stats-schemas' }, { execute: 'query-events', id: 9 });
    else
      peer.say(
        { jsonrpc: '2.0', id: 8, method: 'query-stats-schemas' },
        { jsonrpc: '2.0', id: 9, method: 'query-events' },
      );
    await deadline('the answers', peer.frontend.finish());
    assert.match(peer.text, /"id": 9/);
    await deadline('nothing', peer.frontend.finish());
    peer.disconnect();
    await deadline('nothing any more', peer.frontend.finish());
  }
});

test('the wait for the answers ends with the connection', async () => {
  const { connect } = await clients();
  const peer = connect();
  peer.stuck = true;
  peer.say(negotiate, { execute: 'query-version' }, { execute: 'query-version' });
  const finished = peer.frontend.finish();
  peer.disconnect();
  await deadline('the end', finished);
});

test('a JSON-RPC client that leaves at once leaves nothing behind', async () => {
  const { connect, connected } = await clients();
  const peer = connect('jsonrpc');
  peer.disconnect();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.is(connected.size, 0);
  assert.equal(peer.writes, []);
});

test.run();

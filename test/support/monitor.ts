import { type ClientOptions, MonitorClient, type MonitorHost } from '../../qmp/context.js';
import { Dispatcher } from '../../qmp/dispatch.js';
import { EventPublisher, qmpEvent } from '../../qmp/events.js';
import { Broadcast } from '../../qmp/session/wire.js';
import { describeGroups } from '../../src/cli/describe-groups.js';
import { createModuleApi, offerTypes } from '../../src/module-api.js';
import { Machine } from '../../src/system/machine.js';
import { createModuleLoader } from '../../src/system/module-loader.js';
import type { System } from '../../src/system/system.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { eventually } from './deadline.js';
import { QmpPeer } from './qmp-peer.js';
import { createBareSystem } from './system.js';

/** A whole emulator without its command line: system, `-M none`, monitors. */
export interface TestMonitor {
  readonly host: MonitorHost;
  readonly system: System;
  readonly messages: string[];
  /** A client that has done the capability negotiation. */
  connect(options?: ClientOptions): QmpPeer;
}

/** @param options `preconfig` leaves the machine to x-exit-preconfig; `paused` is -S */
export async function createTestMonitor(options: { preconfig?: boolean; paused?: boolean } = {}): Promise<TestMonitor> {
  const { system, messages } = createBareSystem((own) => createModuleLoader(() => createModuleApi(own()), undefined));
  offerTypes(system);
  const objects = createUserObjects(system);
  await system.modules.load('machine', 'none');

  const start = async (): Promise<void> => {
    const machine = system.types.get('none-machine')?.create();
    if (!(machine instanceof Machine)) throw new Error('there is no machine none');
    system.setMachine(machine);
    system.run.attach(machine.runTarget());
    system.phase = 'ready';
    if (options.paused !== true) await system.run.resume();
  };
  if (options.preconfig !== true) await start();

  const host: MonitorHost = {
    system,
    objects,
    exitPreconfig: start,
    commandLineOptions: () => describeGroups(system.types.list('machine')),
  };
  const peers: QmpPeer[] = [];
  const publisher = new EventPublisher((message) => {
    const event = new Broadcast(message);
    for (const { session } of peers) session.sendEvent(event);
  });
  system.events.on((event) => publisher.publish(qmpEvent(event)));
  return {
    host,
    system,
    messages,
    connect: (clientOptions = {}) => {
      const peer = new QmpPeer({ dispatcher: new Dispatcher(host, new MonitorClient(clientOptions)) });
      peers.push(peer);
      return peer;
    },
  };
}

/** Commands that random arguments must not reach: they end the machine, write files of any name, make what stays. */
export const harmful: ReadonlySet<string> = new Set([
  'quit',
  'system_reset',
  'pmemsave',
  'object-add',
  'chardev-add',
  'chardev-change',
]);

/** Sends input and waits until `count` lines came back; then a little longer, for lines that should not come. */
export async function converse(peer: QmpPeer, input: string | Uint8Array, count: number): Promise<string[]> {
  const lines = peer.ask(input);
  if (lines.length < count) {
    await eventually(`${count} line(s) in answer to ${String(input).slice(0, 200)}`, () => {
      lines.push(...peer.takeLines());
      return lines.length >= count;
    });
  }
  await new Promise((resolve) => setImmediate(resolve));
  return [...lines, ...peer.takeLines()];
}

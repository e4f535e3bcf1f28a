import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { recordedExchanges } from '../support/exchanges.js';
import { converse, createTestMonitor } from '../support/monitor.js';

const exchanges = suite('commands: recorded exchanges');

const monitor = await createTestMonitor();

/** Parts of replies that differ from run to run. */
function comparable(line: string): unknown {
  return JSON.parse(line, (key, value: unknown) => {
    if (key === 'thread-id') return '<thread>';
    if (key === 'pty') return '<pty>';
    return value;
  });
}

for (const { name, negotiated, steps } of recordedExchanges()) {
  exchanges(name, async () => {
    const peer = monitor.connect();
    peer.take();
    if (negotiated) peer.negotiate();
    for (const { send, receive } of steps) {
      const lines = await converse(peer, send, receive.length);
      assert.equal(lines.map(comparable), receive.map(comparable));
    }
  });
}

exchanges.run();

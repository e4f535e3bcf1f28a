import { spawnSync } from 'node:child_process';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { strangeText } from '../support/json-text.js';
import { QmpPeer } from '../support/qmp-peer.js';
import { marked, QmpServer } from '../support/qmp-server.js';

const emulator = 'qemu-system-x86_64';
const dialect = suite('JSON dialect against a real QEMU');

/**
 * A reply in a form that does not depend on what is no promise: the order of members, which QEMU takes from a hash
 * table, and with it which of several faults of an envelope it tells.
 */
function comparable(line: string): unknown {
  const vague = line.replace(/"desc": "QMP input (lacks )?member .*"/, '"desc": "a fault of the envelope"');
  try {
    return JSON.parse(vague);
  } catch {
    // QEMU echoes 1e999 as inf.
    return vague;
  }
}

dialect('damaged and strange input is answered as QEMU answers it', async () => {
  if (spawnSync(emulator, ['--version']).status !== 0) {
    console.log(`SKIP no ${emulator} on this host`);
    return;
  }
  const qemu = await QmpServer.start([emulator]);
  try {
    const peer = new QmpPeer().negotiate();
    await fc.assert(
      fc.asyncProperty(strangeText, async (input) => {
        const { lines } = await qemu.ask(input);
        const ours = peer.ask(marked(input, 'end')).slice(0, -1);
        assert.equal(ours.map(comparable), lines.map(comparable), JSON.stringify(input));
      }),
      { numRuns: 1500, includeErrorInReport: true },
    );
  } finally {
    await qemu.stop();
  }
});

dialect.run();

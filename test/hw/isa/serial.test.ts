import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { converse, createTestMonitor } from '../../support/monitor.js';

const test = suite('isa-serial');
const monitor = await createTestMonitor();
const { system } = monitor;
await system.needTypes();

/** device-list-properties of the recorded QEMU; descriptions are our own. */
const recorded = JSON.parse(
  readFileSync(new URL('../../../../test/hw/isa/isa-serial.json', import.meta.url), 'utf8'),
) as { name: string; type: string; 'default-value'?: unknown }[];

test('its properties, types and defaults are those of QEMU', () => {
  const type = system.types.get('isa-serial');
  const device = system.types.get('device');
  const own = [...(type?.properties ?? [])].filter(([name]) => device?.properties.has(name) === false);
  const rows = own.map(([name, property]) => [name, property.type, property.defaultValue]);
  assert.equal(
    new Set(rows.map((row) => JSON.stringify(row))),
    new Set(recorded.map((each) => JSON.stringify([each.name, each.type, each['default-value']]))),
  );
  assert.is(type?.parent?.name, 'isa-device');
});

test('on a machine without an ISA bus it is refused, with a chardev too', async () => {
  for (const more of ['', ', "chardev": "x"']) {
    const peer = monitor.connect();
    peer.negotiate();
    const [line] = await converse(peer, `{"execute": "device_add", "arguments": {"driver": "isa-serial"${more}}}`, 1);
    assert.equal(JSON.parse(line ?? ''), {
      error: { class: 'GenericError', desc: "No 'ISA' bus found for device 'isa-serial'" },
    });
  }
});

test.run();

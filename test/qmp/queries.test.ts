import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { commandNames } from '../../qmp/registry.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { converse, createTestMonitor } from '../support/monitor.js';
import { qemuSchema, readTestData } from '../support/schema.js';

const recorded = JSON.parse(readTestData('queries-none.json')) as Record<string, JsonObject>;
const schema = qemuSchema();

/** Replies that differ from those of the recorded QEMU; docs/differences-from-qemu-qmp.md says why. */
const differences: Readonly<Record<string, JsonValue | undefined>> = {
  'query-version': { qemu: { micro: 50, minor: 2, major: 10 }, package: 'nitro-emu-0.0.0' },
  'query-accelerators': { enabled: 'tcg', present: ['kvm', 'nitro', 'qtest', 'tcg'] },
  // The test's monitor is on no character device.
  'query-chardev': [],
  'query-yank': [],
  'query-dump-guest-memory-capability': { formats: [] },
  'query-stats-schemas': [],
  'query-tpm-models': [],
  'query-tpm-types': [],
};

/** What depends on the host. */
const ofThisHost = new Set(['query-kvm', 'query-sgx-capabilities', 'query-chardev-backends']);

/** Too long to be in the recording, or not in QEMU. */
const unrecorded = new Set(commandNames().filter((name) => name.startsWith('query-') && !(name in recorded)));

const queries = suite('queries of -M none');
const monitor = await createTestMonitor();
const peer = monitor.connect().negotiate();

async function ask(command: string): Promise<JsonObject> {
  const [line = ''] = await converse(peer, JSON.stringify({ execute: command }), 1);
  return JSON.parse(line) as JsonObject;
}

for (const name of commandNames().filter((command) => command.startsWith('query-'))) {
  queries(name, async () => {
    const reply = await ask(name);
    const entry = schema.entries.get(name);
    if ('return' in reply && entry !== undefined && name !== 'query-accelerators') {
      assert.is(schema.fault(reply.return as JsonValue, entry['ret-type'] ?? '', name), undefined);
    }
    if (ofThisHost.has(name) || unrecorded.has(name)) return;
    const different = differences[name];
    assert.equal(reply, different === undefined ? recorded[name] : { return: different });
  });
}

queries('the ones without a recording are known', () => {
  assert.equal([...unrecorded].sort(), [
    'query-command-line-options',
    'query-commands',
    'query-cpu-definitions',
    'query-events',
    'query-machines',
    'query-qmp-schema',
    'query-vnc',
  ]);
});

queries('query-machines tells of the machines there are', async () => {
  const { return: machines } = (await ask('query-machines')) as { return: JsonObject[] };
  const none = machines.find(({ name }) => name === 'none');
  assert.equal(none, {
    name: 'none',
    'cpu-max': 1,
    'hotpluggable-cpus': false,
    'numa-mem-supported': false,
    deprecated: false,
    acpi: false,
    'default-ram-id': 'ram',
  });
  // With it libvirt would replace the memory in huge pages.
  assert.not.ok('default-ram-id' in (machines.find(({ name }) => name === 'nitro') ?? {}));
});

queries('query-commands lists commands that QEMU has too, and a few more', async () => {
  const { return: commands } = (await ask('query-commands')) as { return: { name: string }[] };
  const theirs = (JSON.parse(readTestData('qemu-commands.json')) as { return: { name: string }[] }).return;
  const known = new Set(theirs.map(({ name }) => name));
  const additional = commands.map(({ name }) => name).filter((name) => !known.has(name));
  const ours = ['x-nitro-inject', 'x-nitro-query-attestation-root', 'x-nitro-query-enclave', 'x-nitro-query-pcrs'];
  assert.equal(additional.sort(), ['query-events', 'query-vnc', ...ours]);
});

queries.run();

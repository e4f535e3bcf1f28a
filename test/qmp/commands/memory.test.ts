import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MonitorClient } from '../../../qmp/context.js';
import { Dispatcher } from '../../../qmp/dispatch.js';
import { writeRam } from '../../../src/system/guest-ram.js';
import type { JsonObject, JsonValue } from '../../../src/system/json.js';
import { createRegion } from '../../../src/system/memory.js';
import { MemoryRam } from '../../support/memory-ram.js';
import { createTestMonitor } from '../../support/monitor.js';

const memory = suite('commands: memory');
const MIB = 1 << 20;

let directory = '';
memory.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'qmp-memory-'));
});
memory.after(() => rm(directory, { recursive: true }));

async function fixture() {
  const { host, system } = await createTestMonitor();
  const dispatcher = new Dispatcher(host, new MonitorClient());
  const call = async (name: string, args: JsonObject = {}): Promise<JsonValue> => dispatcher.dispatch(name, args);
  const message = (name: string, args: JsonObject): Promise<string> =>
    call(name, args).then(
      () => 'no error',
      (error: Error) => error.message,
    );
  return { system, call, message };
}

memory('pmemsave writes RAM as it is and zeros where there is none', async () => {
  const { system, call } = await fixture();
  const ram = new MemoryRam(3 * MIB, MIB);
  const region = createRegion(system.types, 'ram', BigInt(ram.size), 'ram');
  region.ram = ram;
  system.systemMemory.add(0n, region);
  const bytes = Uint8Array.from({ length: 3 * MIB }, (_, i) => (i * 7) & 0xff);
  writeRam(ram, 0, bytes);
  const path = join(directory, 'saved');
  await call('pmemsave', { val: MIB - 5, size: 1.5 * MIB, filename: path });
  assert.ok((await readFile(path)).equals(bytes.subarray(MIB - 5, 2.5 * MIB - 5)));
  await call('pmemsave', { val: 16 * MIB, size: 100, filename: path });
  assert.ok((await readFile(path)).equals(Buffer.alloc(100)));
});

memory('pmemsave tells why a file cannot be opened', async () => {
  const { message } = await fixture();
  const args = { val: 0, size: 1, filename: '/nonexistent/x' };
  assert.is(await message('pmemsave', args), "Could not open '/nonexistent/x': No such file or directory");
});

memory('memory that was donated is not read', async () => {
  const { system, message } = await fixture();
  Object.defineProperty(system.machine, 'memoryUnreadable', { value: 'it was donated' });
  const path = join(directory, 'never');
  assert.is(await message('pmemsave', { val: 0, size: 1, filename: path }), 'it was donated');
  assert.is(await message('dump-guest-memory', { paging: false, protocol: `file:${path}` }), 'it was donated');
});

memory('memsave needs a CPU', async () => {
  const { message } = await fixture();
  // reference/qemu/qmp/events.json, "nitro: hot plug".
  const sentence = "Parameter 'cpu-index' expects a CPU number";
  assert.is(await message('memsave', { val: 0, size: 4, filename: '/nonexistent/x' }), sentence);
});

memory('dump-guest-memory checks its arguments first', async () => {
  const { message } = await fixture();
  const file = 'file:/nonexistent/x';
  const cases: [JsonObject, string][] = [
    [{ paging: false, protocol: file, begin: 0 }, "Parameter 'length' is missing"],
    [{ paging: false, protocol: file, length: 1 }, "Parameter 'begin' is missing"],
    [
      { paging: true, protocol: file, format: 'kdump-zlib' },
      "kdump-compressed format doesn't support paging or filter",
    ],
    [
      { paging: false, protocol: file, format: 'win-dmp', begin: 0 },
      "kdump-compressed format doesn't support paging or filter",
    ],
    [{ paging: false, protocol: 'fd:x' }, "File descriptor named 'x' has not been found"],
    [{ paging: false, protocol: file }, 'guest memory cannot be dumped by this program'],
  ];
  for (const [args, sentence] of cases) assert.is(await message('dump-guest-memory', args), sentence);
});

memory('query-memdev and the list of RAM blocks show a backend', async () => {
  const { call } = await fixture();
  await call('object-add', { 'qom-type': 'memory-backend-ram', id: 'm', size: MIB });
  assert.equal(await call('query-memdev'), [
    {
      id: 'm',
      size: MIB,
      merge: true,
      dump: true,
      prealloc: false,
      share: false,
      reserve: true,
      'host-nodes': [],
      policy: 'default',
    },
  ]);
  const table = (await call('x-query-ramblock')) as JsonObject;
  const [heading = '', row = ''] = String(table['human-readable-text']).split('\n');
  // reference/qemu/hmp/none.txt, info ramblock.
  const expected =
    '              Block Name    PSize              Offset               Used              Total                HVA  RO';
  assert.is(heading, expected);
  assert.match(row, /^ +\d+ KiB {2}0x0{16} 0x0{10}100000 0x0{10}100000 0x[0-9a-f]{16} {2}rw$/);
  await call('object-del', { id: 'm' });
});

memory.run();

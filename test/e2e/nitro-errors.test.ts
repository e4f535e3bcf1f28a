import { execFileSync } from 'node:child_process';
import { constants } from 'node:os';
import * as assert from 'uvu/assert';
import { type DoubleConfig, deviceCalls } from '../support/double.js';
import { hugePages, NitroHost, type NitroRun, nitroSuite } from '../support/nitro-host.js';

const { host, test, run } = await nitroSuite('nitro: errors name their step, their cause and the command that helps');
const PROGRAM = 'qemu-system-x86_64';

/** Error numbers 256..275 as the installed <linux/nitro_enclaves.h> names them. */
function driverErrors(): [name: string, errno: number][] {
  const macros = execFileSync('gcc', ['-dM', '-E', '-include', 'linux/nitro_enclaves.h', '-'], { input: '' });
  const found = [...macros.toString().matchAll(/#define (NE_ERR_\w+) \((\d+)\)/g)];
  return found.map((match) => [match[1] ?? '', Number(match[2])]);
}

/** Sentences of QEMU for what NE_START_ENCLAVE refuses (accel/nitro/nitro-accel.c of QEMU 11). */
const startSentences: Readonly<Record<string, string>> = {
  NE_ERR_NO_MEM_REGIONS_ADDED: 'nitro: no memory regions added',
  NE_ERR_NO_VCPUS_ADDED: 'nitro: no vCPUs added',
  NE_ERR_ENCLAVE_MEM_MIN_SIZE: 'nitro: memory is below the minimum required size. Try increasing -m',
  NE_ERR_FULL_CORES_NOT_USED:
    'nitro: requires full CPU cores. Try increasing -smp to a multiple of threads per core on this host (e.g. -smp 2)',
  NE_ERR_NOT_IN_INIT_STATE: 'nitro: not in init state',
  NE_ERR_INVALID_FLAG_VALUE: 'nitro: invalid flag value for NE_START_ENCLAVE',
  NE_ERR_INVALID_ENCLAVE_CID: 'nitro: invalid enclave CID',
};

function sentence(call: string, name: string, errno: number): string {
  const text = `Unknown error ${errno}`;
  if (call === 'NE_SET_USER_MEMORY_REGION') return `nitro: ${call} failed for ram (134217728 bytes): ${text}`;
  if (call !== 'NE_START_ENCLAVE') return `nitro: ${call} failed: ${text}`;
  return startSentences[name] ?? `nitro: ${call} failed: ${text} (errno ${errno})`;
}

test('every error of the driver at every step: sentence, name in the hint, and cont may be tried again', async () => {
  const { double, qmp } = await host.startQmp({ args: ['-S'] });
  let attempts = 0;
  const steps = ['NE_SET_USER_MEMORY_REGION', 'NE_ADD_VCPU', 'NE_START_ENCLAVE', 'NE_CREATE_VM'];
  const errors = driverErrors();
  assert.is(errors.length, 20);
  for (const call of steps) {
    for (const [name, errno] of errors) {
      await double.control('fault', { call, errno });
      const [first, hint = ''] = (await qmp.hmp('cont')).split('\r\n');
      assert.is(first, `Error: ${sentence(call, name, errno)}`);
      assert.match(hint, new RegExp(`^nitro: ${name}: .{20}`));
      attempts++;
    }
    assert.equal(await qmp.run('query-status'), { status: 'prelaunch', running: false });
  }
  await qmp.run('cont');
  await double.record('heartbeat');
  assert.is(double.calls('release').length, attempts - errors.length, 'each attempt gave back what it had');
});

test('a launch that fails at start-up ends the process with status 1 and releases all', async () => {
  for (const call of ['NE_CREATE_VM', 'NE_SET_USER_MEMORY_REGION', 'NE_ADD_VCPU', 'NE_START_ENCLAVE']) {
    const double = await host.start({ config: { faults: [{ call, errno: constants.errno.ETIMEDOUT }] } });
    assert.equal(await double.ended(), { code: 1, signal: null });
    assert.match(double.stderr, `nitro: ${call} failed`);
    assert.match(double.stderr, 'Connection timed out');
    assert.match(double.stderr, 'did not answer within 120 seconds');
    assert.is(double.calls('release').length, call === 'NE_CREATE_VM' ? 0 : 1);
  }
});

interface Case extends Omit<NitroRun, 'bare'> {
  readonly title: string;
  /** Files of the host that differ. */
  readonly host?: Record<string, string>;
  /** Lines that begin with the program's name, without it. */
  readonly says: string[];
  /** In the hint. */
  readonly hint: RegExp[];
  /** Last call that the device saw before the release. */
  readonly last: string;
}

const initFailed = (what: string) => `-accel nitro: failed to initialize nitro: ${what}`;
const options = (...args: string[]): Pick<Case, 'args'> => ({ args });
const cases: Case[] = [
  {
    title: 'device missing, module not loaded',
    config: { device: 'absent' },
    host: { 'module/parameters/ne_cpus': '' },
    says: [
      '-accel nitro: nitro: failed to open /dev/nitro_enclaves: No such file or directory',
      initFailed('No such file or directory'),
    ],
    hint: [/not loaded/, /sudo modprobe nitro_enclaves/],
    last: 'open -> ENOENT',
  },
  {
    title: 'device missing although the module is loaded',
    config: { device: 'absent' },
    says: [
      '-accel nitro: nitro: failed to open /dev/nitro_enclaves: No such file or directory',
      initFailed('No such file or directory'),
    ],
    hint: [/is loaded/, /--enclave-options Enabled=true/],
    last: 'open -> ENOENT',
  },
  {
    title: 'device not permitted',
    config: { device: 'denied' },
    says: [
      '-accel nitro: nitro: failed to open /dev/nitro_enclaves: Permission denied',
      initFailed('Permission denied'),
    ],
    hint: [/sudo usermod -aG ne/],
    last: 'open -> EACCES',
  },
  {
    title: 'CPU pool empty',
    config: { pool: [] },
    host: { 'module/parameters/ne_cpus': '\n' },
    says: ['-accel nitro: nitro: NE_CREATE_VM failed: Unknown error 272', initFailed('Unknown error 272')],
    hint: [/NE_ERR_NO_CPUS_AVAIL_IN_POOL/, /pool is empty/, /cpu_count: 2 in .*allocator.yaml/],
    last: 'NE_CREATE_VM -> NE_ERR_NO_CPUS_AVAIL_IN_POOL',
  },
  {
    title: 'CPU pool too small',
    ...options('-smp', '8'),
    says: ['nitro: NE_ADD_VCPU failed: Unknown error 272'],
    hint: [
      /NE_ERR_NO_CPUS_AVAIL_IN_POOL/,
      /holds 6 CPUs \(1,2,3,5,6,7; 2 threads a core/,
      /-smp asks for 8/,
      /cpu_count: 8/,
    ],
    last: 'NE_ADD_VCPU -> NE_ERR_NO_CPUS_AVAIL_IN_POOL',
  },
  {
    title: 'half a core',
    ...options('-smp', '3'),
    says: [startSentences.NE_ERR_FULL_CORES_NOT_USED ?? ''],
    hint: [/NE_ERR_FULL_CORES_NOT_USED/, /2 threads a core/, /-smp 4/],
    last: 'NE_START_ENCLAVE -> NE_ERR_FULL_CORES_NOT_USED',
  },
  {
    title: 'huge pages short, on two nodes',
    config: { hugepages: { 2048: 50 } },
    host: {
      ...hugePages('hugepages', { 2048: [60, 50] }),
      ...hugePages('node/node0/hugepages', { 2048: [40, 40] }),
      ...hugePages('node/node1/hugepages', { 2048: [20, 10] }),
    },
    says: ['unable to map backing store for guest RAM: Cannot allocate memory'],
    hint: [
      /128 MiB.* 64 huge pages of 2 MiB/,
      /60, of which 50/,
      /node 0: 40 of 40 free, node 1: 10 of 20 free/,
      /echo 74 \| sudo tee/,
    ],
    last: 'NE_CREATE_VM',
  },
  {
    title: 'memory on another NUMA node than the pool',
    config: { memoryNode: 1 },
    says: ['nitro: NE_SET_USER_MEMORY_REGION failed for ram (134217728 bytes): Unknown error 264'],
    hint: [/NE_ERR_MEM_DIFFERENT_NUMA_NODE/, /host-nodes=\d,policy=bind/, /node 1: 3 of 16 pages of 2 MiB free/],
    last: 'NE_SET_USER_MEMORY_REGION -> NE_ERR_MEM_DIFFERENT_NUMA_NODE',
  },
  {
    title: 'memory below 64 MiB',
    ...options('-m', '62M'),
    says: [startSentences.NE_ERR_ENCLAVE_MEM_MIN_SIZE ?? ''],
    hint: [/NE_ERR_ENCLAVE_MEM_MIN_SIZE/, /-m gives 62 MiB/, /-m 64M or more/],
    last: 'NE_START_ENCLAVE -> NE_ERR_ENCLAVE_MEM_MIN_SIZE',
  },
  {
    title: 'memory that is not whole huge pages',
    ...options('-m', '129M'),
    says: ["backend 'memory-backend-memfd' memory size must be multiple of 2 MiB"],
    hint: [/129 MiB was asked for/, /130 MiB/],
    last: 'NE_CREATE_VM',
  },
  {
    title: 'memory in too many pieces',
    config: { contiguous: false, maxRegions: 5 },
    says: ['nitro: NE_SET_USER_MEMORY_REGION failed for ram (134217728 bytes): Unknown error 265'],
    hint: [/NE_ERR_MEM_MAX_REGIONS/, /hugetlbsize=1G/],
    last: 'NE_SET_USER_MEMORY_REGION -> NE_ERR_MEM_MAX_REGIONS',
  },
];

for (const { title, says, hint, last, host: changes, ...start } of cases) {
  test(title, async () => {
    const here = changes === undefined ? host : await NitroHost.create(changes);
    const double = await here.start(start);
    assert.equal(await double.ended(), { code: 1, signal: null });
    const lines = double.stderr.trimEnd().split('\n');
    assert.equal(
      lines.filter((line) => line.startsWith(PROGRAM)),
      says.map((line) => `${PROGRAM}: ${line}`),
    );
    const rest = lines.filter((line) => !line.startsWith(PROGRAM)).join('\n');
    for (const pattern of hint) assert.match(rest, pattern);
    assert.is(
      deviceCalls(double.records)
        .filter((call) => call !== 'release')
        .at(-1),
      last,
    );
    if (here !== host) await here.remove();
  });
}

test('CIDs that are reserved, too big or in use', async () => {
  const inUse: DoubleConfig = { faults: [{ call: 'ENCLAVE_START', errno: constants.errno.EADDRINUSE }] };
  const rows: [cid: string, config: DoubleConfig, says: string, hint: string][] = [
    ...['1', '2', '3', '4294967295', '4294967312'].map((cid): [string, DoubleConfig, string, string] => [
      cid,
      {},
      'nitro: invalid enclave CID',
      `NE_ERR_INVALID_ENCLAVE_CID: CID ${cid} is reserved`,
    ]),
    [
      '77',
      inUse,
      'nitro: NE_START_ENCLAVE failed: Address already in use (errno 98)',
      'CID 77 may be in use by another',
    ],
  ];
  for (const [cid, config, says, hint] of rows) {
    const args = [
      '-accel',
      `nitro,enclave-cid=${cid}`,
      '-M',
      'nitro',
      '-kernel',
      host.path('test.eif'),
      '-display',
      'none',
    ];
    const double = await host.start({ bare: true, args, config });
    assert.equal(await double.ended(), { code: 1, signal: null });
    assert.match(double.stderr, `${PROGRAM}: ${says}\n`);
    assert.match(double.stderr, hint);
    assert.match(double.stderr, 'enclave-cid=0');
  }
});

run();

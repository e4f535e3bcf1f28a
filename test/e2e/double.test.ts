import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { crc32 } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { deadline } from '../support/deadline.js';
import {
  compile,
  type DoubleConfig,
  deviceCalls,
  doubleUnavailable,
  startUnderDouble,
  stopDoubles,
} from '../support/double.js';
import { exampleImage } from '../support/eif-example.js';

const test = suite('device double');
const unavailable = await doubleUnavailable();
const clients = 'test/e2e/double-clients';
const it: typeof test = ((name: string, work: () => Promise<void>) =>
  test(name, async () => (unavailable === undefined ? await work() : console.log(`SKIP ${unavailable}`)))) as never;

let dir = '';
let client = '';
let numbers = new Map<string, number>();
test.before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'double-'));
  if (unavailable !== undefined) return;
  client = `${process.cwd()}/${await compile('enclave-client', [`${clients}/enclave.c`])}`;
  numbers = headerNumbers();
});
test.after.each(stopDoubles);
test.after(() => rm(dir, { recursive: true }));

/** Error numbers as the installed <linux/nitro_enclaves.h> and the C library have them. */
function headerNumbers(): Map<string, number> {
  const macros = execFileSync('gcc', ['-dM', '-E', '-include', 'linux/nitro_enclaves.h', '-'], { input: '' });
  const found = [...macros.toString().matchAll(/#define NE_ERR_(\w+) \((\d+)\)/g)];
  return new Map([...found.map((m) => [m[1] ?? '', Number(m[2])] as const), ...Object.entries(constants.errno)]);
}

interface Step {
  name: string;
  error: number;
  value: number;
}

/** Runs the C client's steps under the double. */
async function run(steps: string[], config: DoubleConfig = {}) {
  const double = await startUnderDouble({ command: [client, ...steps], config: { heartbeat: false, ...config } });
  const end = await double.ended();
  const results = double.stdout
    .trim()
    .split('\n')
    .map((line): Step => {
      const [name = '', , error, value] = line.split(' ');
      return { name, error: Number(error), value: Number(value) };
    });
  return { results, records: double.records, end };
}

/** Runs steps, of which each last may be followed by `= NAME`, the error it must give; without, it must succeed. */
async function expectSteps(steps: string[], config: DoubleConfig = {}): Promise<Step[]> {
  const { results } = await run(
    steps.map((step) => step.split(' = ')[0] ?? ''),
    config,
  );
  const got = results.map(({ name, error }, i) => [steps[i]?.split(' = ')[0], error, name]);
  const want = steps.map((step) => {
    const [text = '', error] = step.split(' = ');
    return [text, error === undefined ? 0 : numbers.get(error), text.split(' ')[0]];
  });
  assert.equal(got, want);
  return results;
}

const created = ['open', 'create'];
const ready = [...created, 'huge 128', 'region 0 128', 'vcpu 0', 'vcpu 0'];
/** Fails like a device command whose reply is an error. */
const device = (call: string): DoubleConfig => ({ faults: [{ call, errno: constants.errno.ETIMEDOUT }] });

/** Section 2 of the driver notes, row by row. */
const rows: [title: string, steps: string[], config?: DoubleConfig][] = [
  ['no device', ['open = ENOENT'], { device: 'absent' }],
  ['device not permitted', ['open = EACCES'], { device: 'denied' }],
  ['creation: pool empty', ['open', 'create = NO_CPUS_AVAIL_IN_POOL'], { pool: [] }],
  ['creation: argument unwritable', ['open', 'create-null = EFAULT', 'create']],
  ['creation: device command fails', ['open', 'create = ETIMEDOUT', 'create'], device('SLOT_ALLOC')],
  [
    'other commands',
    [...created, 'ioctl 0xae25 = ENOTTY', 'ioctl 0x8008ae20 = ENOTTY', 'ioctl-device 0xc004ae21 = ENOTTY'],
  ],
  ['vcpu: argument unreadable comes before state', [...ready, 'start 0 0', 'vcpu-null = EFAULT']],
  ['vcpu: state comes before id', [...ready, 'start 0 0', 'vcpu 99 = NOT_IN_INIT_STATE']],
  ['vcpu: id beyond the parent', [...created, 'vcpu 8 = INVALID_VCPU', 'vcpu 4000000000 = INVALID_VCPU']],
  ['vcpu: added twice', [...created, 'vcpu 1', 'vcpu 1 = VCPU_ALREADY_USED', 'vcpu 5']],
  ['vcpu: not in the pool', [...created, 'vcpu 4 = VCPU_NOT_IN_CPU_POOL']],
  ['vcpu: pool used up', [...created, ...Array<string>(6).fill('vcpu 0'), 'vcpu 0 = NO_CPUS_AVAIL_IN_POOL']],
  ['vcpu: other address space', [...created, 'fork', 'vcpu 1 = EIO']],
  ['vcpu: device fails, the core stays taken', [...created, 'vcpu 1 = ETIMEDOUT', 'vcpu 0'], device('SLOT_ADD_VCPU')],
  [
    'load info: argument, then state, then flags',
    [
      ...created,
      'info-null = EFAULT',
      'info 0 = INVALID_FLAG_VALUE',
      'info 2 = INVALID_FLAG_VALUE',
      'info 1',
      'info 1',
    ],
  ],
  ['load info: after the start', [...ready, 'start 0 0', 'info 0 = NOT_IN_INIT_STATE']],
  ['region: argument unreadable', [...created, 'region-null = EFAULT']],
  [
    'region: flags come before state',
    [...ready, 'start 0 0', 'region 0 2 1 = INVALID_FLAG_VALUE', 'region 0 2 = NOT_IN_INIT_STATE'],
  ],
  ['region: address space comes before size', [...created, 'huge 64', 'fork', 'region-bytes 0 4096 = EIO']],
  ['region: size comes before address', [...created, 'huge 64', 'region-bytes 4096 4096 = INVALID_MEM_REGION_SIZE']],
  ['region: alignment', [...created, 'huge 64', 'region-bytes 4096 0x200000 = UNALIGNED_MEM_REGION_ADDR']],
  ['region: beyond user memory', [...created, 'huge 64', 'region 0 0x8000000 = INVALID_MEM_REGION_ADDR']],
  ['region: overlap', [...created, 'huge 64', 'region 0 32', 'region 30 4 = MEM_REGION_ALREADY_USED', 'region 32 32']],
  ['region: no pages', [...created, 'huge 64', 'region 0 0 = ENOMEM']],
  ['region: unmapped', [...created, 'huge 64', 'unmap 2', 'region 0 64 = EFAULT', 'region 64 2 = EFAULT']],
  ['region: ordinary memory', [...created, 'plain 64', 'region 0 64 = MEM_NOT_HUGE_PAGE']],
  ['region: ordinary memfd', [...created, 'shmem 64', 'region-bytes 0 0x3ffffff = INVALID_MEM_REGION_SIZE']],
  [
    'region: small huge pages',
    [...created, 'huge 64 16', 'region 0 64 = INVALID_PAGE_SIZE'],
    { hugepages: { 64: 4096 } },
  ],
  ['region: anonymous huge pages', [...created, 'anonymous 64', 'region 0 64']],
  ['region: pages of 1 GiB', [...created, 'huge 1024 30', 'page-size', 'region 0 1024']],
  ['region: other NUMA node', [...created, 'huge 64', 'region 0 64 = MEM_DIFFERENT_NUMA_NODE'], { memoryNode: 1 }],
  [
    'region: too many, each page its own',
    [...created, 'huge 64', 'region 0 8', 'region 8 4 = MEM_MAX_REGIONS'],
    { contiguous: false, maxRegions: 5 },
  ],
  [
    'region: device fails',
    [...created, 'huge 64', 'region 0 64 = ENOMEM', 'region 0 64'],
    { faults: [{ call: 'SLOT_ADD_MEM', errno: constants.errno.ENOMEM }] },
  ],
  ['start: argument unreadable', [...created, 'start-null = EFAULT']],
  ['start: flags come before the CID', [...created, 'start 2 3 = INVALID_FLAG_VALUE']],
  [
    'start: CIDs that are not for enclaves',
    [...ready, ...[1, 2, 3, 0xffffffff, 0x100000004].map((cid) => `start 0 ${cid} = INVALID_ENCLAVE_CID`), 'start 0 4'],
  ],
  [
    'start: CID comes before state, twice',
    [...ready, 'start 0 0', 'start 0 1 = INVALID_ENCLAVE_CID', 'start 0 0 = NOT_IN_INIT_STATE'],
  ],
  ['start: no memory comes before no vcpus', [...created, 'start 0 0 = NO_MEM_REGIONS_ADDED']],
  [
    'start: little memory comes before no vcpus',
    [...created, 'huge 62', 'region 0 62', 'start 0 0 = ENCLAVE_MEM_MIN_SIZE'],
  ],
  ['start: no vcpus', [...created, 'huge 64', 'region 0 64', 'start 0 0 = NO_VCPUS_ADDED']],
  [
    'start: half a core',
    [...created, 'huge 64', 'region 0 64', 'vcpu 0', 'start 0 0 = FULL_CORES_NOT_USED', 'vcpu 0', 'start 0 0'],
  ],
  [
    'start: device fails, then it may be tried again',
    [...ready, 'start 0 0 = ETIMEDOUT', 'start 0 0'],
    device('ENCLAVE_START'),
  ],
  [
    'any call fails when told to, with any number',
    [...ready, 'start 0 0', 'close'],
    { faults: [{ call: 'NE_GET_IMAGE_LOAD_INFO', errno: 261 }] },
  ],
];

for (const [title, steps, config] of rows) {
  it(`the driver's checks: ${title}`, async () => {
    await expectSteps(steps, config);
  });
}

it('numbers come out as the driver gives them: slots from 4096, CIDs from 16, whole cores in turn, 8 MiB', async () => {
  const results = await expectSteps([
    ...ready,
    'info 1',
    'start 1 0',
    'create',
    'vcpu 0',
    'vcpu 0',
    'vcpu 7',
    'vcpu 0',
  ]);
  const values = (name: string) => results.filter((step) => step.name === name).map((step) => step.value);
  assert.equal(values('create'), [4096, 4097]);
  assert.equal(values('vcpu'), [1, 5, 2, 6, 7, 3]);
  assert.equal(values('info'), [8 * 1024 * 1024]);
  assert.equal(values('start'), [16]);
});

it('a second enclave waits for the cores of the first, and gets them when its descriptor is closed', async () => {
  const all = Array<string>(6).fill('vcpu 0');
  await expectSteps([...created, ...all, 'create = NO_CPUS_AVAIL_IN_POOL', 'close', 'sleep 200', 'create']);
});

it('the image in the donated memory is found, checked and written out', async () => {
  await writeFile(join(dir, 'image.eif'), exampleImage);
  const dumpImage = join(dir, 'dumped.eif');
  const steps = [...created, 'huge 64', `load ${dir}/image.eif`, 'region 0 64', 'vcpu 0', 'vcpu 0', 'start 0 0'];
  const double = await startUnderDouble({ command: [client, ...steps], dumpImage });
  await double.ended();
  const image = await double.record('image');
  const body = Buffer.concat([exampleImage.subarray(0, 544), exampleImage.subarray(548)]);
  assert.is(image.crc_ok, crc32 ? crc32(body) === exampleImage.readUInt32BE(544) : true);
  assert.is(image.size, exampleImage.length);
  assert.is(image.sha256, createHash('sha256').update(exampleImage).digest('hex'));
  assert.ok(exampleImage.equals(await readFile(dumpImage)));
  assert.equal(deviceCalls(double.records), [
    ...['open', 'NE_CREATE_VM', 'NE_SET_USER_MEMORY_REGION', 'NE_ADD_VCPU', 'NE_ADD_VCPU', 'image'],
    ...['NE_START_ENCLAVE', 'release'],
  ]);
});

it('poll shows POLLHUP alone, once the hypervisor has ended the enclave, and the release is still noticed', async () => {
  const double = await startUnderDouble({
    command: [client, ...ready, 'poll 0', 'start 0 0', 'poll 0', 'poll 20000', 'dup', 'close', 'sleep 100'],
  });
  await double.output('start 0 0 16');
  await double.until('the second poll', () => double.stdout.split('poll').length > 2);
  await double.control('end', {});
  await double.output('sleep');
  const polls = [...double.stdout.matchAll(/poll (\d) 0 (\d+)/g)].map((m) => `${m[1]} ${m[2]}`);
  assert.equal(polls, ['0 0', '0 0', '1 16']);
  assert.is((await double.record('enclave_end')).cid, 16);
  const release = await double.record('release');
  assert.is(release.was_running, false);
  assert.ok(release.t >= Number(double.calls('enclave_end')[0]?.t) + 50, 'the duplicate kept it');
  await double.ended();
});

it('a process killed at any step releases what it held', async () => {
  for (let count = 2; count <= ready.length + 1; count++) {
    const { records, end } = await run([...[...ready, 'start 0 0'].slice(0, count), 'die']);
    assert.is(end.signal, 'SIGKILL');
    const releases = records.filter((record) => record.call === 'release');
    assert.equal(
      releases.map((record) => record.was_running),
      [count > ready.length],
    );
  }
});

it('a process killed while a call waits leaves nothing behind', async () => {
  const stepsDone = {
    open: 0,
    NE_CREATE_VM: 1,
    memfd_huge: 2,
    NE_SET_USER_MEMORY_REGION: 3,
    NE_ADD_VCPU: 4,
    NE_START_ENCLAVE: 6,
  };
  for (const [call, done] of Object.entries(stepsDone)) {
    const config = { faults: [{ call, delayMs: 60_000 }] };
    const double = await startUnderDouble({ command: [client, ...ready, 'start 0 0'], config });
    await double.until('the steps before it', () => double.stdout.split('\n').length > done);
    await double.record('target');
    await double.kill('SIGKILL');
    assert.is((await double.ended()).signal, 'SIGKILL');
    assert.is(double.calls('release').length, double.calls('NE_CREATE_VM').length, call);
  }
});

it('huge pages answer as hugetlbfs does', async () => {
  const program = `${process.cwd()}/${await compile('hugepages-client', [`${clients}/hugepages.c`])}`;
  const reserve = '/proc/sys/vm/nr_hugepages';
  const before = await readFile(reserve, 'utf8');
  let real: string | undefined;
  try {
    await writeFile(reserve, '20');
    if (Number(await readFile(reserve, 'utf8')) === 20)
      real = (await deadline('the client', promisify(execFile)(program))).stdout;
  } catch {
    console.log('SKIP no rights to reserve huge pages: the double is not compared with the kernel');
  } finally {
    await writeFile(reserve, before).catch(() => undefined);
  }
  const double = await startUnderDouble({ command: [program], config: { hugepages: { 2048: 20, 1048576: 0 } } });
  await double.ended();
  assert.is(double.stdout, real ?? double.stdout);
  assert.match(double.stdout, /mmap 64 \* MIB MAP_SHARED 0: -1 Cannot allocate memory/);
});

it('files below a hugetlbfs directory are huge pages', async () => {
  await mkdir(join(dir, 'huge'));
  const config = { hugetlbfs: [{ dir: join(dir, 'huge'), kib: 2048 }] };
  await expectSteps([...created, `file ${dir}/huge/ram`, 'page-size', 'region 0 64'], config);
  await expectSteps([...created, `file ${dir}/ram`, 'region-bytes 0 0 1 = INVALID_FLAG_VALUE'], config);
});

it('pages count while a mapping or a descriptor holds them, and are free again after that', async () => {
  const config = { hugepages: { 2048: 40 } };
  await expectSteps(['huge 64', 'anonymous 16', 'anonymous 2 = ENOMEM', 'unmap 0 = EINVAL'], config);
  await expectSteps(['huge 64', 'unmap 64', 'huge 64 = ENOMEM'], config);
  await expectSteps(['huge 64', 'unmap 64', 'close-file', 'huge 64', 'close-file', 'anonymous 64 = ENOMEM'], config);
});

test.run();

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFacts } from '../../src/host/host-facts.js';
import type { HostMemoryBackend } from '../../src/hostmem/backend.js';
import { QemuError } from '../../src/system/errors.js';
import type { JsonObject, JsonValue } from '../../src/system/json.js';
import { createUserObjects } from '../../src/system/user-objects.js';
import { deadline, eventually } from '../support/deadline.js';
import { createTestSystem } from '../support/system.js';
import { thrown } from '../support/thrown.js';

const test = suite('e2e/objects');
const QEMU = 'qemu-system-x86_64';
const installed = spawnSync(QEMU, ['--version']).status === 0;
const directory = mkdtempSync(join(tmpdir(), 'objects-'));
test.after(() => rmSync(directory, { recursive: true }));

const MIB = 2 ** 20;
const tls = fileURLToPath(new URL('../../../test/support/tls', import.meta.url));
const iv = Buffer.alloc(16).toString('base64');

type Options = readonly (readonly [name: string, value: string])[];

/** `type,name=value,...` of the command line. */
function parse(text: string): Options {
  const [type = '', ...rest] = text.split(',');
  const pairs = rest.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const);
  return [['qom-type', type], ...pairs];
}

/** Option groups keep all values of a key. */
function group(options: Options): JsonObject {
  const result: JsonObject = {};
  for (const [name, value] of options) {
    const before = result[name];
    result[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
  }
  return result;
}

/** What QEMU says to these -object options: `ok`, or its message without the program's name. */
async function qemu(objects: readonly string[]): Promise<string> {
  const args = ['-M', 'none', '-display', 'none', '-qmp', 'stdio', ...objects.flatMap((text) => ['-object', text])];
  const child = spawn(QEMU, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (data) => {
    errors += data;
  });
  const greeted = new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
  const ended = new Promise((resolve) => child.once('close', resolve));
  await deadline(`QEMU with ${objects.join(' ')}`, Promise.race([greeted, ended]), 60_000);
  child.stdin.on('error', () => {});
  child.stdin.end('{"execute":"qmp_capabilities"}{"execute":"quit"}');
  await deadline('the end of QEMU', ended, 60_000);
  const line = errors.split('\n').find((text) => text.startsWith(`${QEMU}: `) && !text.includes('warning:'));
  return line === undefined ? 'ok' : line.slice(QEMU.length + 2);
}

/** The same of ours; errors of the check carry the option, as QEMU's do. */
async function ours(texts: readonly string[]): Promise<string> {
  const objects = createUserObjects(createTestSystem().system);
  const checked = [];
  for (const text of texts) {
    try {
      checked.push(await objects.check(group(parse(text)), 'opts'));
    } catch (error) {
      assert.instance(error, QemuError);
      return `-object ${text}: ${(error as QemuError).message}`;
    }
  }
  try {
    for (const options of checked) await deadline('object', objects.create(options));
  } catch (error) {
    assert.instance(error, QemuError);
    return (error as QemuError).message;
  }
  return 'ok';
}

const lines: readonly (string | readonly string[])[] = [
  'nope,id=m',
  'iothread',
  'iothread,id=1a',
  'iothread,id=m,foo=1',
  'iothread,id=m,poll-max-ns=abc',
  'iothread,id=m,poll-max-ns=-1',
  'iothread,id=m,thread-pool-min=5,thread-pool-max=2',
  'iothread,id=m,poll-max-ns=0x10',
  'memory-backend-ram,id=m',
  'memory-backend-ram,size=1M',
  'memory-backend-ram,id=m,size=abc',
  'memory-backend-ram,id=m,size=-1',
  'memory-backend-ram,id=m,size=0',
  'memory-backend-ram,id=m,size=1E',
  'memory-backend-ram,id=m,size=1M,size=2M',
  'memory-backend-ram,id=m,size=1M,prealloc=maybe',
  'memory-backend-ram,id=m,size=1M,foo=1,prealloc=maybe',
  'memory-backend-ram,id=m,size=1M,prealloc-threads=0',
  'memory-backend-ram,id=m,size=1M,prealloc-threads=x',
  'memory-backend-ram,id=m,size=1M,prealloc-threads=-1',
  'memory-backend-ram,id=m,size=1M,prealloc-threads=4294967296',
  'memory-backend-ram,id=m,size=1M,policy=nope',
  'memory-backend-ram,id=m,size=1M,policy=bind',
  'memory-backend-ram,id=m,size=1M,host-nodes=0',
  'memory-backend-ram,id=m,size=1M,host-nodes=0,policy=default',
  'memory-backend-ram,id=m,size=1M,host-nodes=0,policy=bind',
  'memory-backend-ram,id=m,size=1M,host-nodes=0,host-nodes=0,policy=interleave',
  'memory-backend-ram,id=m,size=1M,host-nodes=3-1,policy=bind',
  'memory-backend-ram,id=m,size=1M,host-nodes=x,policy=bind',
  'memory-backend-ram,id=m,size=1M,host-nodes=99,policy=bind',
  'memory-backend-ram,id=m,size=1M,host-nodes=500,policy=bind',
  'memory-backend-ram,id=m,size=1M,prealloc-context=foo',
  ['iothread,id=i', 'memory-backend-ram,id=m,size=1M,prealloc-context=i'],
  'memory-backend-ram,id=m,size=1M,reserve=off,prealloc=on',
  'memory-backend-ram,id=m,size=1M,prealloc=on,merge=off,dump=off,share=on',
  'memory-backend-memfd,id=m,size=4M,seal=off,share=off',
  'memory-backend-memfd,id=m,size=1E',
  'memory-backend-memfd,id=m,size=6M,hugetlb=on,hugetlbsize=3M',
  'memory-backend-memfd,id=m,size=4M,hugetlb=on,hugetlbsize=0',
  'memory-backend-memfd,id=m,size=4M,hugetlb=on,hugetlbsize=4M',
  'memory-backend-memfd,id=m,size=1024G,hugetlb=on',
  'memory-backend-memfd,id=m,size=4M,hugetlbsize=2M',
  'memory-backend-file,id=m,size=1M',
  'memory-backend-file,id=m,size=1M,mem-path=/nonexistent/x/y',
  'memory-backend-file,id=m,size=1M,mem-path=',
  `memory-backend-file,id=m,size=1M,mem-path=${directory}`,
  `memory-backend-file,id=m,size=1M,mem-path=${directory},align=3`,
  `memory-backend-file,id=m,size=1M,mem-path=${directory},align=3M`,
  `memory-backend-file,id=m,size=1M,mem-path=${directory},align=8M`,
  `memory-backend-file,id=m,size=1M,mem-path=${join(directory, 'a')},share=on,discard-data=on`,
  'secret,id=s',
  'secret,id=s,data=a,file=b',
  'secret,id=s,data=',
  'secret,id=s,file=/nonexistent',
  'secret,id=s,file=/tmp',
  'secret,id=s,data=*,format=base64',
  'secret,id=s,data=a,format=hex',
  'secret,id=s,data=a,keyid=k',
  ['iothread,id=k', 'secret,id=s,data=a,keyid=k'],
  ['secret,id=k,data=short', `secret,id=s,data=a,keyid=k,iv=${iv}`],
  ['secret,id=k,data=12345678901234567890123456789012', 'secret,id=s,data=a,keyid=k'],
  ['secret,id=k,data=12345678901234567890123456789012', 'secret,id=s,data=a,keyid=k,iv=AAAA'],
  ['secret,id=k,data=12345678901234567890123456789012', `secret,id=s,data=a,keyid=k,iv=${iv}`],
  'tls-creds-x509,id=t',
  'tls-creds-x509,id=t,dir=/nonexistent',
  'tls-creds-x509,id=t,dir=/nonexistent,endpoint=nope',
  `tls-creds-x509,id=t,dir=${tls},endpoint=server`,
  `tls-creds-x509,id=t,dir=${tls},endpoint=client,verify-peer=off`,
  `tls-creds-x509,id=t,dir=${tls},endpoint=server,passwordid=p`,
  'rng-builtin,id=r',
  'rng-random,id=r',
  'rng-random,id=r,filename=/nonexistent',
  'rng-random,id=r,opened=on',
];

test('-object: every line ends as in QEMU 7.2, with the same sentence', async () => {
  if (!installed) return console.log('SKIP qemu-system-x86 is not installed');
  for (const line of lines) {
    const texts = typeof line === 'string' ? [line] : line;
    assert.is(await ours(texts), await qemu(texts), texts.join(' '));
  }
});

/** Sends requests to one QEMU and returns the replies. */
async function replies(requests: readonly JsonObject[]): Promise<JsonObject[]> {
  const child = spawn(QEMU, ['-M', 'none', '-display', 'none', '-qmp', 'stdio'], { stdio: ['pipe', 'pipe', 'ignore'] });
  const send = (request: JsonObject) => child.stdin.write(`${JSON.stringify(request)}\n`);
  send({ execute: 'qmp_capabilities' });
  for (const request of requests) send(request);
  send({ execute: 'quit' });
  const received: JsonObject[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const reply = JSON.parse(line) as JsonObject;
    if ('return' in reply || 'error' in reply) received.push(reply);
  }
  // Without those of qmp_capabilities and quit.
  return received.slice(1, -1);
}

const add = (type: string, options: JsonObject): JsonObject => ({
  execute: 'object-add',
  arguments: { 'qom-type': type, ...options },
});
const set = (id: string, property: string, value: JsonValue): JsonObject => ({
  execute: 'qom-set',
  arguments: { path: `/objects/${id}`, property, value },
});
const get = (id: string, property: string): JsonObject => ({
  execute: 'qom-get',
  arguments: { path: `/objects/${id}`, property },
});
const del = (id: string): JsonObject => ({ execute: 'object-del', arguments: { id } });

const requests: readonly JsonObject[] = [
  add('memory-backend-ram', { id: 'm', size: MIB }),
  ...['size', 'share', 'reserve', 'policy', 'host-nodes', 'merge', 'dump', 'prealloc', 'prealloc-threads'].map((name) =>
    get('m', name),
  ),
  set('m', 'size', MIB),
  set('m', 'share', true),
  set('m', 'reserve', false),
  set('m', 'merge', false),
  get('m', 'merge'),
  set('m', 'dump', false),
  set('m', 'prealloc', true),
  set('m', 'prealloc', false),
  get('m', 'prealloc'),
  set('m', 'prealloc-threads', 0),
  set('m', 'policy', 'nope'),
  set('m', 'host-nodes', 0),
  get('m', 'm[0]'),
  get('m', 'nope'),
  add('memory-backend-memfd', { id: 'f', size: MIB }),
  ...['hugetlb', 'hugetlbsize', 'seal', 'share'].map((name) => get('f', name)),
  set('f', 'hugetlbsize', 2 * MIB),
  add('memory-backend-file', { id: 'g', size: MIB, 'mem-path': directory }),
  ...['align', 'mem-path', 'readonly', 'discard-data', 'share'].map((name) => get('g', name)),
  set('g', 'mem-path', '/x'),
  set('g', 'align', 4096),
  set('g', 'readonly', true),
  add('memory-backend-ram', { id: 'h', size: MIB, policy: 'interleave', 'host-nodes': [0, 0] }),
  get('h', 'host-nodes'),
  add('memory-backend-ram', { id: 'q', size: '1M' }),
  add('memory-backend-ram', { id: 'q', size: MIB, policy: 'bind', 'host-nodes': [128] }),
  add('memory-backend-ram', { id: 'q', size: MIB, policy: 'bind', 'host-nodes': 0 }),
  add('memory-backend', { id: 'q', size: MIB }),
  add('iothread', { id: 'i', 'poll-max-ns': (2n ** 63n) as unknown as number }),
  add('iothread', { id: 'i', 'poll-max-ns': 'a' }),
  add('iothread', { id: 'i', 'poll-max-ns': 5 }),
  set('i', 'poll-grow', -4),
  get('i', 'thread-pool-max'),
  // QEMU keeps the refused value, so nothing reads it here.
  set('i', 'thread-pool-max', 0),
  get('i', 'poll-max-ns'),
  add('iothread', { id: 'i' }),
  add('iothread', {}),
  { execute: 'object-add', arguments: { id: 'x' } },
  del('i'),
  del('i'),
  del('/objects/m'),
  add('secret', { id: 's', data: 'abc' }),
  ...['data', 'file', 'format', 'keyid', 'iv'].map((name) => get('s', name)),
  add('tls-creds-x509', { id: 't', dir: tls, endpoint: 'server' }),
  ...['dir', 'endpoint', 'verify-peer', 'priority', 'sanity-check', 'passwordid'].map((name) => get('t', name)),
  add('rng-random', { id: 'r' }),
  ...['filename', 'opened'].map((name) => get('r', name)),
  set('r', 'filename', '/dev/random'),
  ...['m', 'f', 'g', 'h', 's', 't', 'r'].map(del),
].map((request) => JSON.parse(JSON.stringify(request, (_, v) => (typeof v === 'bigint' ? Number(v) : v))));

test('QMP: object-add, qom-set, qom-get and object-del answer as QEMU 7.2 does', async () => {
  if (!installed) return console.log('SKIP qemu-system-x86 is not installed');
  const theirs = await deadline('QEMU', replies(requests), 60_000);
  const { system } = createTestSystem();
  const objects = createUserObjects(system);
  const answer = async (request: JsonObject): Promise<JsonValue> => {
    const args = request.arguments as JsonObject;
    if (request.execute === 'object-add') await objects.add(args);
    else if (request.execute === 'object-del') objects.delete(String(args.id));
    else {
      const object = system.tree.objects.component(String(args.path).slice('/objects/'.length));
      const name = String(args.property);
      if (request.execute === 'qom-get') return (await object?.get(name)) ?? null;
      await object?.set(name, args.value ?? null);
    }
    return {};
  };
  for (const [index, request] of requests.entries()) {
    const reply = await answer(request).then(
      (value) => ({ return: value }),
      (error) => ({ error: { class: error.errorClass, desc: error.message } }),
    );
    assert.equal(reply, theirs[index], JSON.stringify(request));
  }
});

test('huge pages: mapped as such, counted, and given back', async () => {
  const file = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';
  const pool = () => new HostFacts().hugePages().find(({ size }) => size === 2 * MIB);
  const before = pool();
  if (process.getuid?.() !== 0 || before === undefined) return console.log('SKIP root and 2 MiB huge pages are needed');
  try {
    writeFileSync(file, String(before.total + 4));
    const free = pool()?.free ?? 0;
    if (free < 4) return console.log('SKIP no memory for four huge pages');
    const objects = createUserObjects(createTestSystem().system);
    const options = { 'qom-type': 'memory-backend-memfd', id: 'm', hugetlb: true, prealloc: true };
    const backend = (await objects.add({ ...options, size: 8 * MIB })) as HostMemoryBackend;
    assert.is(pool()?.free, free - 4);
    const smaps = readFileSync('/proc/self/smaps', 'utf8');
    const entry = smaps.slice(smaps.indexOf(backend.address.toString(16)));
    assert.match(entry, /^KernelPageSize: +2048 kB$/m);
    assert.is(/^Shared_Hugetlb: +(\d+) kB$/m.exec(entry)?.[1] ?? '0', '0');
    assert.match(entry, /^Private_Hugetlb: +8192 kB$/m);
    objects.delete('m');
    await eventually('the pages to be free', () => pool()?.free === free);
    const error = await thrown(() => objects.add({ ...options, size: (free + 1) * 2 * MIB }));
    assert.is(error.message, 'unable to map backing store for guest RAM: Cannot allocate memory');
    const bound = { ...options, policy: 'bind', 'host-nodes': [0] };
    await objects.add({ ...bound, size: 2 * MIB });
  } finally {
    writeFileSync(file, String(before.total));
  }
});

test.run();

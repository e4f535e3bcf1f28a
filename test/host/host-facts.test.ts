import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFacts, parseCpuList, parsePageSize } from '../../src/host/host-facts.js';

const test = suite('host/host-facts');

/** A directory that looks like the root of a host, for the length of `body`. */
function withHost(files: Record<string, string | null>, body: (facts: HostFacts, root: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'nitro-emu-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(root, text === null ? name : dirname(name)), { recursive: true });
      if (text !== null) writeFileSync(join(root, name), text);
    }
    body(new HostFacts(root), root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

/** The kernel's way to print a list (bitmap_print_to_pagebuf). */
function printCpuList(cpus: number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < cpus.length; ) {
    let end = i;
    while (cpus[end + 1] === (cpus[end] ?? 0) + 1) end++;
    parts.push(end === i ? `${cpus[i]}` : `${cpus[i]}-${cpus[end]}`);
    i = end + 1;
  }
  return `${parts.join(',')}\n`;
}

test('KVM counts as software where the CPU shows no virtualisation', () => {
  const cpu = (flags: string) => `processor\t: 0\nmodel name\t: A CPU @ 2 GHz\nflags\t\t: ${flags}\n\nflags\t\t: vmx\n`;
  const state = (files: Record<string, string>) => {
    let told: string | undefined;
    withHost(files, (facts) => {
      told = facts.kvm();
    });
    return told;
  };
  assert.is(state({ 'dev/kvm': '', 'proc/cpuinfo': cpu('fpu vmx') }), 'usable');
  assert.is(state({ 'dev/kvm': '', 'proc/cpuinfo': cpu('svm') }), 'usable');
  assert.is(state({ 'dev/kvm': '', 'proc/cpuinfo': cpu('fpu svm_lock') }), 'software');
  assert.is(state({ 'proc/cpuinfo': cpu('vmx') }), 'missing');
  withHost({ 'proc/cpuinfo': cpu('') }, (facts) => assert.is(facts.cpuName(), 'A CPU @ 2 GHz'));
  withHost({}, (facts) => assert.is(facts.cpuName(), undefined));
});

test('a printed CPU list parses to the same CPUs', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.nat(9000)), (list) => {
      const sorted = [...list].sort((a, b) => a - b);
      assert.equal(parseCpuList(printCpuList(sorted)), sorted);
    }),
  );
});

test('a CPU list in any order, with repetition, gives each CPU once', () => {
  assert.equal(parseCpuList('9,1-3,2-4,1\n'), [1, 2, 3, 4, 9]);
  assert.equal(parseCpuList('\n'), []);
});

test('text that is no CPU list is told apart', () => {
  for (const text of ['x', '1-', '-1', '1,', ',1', '3-1', '1--2', '1 2', '0x1', '1-2-3', '99999', '0-99999', '1.5'])
    assert.is(parseCpuList(text), undefined, text);
});

test('any text gives a list of ascending CPUs or nothing', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9,\- ]*$/)), (text) => {
      const list = parseCpuList(text);
      return list === undefined || list.every((cpu, i) => i === 0 || cpu > (list[i - 1] ?? 0));
    }),
  );
});

test('any auxiliary vector gives a page size or nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const size = parsePageSize(Buffer.from(bytes));
      return size === undefined || size >= 0;
    }),
  );
});

test('an EC2 parent with a pool of two cores is read', () => {
  const huge = 'sys/kernel/mm/hugepages';
  const node = 'sys/devices/system/node';
  const files = {
    'sys/devices/system/cpu/online': '0,2-3,5-7\n',
    'sys/devices/system/cpu/cpu0/topology/thread_siblings_list': '0,4\n',
    'sys/devices/system/cpu/cpu2/node1': null,
    'sys/module/nitro_enclaves/parameters/ne_cpus': '1,5\n',
    [`${huge}/hugepages-2048kB/nr_hugepages`]: '512\n',
    [`${huge}/hugepages-2048kB/free_hugepages`]: '500\n',
    [`${huge}/hugepages-2048kB/resv_hugepages`]: '30\n',
    [`${huge}/hugepages-1048576kB/nr_hugepages`]: '2\n',
    [`${huge}/hugepages-1048576kB/free_hugepages`]: '1\n',
    [`${node}/online`]: '0-1\n',
    [`${node}/node1/hugepages/hugepages-2048kB/nr_hugepages`]: '256\n',
    [`${node}/node1/hugepages/hugepages-2048kB/free_hugepages`]: '255\n',
  };
  withHost(files, (facts) => {
    assert.equal(facts.onlineCpus(), [0, 2, 3, 5, 6, 7]);
    assert.is(facts.threadsPerCore(), 2);
    assert.ok(facts.nitroModuleLoaded());
    assert.equal(facts.nitroCpuPool(), [1, 5]);
    assert.equal(facts.hugePages(), [
      { size: 2 ** 21, total: 512, free: 500, reserved: 30 },
      { size: 2 ** 30, total: 2, free: 1, reserved: 0 },
    ]);
    assert.equal(facts.numaNodes(), [0, 1]);
    assert.equal(facts.hugePages(1), [{ size: 2 ** 21, total: 256, free: 255, reserved: 0 }]);
    assert.equal(facts.hugePages(7), []);
    assert.is(facts.numaNodeOfCpu(2), 1);
    assert.is(facts.numaNodeOfCpu(1), undefined);
  });
});

test('an empty pool is a list without CPUs, a missing driver is none', () => {
  withHost({ 'sys/module/nitro_enclaves/parameters/ne_cpus': '\n' }, (facts) => assert.equal(facts.nitroCpuPool(), []));
  withHost({ 'sys/module': null }, (facts) => {
    assert.not(facts.nitroModuleLoaded());
    assert.is(facts.nitroCpuPool(), undefined);
  });
});

test('a host that says nothing is no error', () => {
  withHost({}, (facts) => {
    assert.is(facts.onlineCpus(), undefined);
    assert.is(facts.threadsPerCore(), 1);
    assert.is(facts.pageSize(), undefined);
    assert.equal(facts.hugePages(), []);
    assert.is(facts.device('/dev/nitro_enclaves'), 'missing');
  });
});

test('files with unexpected contents are no facts', () => {
  const files = {
    'sys/devices/system/cpu/online': 'all of them\n',
    'sys/devices/system/cpu/cpu0/topology/thread_siblings_list': '\n',
    'sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages': 'many\n',
    'sys/kernel/mm/hugepages/something/nr_hugepages': '1\n',
  };
  withHost(files, (facts) => {
    assert.is(facts.onlineCpus(), undefined);
    assert.is(facts.threadsPerCore(), 1);
    assert.equal(facts.hugePages(), [{ size: 2 ** 21, total: 0, free: 0, reserved: 0 }]);
  });
});

test('a device is missing, usable or not permitted', () => {
  withHost({ 'dev/nitro_enclaves': '' }, (facts, root) => {
    const path = '/dev/nitro_enclaves';
    assert.is(facts.device(path), 'usable');
    // A loop of links is refused to root as well.
    symlinkSync('loop', join(root, 'dev/loop'));
    assert.is(facts.device('/dev/loop'), 'not permitted');
    if (process.getuid?.() === 0) return;
    chmodSync(join(root, path), 0);
    assert.is(facts.device(path), 'not permitted');
  });
});

test('the facts of this host agree with what node knows', () => {
  const facts = new HostFacts();
  assert.is(facts.onlineCpus()?.length, cpus().length);
  assert.ok((facts.onlineCpus()?.length ?? 0) >= availableParallelism());
  assert.is(
    facts.pageSize(),
    Number(/^KernelPageSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/smaps', 'utf8'))?.[1]) * 1024,
  );
  const sizes = readdirSync('/sys/kernel/mm/hugepages').length;
  assert.is(facts.hugePages().length, sizes);
  const total = /^HugePages_Total:\s+(\d+)$/m.exec(readFileSync('/proc/meminfo', 'utf8'))?.[1];
  assert.is(facts.hugePages().find((pages) => pages.size === facts.defaultHugePageSize())?.total, Number(total));
});

test.run();

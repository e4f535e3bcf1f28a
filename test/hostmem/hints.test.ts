import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HostFacts } from '../../src/host/host-facts.js';
import { hugePagesHint, nodesHint, noSuchSizeHint, pagesOnNodesHint, smallPagesHint } from '../../src/hostmem/hints.js';

const test = suite('hostmem/hints');
const MIB = 2 ** 20;
const GIB = 2 ** 30;
const roots: string[] = [];
test.after(() => {
  for (const root of roots) rmSync(root, { recursive: true });
});

type Pool = Partial<Record<'nr_hugepages' | 'free_hugepages' | 'resv_hugepages', number>>;

/** A host with these files below /sys and /proc. */
function host(options: { pools?: Record<number, Pool>; nodes?: Record<number, Pool>[] }): HostFacts {
  const root = mkdtempSync(join(tmpdir(), 'hints-'));
  roots.push(root);
  const write = (path: string, text: string) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  const pools = (base: string, sizes: Record<number, Pool>) => {
    for (const [kib, pool] of Object.entries(sizes)) {
      for (const [file, count] of Object.entries(pool)) write(`${base}/hugepages-${kib}kB/${file}`, `${count}\n`);
    }
  };
  pools('sys/kernel/mm/hugepages', options.pools ?? {});
  for (const [node, sizes] of (options.nodes ?? []).entries()) {
    pools(`sys/devices/system/node/node${node}/hugepages`, sizes);
  }
  const last = (options.nodes?.length ?? 1) - 1;
  write('sys/devices/system/node/online', last === 0 ? '0\n' : `0-${last}\n`);
  write('proc/meminfo', 'MemTotal:       16777216 kB\nSwapTotal:       1048576 kB\nHugepagesize:       2048 kB\n');
  return new HostFacts(root);
}

test('an empty pool: what is asked for, what is there, and the command', () => {
  const facts = host({ pools: { 2048: { nr_hugepages: 0, free_hugepages: 0, resv_hugepages: 0 } } });
  assert.is(
    hugePagesHint(512 * MIB, 2 * MIB, facts),
    '512 MiB of guest RAM is 256 huge pages of 2 MiB; this host has 0, of which 0 can be had.\n' +
      'To reserve enough: echo 256 | sudo tee /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages',
  );
});

test('pages promised to others do not count, and the command adds what is missing', () => {
  const facts = host({ pools: { 2048: { nr_hugepages: 300, free_hugepages: 280, resv_hugepages: 80 } } });
  assert.match(hugePagesHint(512 * MIB, 2 * MIB, facts), 'this host has 300, of which 200 can be had.');
  assert.match(hugePagesHint(512 * MIB, 2 * MIB, facts), 'echo 356 | sudo tee');
});

test('NUMA nodes are listed where there are several, and other sizes that would do are named', () => {
  const facts = host({
    pools: { 2048: { nr_hugepages: 10, free_hugepages: 4 }, 1048576: { nr_hugepages: 2, free_hugepages: 2 } },
    nodes: [{ 2048: { nr_hugepages: 6, free_hugepages: 0 } }, { 2048: { nr_hugepages: 4, free_hugepages: 4 } }],
  });
  const hint = hugePagesHint(GIB, 2 * MIB, facts);
  assert.match(hint, '(node 0: 0 of 6 free, node 1: 4 of 4 free)');
  assert.match(hint, '2 huge pages of 1 GiB are free: see the option hugetlbsize of memory-backend-memfd.');
});

test('enough free pages point at a limit, a missing size at those there are', () => {
  const facts = host({ pools: { 2048: { nr_hugepages: 300, free_hugepages: 300 } } });
  assert.match(hugePagesHint(512 * MIB, 2 * MIB, facts), /a limit is in the way/);
  assert.is(hugePagesHint(GIB, GIB, facts), 'This host has no huge pages of 1 GiB; it has those of 2 MiB.');
  assert.match(noSuchSizeHint(GIB, host({})), /no huge pages \(CONFIG_HUGETLBFS\)/);
});

test('pages bound to nodes are counted there alone', () => {
  const facts = host({
    nodes: [{ 2048: { nr_hugepages: 6, free_hugepages: 1 } }, { 2048: { nr_hugepages: 400, free_hugepages: 400 } }],
  });
  assert.is(
    pagesOnNodesHint(64 * MIB, 2 * MIB, [0], facts),
    '32 huge pages of 2 MiB are needed on NUMA node 0; 1 are free there.\n' +
      'To reserve enough: echo 37 | sudo tee /sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages',
  );
  assert.is(pagesOnNodesHint(64 * MIB, 2 * MIB, [0, 1], facts), undefined);
  assert.is(pagesOnNodesHint(64 * MIB, 4096, [0], facts), undefined);
  assert.is(nodesHint(facts), 'NUMA nodes of this host: 0, 1');
});

test('small pages: what the host has', () => {
  assert.match(
    smallPagesHint(2 ** 60, host({})),
    /^1 EiB was asked for; this host has 16 GiB of RAM and 1 GiB of swap\.\n/,
  );
});

test.run();

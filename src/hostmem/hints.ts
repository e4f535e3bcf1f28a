import { HostFacts } from '../host/host-facts.js';
import { sizeText } from '../system/numbers.js';

const kib = (bytes: number) => bytes / 1024;
const pagesDirectory = (pageSize: number, node?: number) =>
  `/sys/${node === undefined ? 'kernel/mm' : `devices/system/node/node${node}`}/hugepages/hugepages-${kib(pageSize)}kB`;
const reserve = (count: number, pageSize: number, node?: number) =>
  `echo ${count} | sudo tee ${pagesDirectory(pageSize, node)}/nr_hugepages`;

/**
 * Why `bytes` of huge pages could not be had, and the command that fixes it: pages asked for, in all and free, by NUMA
 * node where there are several.
 */
export function hugePagesHint(bytes: number, pageSize: number, facts = new HostFacts()): string {
  const needed = Math.ceil(bytes / pageSize);
  const sizes = facts.hugePages();
  const pool = sizes.find(({ size }) => size === pageSize);
  if (pool === undefined) return noSuchSizeHint(pageSize, facts);
  const usable = Math.max(0, pool.free - pool.reserved);
  const asked = `${sizeText(bytes)} of guest RAM is ${needed} huge pages of ${sizeText(pageSize)}`;
  const have = `this host has ${pool.total}, of which ${usable} can be had`;
  const others = sizes.filter(({ size, free }) => size !== pageSize && free * size >= bytes);
  const lines = [`${asked}; ${have}${perNode(pageSize, facts)}.`];
  if (usable >= needed) lines.push('That is enough: a limit is in the way (cgroup hugetlb controller, cpuset.mems).');
  else lines.push(`To reserve enough: ${reserve(pool.total + needed - usable, pageSize)}`);
  for (const { size, free } of others) {
    lines.push(`${free} huge pages of ${sizeText(size)} are free: see the option hugetlbsize of memory-backend-memfd.`);
  }
  return lines.join('\n');
}

function perNode(pageSize: number, facts: HostFacts): string {
  const nodes = facts.numaNodes() ?? [];
  if (nodes.length < 2) return '';
  const counts = nodes.map((node) => {
    const pool = facts.hugePages(node).find(({ size }) => size === pageSize);
    return `node ${node}: ${pool?.free ?? 0} of ${pool?.total ?? 0} free`;
  });
  return ` (${counts.join(', ')})`;
}

/** Huge pages that `nodes` lack for `bytes`; undefined when they have enough or the pages are small ones. */
export function pagesOnNodesHint(
  bytes: number,
  pageSize: number,
  nodes: readonly number[],
  facts = new HostFacts(),
): string | undefined {
  const pools = nodes.map((node) => ({ node, pool: facts.hugePages(node).find(({ size }) => size === pageSize) }));
  if (pools.every(({ pool }) => pool === undefined)) return undefined;
  const needed = Math.ceil(bytes / pageSize);
  const free = pools.reduce((sum, { pool }) => sum + (pool?.free ?? 0), 0);
  if (free >= needed) return undefined;
  const [first] = pools;
  const target = first === undefined ? '' : reserve((first.pool?.total ?? 0) + needed - free, pageSize, first.node);
  return (
    `${needed} huge pages of ${sizeText(pageSize)} are needed on NUMA node ${nodes.join(', ')}; ${free} are free there.\n` +
    `To reserve enough: ${target}`
  );
}

/** The kernel has no huge pages of this size. */
export function noSuchSizeHint(pageSize: number, facts = new HostFacts()): string {
  const sizes = facts.hugePages().map(({ size }) => sizeText(size));
  if (sizes.length === 0) return 'This kernel has no huge pages (CONFIG_HUGETLBFS), or /sys is not mounted.';
  return `This host has no huge pages of ${sizeText(pageSize)}; it has those of ${sizes.join(' and ')}.`;
}

/** Why ordinary memory could not be had. */
export function smallPagesHint(bytes: number, facts = new HostFacts()): string {
  const total = facts.memory('MemTotal') ?? 0;
  const swap = facts.memory('SwapTotal') ?? 0;
  return (
    `${sizeText(bytes)} was asked for; this host has ${sizeText(total)} of RAM and ${sizeText(swap)} of swap.\n` +
    'Ask for less, or let the kernel promise more than it has: echo 1 | sudo tee /proc/sys/vm/overcommit_memory'
  );
}

/** The NUMA nodes that memory can be bound to. */
export function nodesHint(facts = new HostFacts()): string {
  return `NUMA nodes of this host: ${facts.numaNodes()?.join(', ') ?? 'unknown'}`;
}

import { type Property, prop } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import { type Int64, int64, type JsonValue } from '../system/json.js';
import type { HostMemoryBackend } from './backend.js';

export const HostMemPolicy = qapi.enumeration('HostMemPolicy', ['default', 'preferred', 'bind', 'interleave']);

/** A size option, listed as `int` and given in bytes or with a suffix. */
export const sizeProperty = prop.of<Int64>('int', qapi.size);

/** An integer of JSON as it is kept here; sizes that lose digits are far beyond any address space. */
export function bytes(value: Int64): number {
  return Number(value);
}

/** Properties of the abstract type `memory-backend`, in the order in which object-add checks them (qapi/qom.json). */
export const backendProperties: Readonly<Record<string, Property>> = {
  dump: prop.bool<HostMemoryBackend>({
    get: (backend) => backend.dump,
    set: (backend, value) => {
      backend.dump = value;
    },
    description: 'Part of core dumps',
  }),
  'host-nodes': prop.of<JsonValue[]>(
    'int',
    qapi.list(qapi.uint16),
  )<HostMemoryBackend>({
    get: (backend) => [...backend.hostNodes],
    set: (backend, value) => backend.setHostNodes(value.map(Number)),
    description: 'NUMA nodes of the host that the memory comes from',
  }),
  merge: prop.bool<HostMemoryBackend>({
    get: (backend) => backend.merge,
    set: (backend, value) => {
      backend.merge = value;
    },
    description: 'The kernel may merge equal pages',
  }),
  policy: prop.enumeration(HostMemPolicy)<HostMemoryBackend>({
    get: (backend) => backend.policy,
    set: (backend, value) => {
      backend.policy = value;
    },
    description: 'How the kernel chooses among host-nodes',
  }),
  prealloc: prop.bool<HostMemoryBackend>({
    get: (backend) => backend.prealloc,
    set: (backend, value) => backend.setPrealloc(value),
    description: 'Populate all pages at the start',
  }),
  'prealloc-threads': prop.of<number>(
    'int',
    qapi.uint32,
  )<HostMemoryBackend>({
    get: (backend) => backend.preallocThreads,
    set: (backend, value) => {
      backend.preallocThreads = value;
    },
    description: 'Threads that populate the memory',
  }),
  'prealloc-context': {
    type: 'link<thread-context>',
    flavour: 'object',
    value: qapi.str,
    get: (object) => (object as HostMemoryBackend).preallocContext?.canonicalPath ?? '',
    set: (object, value) => (object as HostMemoryBackend).setPreallocContext(String(value)),
    target: (object) => (object as HostMemoryBackend).preallocContext,
    description: 'Where the populating threads come from',
  },
  share: prop.bool<HostMemoryBackend>({
    get: (backend) => backend.share,
    set: (backend, value) => {
      backend.refuseAllocated();
      backend.share = value;
    },
    description: 'Other processes may map the memory too (on) or it is copied on write (off)',
  }),
  reserve: prop.bool<HostMemoryBackend>({
    get: (backend) => backend.reserve,
    set: (backend, value) => backend.setReserve(value),
    description: 'Have swap space or huge pages promised for all of it',
  }),
  size: sizeProperty<HostMemoryBackend>({
    get: (backend) => int64(BigInt(backend.size)),
    set: (backend, value) => backend.setSize(bytes(value)),
    description: 'Bytes of memory (as 500M)',
  }),
  'x-use-canonical-path-for-ramblock-id': prop.bool<HostMemoryBackend>({
    get: (backend) => backend.canonicalRamblockId,
    set: (backend, value) => {
      backend.canonicalRamblockId = value;
    },
  }),
};

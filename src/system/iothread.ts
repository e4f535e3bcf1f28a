import type { Property } from '../qom/property.js';
import { prop } from '../qom/property.js';
import * as qapi from '../qom/qapi.js';
import type { ObjectTree } from '../qom/tree.js';
import type { TypeRegistry } from '../qom/types.js';
import { UserCreatable } from '../qom/user-creatable.js';
import { QemuError } from './errors.js';
import type { Int64 } from './json.js';

const INT64_MAX = 2n ** 63n - 1n;
/** Host threads that libuv may use for blocking work never reach this; QEMU's default is kept for clients. */
const THREAD_POOL_MAX_DEFAULT = 64;
const POLL_MAX_NS_DEFAULT = 32_768;

type Setting = 'aioMaxBatch' | 'threadPoolMin' | 'threadPoolMax' | 'pollMaxNs' | 'pollGrow' | 'pollShrink';

/**
 * An event loop that devices could be given. Here devices have threads of their own, so an iothread only keeps its
 * settings: libvirt and scripts that make one work unchanged.
 */
class Iothread extends UserCreatable {
  aioMaxBatch: Int64 = 0;
  threadPoolMin: Int64 = 0;
  threadPoolMax: Int64 = THREAD_POOL_MAX_DEFAULT;
  pollMaxNs: Int64 = POLL_MAX_NS_DEFAULT;
  pollGrow: Int64 = 0;
  pollShrink: Int64 = 0;
  #complete = false;

  override complete(): void {
    this.#complete = true;
    this.#checkPool();
  }

  apply(setting: Setting, name: string, value: Int64): void {
    if (value < 0) throw new QemuError(`${name} value must be in range [0, ${INT64_MAX}]`);
    const before = this[setting];
    this[setting] = value;
    try {
      if (this.#complete) this.#checkPool();
    } catch (error) {
      this[setting] = before;
      throw error;
    }
  }

  #checkPool(): void {
    if (this.threadPoolMax <= 0 || this.threadPoolMin > this.threadPoolMax) {
      throw new QemuError('bad thread-pool-min/thread-pool-max values');
    }
  }
}

function setting(field: Setting, name: string): Property {
  return prop.int<Iothread>({
    get: (object) => object[field],
    set: (object, value) => object.apply(field, name, value),
  });
}

export function defineIothreadTypes(types: TypeRegistry): void {
  types.define({
    name: 'event-loop-base',
    parent: 'object',
    abstract: true,
    interfaces: ['user-creatable'],
    properties: {
      'thread-pool-min': setting('threadPoolMin', 'thread-pool-min'),
      'aio-max-batch': setting('aioMaxBatch', 'aio-max-batch'),
      'thread-pool-max': setting('threadPoolMax', 'thread-pool-max'),
    },
  });
  types.define({
    name: 'iothread',
    parent: 'event-loop-base',
    create: (type) => new Iothread(type),
    properties: {
      'poll-max-ns': setting('pollMaxNs', 'poll-max-ns'),
      'poll-grow': setting('pollGrow', 'poll-grow'),
      'poll-shrink': setting('pollShrink', 'poll-shrink'),
    },
  });
}

/** One row of query-iothreads (qapi/misc.json). */
export const IOThreadInfo = qapi.struct('IOThreadInfo', {
  id: qapi.str,
  'thread-id': qapi.int,
  'poll-max-ns': qapi.int,
  'poll-grow': qapi.int,
  'poll-shrink': qapi.int,
  'aio-max-batch': qapi.int,
});
export type IOThreadInfo = qapi.Infer<typeof IOThreadInfo>;

/** The rows of query-iothreads; the thread is the process's main one. */
export function iothreads(tree: ObjectTree): IOThreadInfo[] {
  return [...tree.objects.children()]
    .filter((object) => object instanceof Iothread)
    .map((object) => ({
      id: object.name,
      'thread-id': process.pid,
      'poll-max-ns': object.pollMaxNs,
      'poll-grow': object.pollGrow,
      'poll-shrink': object.pollShrink,
      'aio-max-batch': object.aioMaxBatch,
    }));
}

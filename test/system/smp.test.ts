import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asError } from '../../src/system/errors.js';
import { completeSmp, type SmpOptions } from '../../src/system/smp.js';

const nitro = { machine: 'nitro', min: 1, max: 4096 };

function refusal(options: SmpOptions, limits = nitro): string {
  try {
    completeSmp(options, limits);
  } catch (error) {
    return asError(error).message;
  }
  return 'no error';
}

const test = suite('-smp');

test('recorded command lines are refused with the recorded sentences', () => {
  const none = { machine: 'none', min: 1, max: 1 };
  assert.is(refusal({ cpus: 0 }, none), 'Invalid CPU topology: CPU topology parameters must be greater than zero');
  assert.is(refusal({ cpus: 2 }, none), "Invalid SMP CPUs 2. The max CPUs supported by machine 'none' is 1");
  assert.is(
    refusal({ cpus: 2, cores: 3 }),
    'Invalid CPU topology: product of the hierarchy must match maxcpus: sockets (0) * cores (3) * threads (1) != maxcpus (2)',
  );
  assert.is(
    refusal({ cpus: 4, maxcpus: 2 }),
    'Invalid CPU topology: maxcpus must be equal to or greater than smp: sockets (1) * cores (2) * threads (1) == maxcpus (2) < smp_cpus (4)',
  );
  assert.is(refusal({ cpus: -1 }), "Invalid SMP CPUs -1. The max CPUs supported by machine 'nitro' is 4096");
});

test('a bare number means that many cores of one socket', () => {
  assert.equal(completeSmp({ cpus: 2 }, nitro), { cpus: 2, maxcpus: 2, sockets: 1, cores: 2, threads: 1 });
  assert.equal(completeSmp({ cpus: 4, sockets: 2, cores: 1, threads: 2 }, nitro), {
    cpus: 4,
    maxcpus: 4,
    sockets: 2,
    cores: 1,
    threads: 2,
  });
});

test('what is accepted multiplies out and holds what was asked for', () => {
  const count = fc.option(fc.integer({ min: 1, max: 16 }), { nil: undefined });
  fc.assert(
    fc.property(fc.record({ cpus: count, maxcpus: count, sockets: count, cores: count, threads: count }), (given) => {
      const options = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) as SmpOptions;
      let full: ReturnType<typeof completeSmp>;
      try {
        full = completeSmp(options, nitro);
      } catch {
        return;
      }
      assert.is(full.sockets * full.cores * full.threads, full.maxcpus);
      assert.ok(full.cpus <= full.maxcpus);
      for (const [key, value] of Object.entries(options)) assert.is(full[key as keyof typeof full], value);
    }),
  );
});

test.run();

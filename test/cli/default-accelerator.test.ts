import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { defaultAccelerators } from '../../src/cli/default-accelerator.js';
import { HostFacts } from '../../src/host/host-facts.js';
import type { System } from '../../src/system/system.js';
import { createBareSystem, createTestSystem } from '../support/system.js';

const test = suite('cli/default-accelerator');

const hosts = {
  hardware: { 'dev/kvm': '', 'proc/cpuinfo': 'processor\t: 0\nflags\t\t: fpu vme vmx sse2\n' },
  amd: { 'dev/kvm': '', 'proc/cpuinfo': 'flags\t\t: fpu svm\n' },
  software: { 'dev/kvm': '', 'proc/cpuinfo': 'flags\t\t: fpu vme hypervisor svm_lock\n' },
  bare: { 'proc/cpuinfo': 'flags\t\t: fpu vmx\n' },
};

/** A system whose kvm runs the machine `test`, or does not. */
function systemWith(runs: boolean): System {
  const { system } = createTestSystem();
  const load = async (kind: string, name: string) => {
    if (kind !== 'accel' || name !== 'kvm') return false;
    const data = { listed: true, runs: () => runs };
    system.types.define({ name: 'kvm-accel', parent: 'accel', data });
    return true;
  };
  Object.assign(system, { modules: { ...system.modules, load } });
  return system;
}

async function choice(host: keyof typeof hosts, runs = true) {
  const root = mkdtempSync(join(tmpdir(), 'default-accelerator-'));
  try {
    for (const [name, text] of Object.entries(hosts[host])) {
      mkdirSync(dirname(join(root, name)), { recursive: true });
      writeFileSync(join(root, name), text);
    }
    const system = systemWith(runs);
    const { options, ...rest } = await defaultAccelerators(system, system.machine, new HostFacts(root));
    return { names: options.map(({ name }) => name), ...rest };
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('KVM is the default where the CPU helps it; tcg follows in case it cannot be started', async () => {
  for (const host of ['hardware', 'amd'] as const) {
    assert.equal(await choice(host), { names: ['kvm', 'tcg'], named: true });
  }
});

test('KVM that is software is passed over, and the user is told', async () => {
  assert.equal(await choice('software'), {
    names: ['tcg'],
    note: 'KVM is not used: it is software here, as the CPU shows neither vmx nor svm; -accel kvm uses it nevertheless',
    named: true,
  });
});

test('a host without KVM has tcg', async () => {
  assert.equal(await choice('bare'), { names: ['tcg'], note: 'KVM is not used: there is no /dev/kvm', named: true });
});

test('a machine that KVM does not run has tcg without a word, as in QEMU', async () => {
  assert.equal(await choice('hardware', false), { names: ['tcg'], named: false });
});

test('where there is no kvm module there is tcg', async () => {
  const { system } = createBareSystem();
  const machine = createTestSystem().system.machine;
  assert.equal((await defaultAccelerators(system, machine)).named, false);
});

test.run();

import { closeSync, openSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  KVM_CHECK_EXTENSION,
  KVM_GET_API_VERSION,
  KVM_GET_MSR_INDEX_LIST,
  KVM_GET_SUPPORTED_CPUID,
  KVM_GET_VCPU_MMAP_SIZE,
} from '../../../accel/kvm/abi.js';
import type { KvmParts } from '../../../accel/kvm/requests.js';
import { encodeCpuid, type KvmSystem, openKvm } from '../../../accel/kvm/system.js';
import * as host from '../../../src/host/api.js';
import { QemuError } from '../../../src/system/errors.js';
import { thrown } from '../../support/thrown.js';

const test = suite('accel/kvm/system');

/** KVM with the capabilities of a current kernel, except those given. */
function fakeKvm(differences: Record<number, number> = {}, version = 12): KvmParts {
  const capabilities: Record<number, number> = { 9: 4, 66: 8, ...differences };
  const ioctl = (_fd: number, request: number, argument: unknown): number => {
    switch (request) {
      case KVM_GET_API_VERSION:
        return version;
      case KVM_CHECK_EXTENSION:
        return capabilities[argument as number] ?? 1;
      case KVM_GET_VCPU_MMAP_SIZE:
        return 12288;
      case KVM_GET_MSR_INDEX_LIST:
        Buffer.from(new Uint32Array([2, 0x10, 0xc0000102]).buffer).copy(argument as Buffer);
        return 0;
      case KVM_GET_SUPPORTED_CPUID:
        encodeCpuid([{ leaf: 1, subleaf: 0, indexed: false, eax: 1, ebx: 2, ecx: 0x2000, edx: 4 }]).copy(
          argument as Buffer,
        );
        return 0;
      default:
        throw new Error(`request 0x${request.toString(16)}`);
    }
  };
  return { host: { ...host, ioctl }, QemuError };
}

const open = (parts: KvmParts): KvmSystem => openKvm(parts, 0, 'A CPU');

test('what KVM tells is kept, with the CPUID bits that it gives unlisted', () => {
  const { cpus, runSize, msrs, cpuid } = open(fakeKvm());
  assert.equal({ cpus, runSize, msrs }, { cpus: { recommended: 4, max: 8 }, runSize: 12288, msrs: [0x10, 0xc0000102] });
  assert.equal(cpuid.leaves, [{ leaf: 1, subleaf: 0, indexed: false, eax: 1, ebx: 2, ecx: 0x81002000, edx: 4 }]);
  assert.is(open(fakeKvm({ 72: 0 })).cpuid.leaves[0]?.ecx, 0x80002000);
});

test('a missing capability is named', async () => {
  assert.is((await thrown(() => open(fakeKvm({ 136: 0 })))).message, 'kvm does not support KVM_CAP_IMMEDIATE_EXIT');
  assert.is((await thrown(() => open(fakeKvm({ 32: 0 })))).message, 'kvm does not support KVM_CAP_IRQFD');
});

test('another version of the API is refused in the words of QEMU', async () => {
  assert.is((await thrown(() => open(fakeKvm({}, 11)))).message, 'kvm version too old');
  assert.is((await thrown(() => open(fakeKvm({}, 13)))).message, 'kvm version not supported');
});

test('a device that is not KVM is told so', async () => {
  const fd = openSync('/dev/null', 'r+');
  const error = await thrown(() => openKvm({ host, QemuError }, fd, ''));
  closeSync(fd);
  assert.is(error.message, 'kvm version too old');
  assert.match(error.hint ?? '', /not KVM/);
});

test.run();

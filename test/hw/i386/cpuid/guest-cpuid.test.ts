import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CpuidRegister, featureWords } from '../../../../src/hw/i386/cpuid/features.js';
import { type CpuidLeaf, guestCpuid, type SupportedCpuid } from '../../../../src/hw/i386/cpuid/guest-cpuid.js';
import { cpuModels, parseCpuModel } from '../../../../src/system/cpu.js';

const test = suite('cpuid/guest-cpuid');
const ONES = 0xffffffff;
const GENUINE_INTEL = { ebx: 0x756e6547, edx: 0x49656e69, ecx: 0x6c65746e };

const none = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
const leaf = (number: number, registers: Partial<Record<CpuidRegister, number>>, subleaf?: number): CpuidLeaf => ({
  leaf: number,
  subleaf: subleaf ?? 0,
  indexed: subleaf !== undefined,
  ...none,
  ...registers,
});

/** A hypervisor that has every feature there is; caches and XSAVE areas as an Intel CPU tells them. */
const everything: SupportedCpuid = {
  brand: 'Test CPU @ 1 GHz',
  leaves: [
    leaf(0, { eax: 0x20, ...GENUINE_INTEL }),
    leaf(1, { eax: 0x000c06f2, ebx: 0x00020800, ecx: ONES, edx: ONES }),
    leaf(4, { eax: 0x04000121, ebx: 0x02c0003f, ecx: 0x3f }, 0),
    leaf(4, { eax: 0x04004163, ebx: 0x04c0003f, ecx: 0x33fff }, 3),
    leaf(4, {}, 4),
    leaf(5, { eax: 64, ebx: 64 }),
    leaf(6, { eax: ONES }),
    leaf(7, { eax: 2, ebx: ONES, ecx: ONES, edx: ONES }, 0),
    leaf(7, { eax: ONES, edx: ONES }, 1),
    leaf(7, { edx: ONES }, 2),
    leaf(0xa, { eax: 0x07300802 }),
    leaf(0xb, {}, 0),
    leaf(0xd, { eax: 0x602e7, ebx: 0x2b00, ecx: 0x2b00 }, 0),
    leaf(0xd, { eax: ONES, ecx: 0x1800 }, 1),
    leaf(0xd, { eax: 0x100, ebx: 0x240 }, 2),
    leaf(0xd, { eax: 0x40, ebx: 0x440 }, 5),
    leaf(0x14, { ecx: ONES }, 0),
    leaf(0x40000000, { eax: 0x40000001, ebx: 0x4b4d564b, ecx: 0x564b4d56, edx: 0x4d }),
    leaf(0x40000001, { eax: ONES, edx: 1 }),
    leaf(0x80000000, { eax: 0x80000022, ...GENUINE_INTEL }),
    leaf(0x80000001, { ecx: ONES, edx: ONES }),
    leaf(0x80000002, {}),
    leaf(0x80000003, {}),
    leaf(0x80000004, {}),
    leaf(0x80000007, { ebx: ONES, edx: ONES }),
    leaf(0x80000008, { eax: 0x3930, ebx: ONES }),
    leaf(0x8000000a, { edx: ONES }),
    leaf(0x80000021, { eax: ONES }),
    leaf(0x80000022, { eax: 1 }),
  ],
};

/** The same, of a hypervisor that has none of the named features. */
const nothing: SupportedCpuid = {
  ...everything,
  leaves: everything.leaves.map((entry) => {
    const cleared = { ...entry };
    for (const word of featureWords) {
      if (word.leaf === entry.leaf && word.subleaf === entry.subleaf) cleared[word.register] = 0;
    }
    return cleared;
  }),
};

function leaves(cpu: string, { supported = everything, cpus = 1, index = 0 } = {}): CpuidLeaf[] {
  return guestCpuid(supported, parseCpuModel('x86_64', cpu), cpus).leaves(index);
}

function register(list: readonly CpuidLeaf[], number: number, name: CpuidRegister, subleaf = 0): number {
  return list.find((entry) => entry.leaf === number && entry.subleaf === subleaf)?.[name] ?? 0;
}

/** Names of the features that a list shows. */
function featuresOf(list: readonly CpuidLeaf[]): Set<string> {
  return new Set(
    featureWords.flatMap(({ leaf: number, subleaf, register: name, names }) =>
      names.filter((_, bit) => (register(list, number, name, subleaf) & (1 << bit)) !== 0),
    ),
  );
}

test('host has all features but those that bind a guest to its host', () => {
  const features = featuresOf(leaves('host'));
  assert.equal([...featuresOf(everything.leaves)].filter((name) => !features.has(name) && name !== '-').sort(), [
    'ht',
    'invtsc',
  ]);
  assert.ok(featuresOf(leaves('host,migratable=off')).has('invtsc'));
  assert.ok(featuresOf(leaves('host,+invtsc')).has('invtsc'));
});

test('a feature is taken away by minus and by =off, in any spelling', () => {
  for (const flag of ['-cx16', 'cx16=off', '-sse4_1', 'sse4.1=off']) {
    const name = flag.includes('cx16') ? 'cx16' : 'sse4.1';
    assert.not.ok(featuresOf(leaves(`host,${flag}`)).has(name), flag);
  }
});

test('what needs a feature goes with it', () => {
  const features = featuresOf(leaves('host,-xsave'));
  for (const name of ['avx', 'avx2', 'avx512f', 'avx512vl', 'fma', 'pku', 'amx-int8']) {
    assert.not.ok(features.has(name), name);
  }
  assert.is(register(leaves('host,-xsave'), 0xd, 'eax'), 0);
});

test('the state components of XSAVE are those of the features', () => {
  assert.is(register(leaves('host'), 0xd, 'eax'), 0x602e7);
  assert.is(register(leaves('host,-avx512f,-amx-tile'), 0xd, 'eax'), 0x207);
  assert.is(register(leaves('host,-avx512f'), 0xd, 'eax', 5), 0);
  assert.is(register(leaves('SandyBridge'), 0xd, 'eax'), 0x7);
});

test('a named model has its family, levels and name, and the vendor of the host', () => {
  const list = leaves('EPYC-Rome');
  // AMD, "Revision Guide for AMD Family 17h Models 30h-3Fh": CPUID 00830F10h is family 17h, model 31h, stepping 0.
  assert.is(register(list, 1, 'eax'), 0x00830f10);
  assert.is(register(list, 0, 'ebx'), GENUINE_INTEL.ebx);
  const brand = [2, 3, 4].flatMap((n) =>
    (['eax', 'ebx', 'ecx', 'edx'] as const).map((r) => register(list, 0x80000000 + n, r)),
  );
  assert.is(
    Buffer.from(new Uint32Array(brand).buffer).toString('latin1').replaceAll('\0', ''),
    'AMD EPYC-Rome Processor',
  );
  assert.is(register(leaves('host'), 1, 'eax'), 0x000c06f2);
});

test('family, model, stepping, name, vendor, levels and address size can be chosen', () => {
  const list = leaves(
    'host,family=6,model=26,stepping=3,model-id=Mine,vendor=AuthenticAMD,level=7,xlevel=0x80000008,phys-bits=40',
  );
  assert.is(register(list, 1, 'eax'), 0x000106a3);
  assert.is(register(list, 0x80000002, 'eax'), Buffer.from('Mine').readUInt32LE());
  assert.is(register(list, 0, 'ecx'), Buffer.from('cAMD').readUInt32LE());
  assert.is(register(list, 0, 'eax'), 7);
  assert.not.ok(list.some((entry) => entry.leaf > 7 && entry.leaf < 0x40000000));
  assert.is(register(list, 0x80000000, 'eax'), 0x80000008);
  assert.is(register(list, 0x80000008, 'eax') & 0xff, 40);
});

test('what a model wants and the hypervisor lacks is told as QEMU tells it', () => {
  const { missing } = guestCpuid(nothing, parseCpuModel('x86_64', 'Haswell,+clzero'), 1);
  const texts = missing.map(({ text }) => text);
  // QEMU 7.2's words; QEMU 10 writes CPUID[eax=07h,ecx=00h].EBX for CPUID.07H:EBX.
  for (const text of ['CPUID.07H:EBX.hle [bit 4]', 'CPUID.80000008H:EBX.clzero [bit 0]']) {
    const [, number, name, rest] = /^CPUID\.(\w+)H:(\w+)(.*)$/.exec(text) ?? [];
    const subleaf = number === '07' ? ',ecx=00h' : '';
    assert.ok(texts.includes(`CPUID[eax=${number}h${subleaf}].${name}${rest}`), `${text}: ${texts.join(' ')}`);
  }
  assert.equal(guestCpuid(nothing, parseCpuModel('x86_64', 'host'), 1).missing, []);
});

test('kvm=off hides the hypervisor leaves', () => {
  const hypervisor = (cpu: string) => leaves(cpu).some((entry) => entry.leaf === 0x40000000);
  assert.ok(hypervisor('qemu64'));
  assert.not.ok(hypervisor('qemu64,kvm=off'));
});

test('counters are shown to host unless pmu=off, to others with pmu=on', () => {
  const counters = (cpu: string) => leaves(cpu).some((entry) => entry.leaf === 0xa);
  assert.equal(['host', 'host,pmu=off', 'Haswell', 'Haswell,pmu=on'].map(counters), [true, false, false, true]);
});

test('each vCPU has its APIC id and the shape of all in leaves 1, 4 and 0xb', () => {
  const list = leaves('host', { cpus: 6, index: 4 });
  assert.is(register(list, 1, 'ebx') >>> 16, (4 << 8) | 6);
  assert.is((register(list, 1, 'edx') >>> 28) & 1, 1);
  // Six cores take three bits of the APIC id.
  assert.is(register(list, 4, 'eax') >>> 26, 7);
  assert.is((register(list, 4, 'eax', 3) >>> 14) & 0xfff, 7);
  assert.is((register(list, 4, 'eax', 0) >>> 14) & 0xfff, 0);
  assert.equal(
    [0, 1, 2].map((subleaf) =>
      (['eax', 'ebx', 'ecx', 'edx'] as const).map((name) => register(list, 0xb, name, subleaf)),
    ),
    [
      [0, 1, 0x100, 4],
      [3, 6, 0x201, 4],
      [0, 0, 2, 4],
    ],
  );
});

test('nothing is shown that is not supported, whatever is asked for', () => {
  const word = fc.constantFrom(...featureWords.flatMap(({ names }) => names).filter((name) => name !== '-'));
  const flags = fc.array(fc.tuple(fc.constantFrom('+', '-'), word), { maxLength: 12 });
  const masks = fc.array(fc.nat({ max: ONES }), { minLength: 4, maxLength: 4 });
  const models = fc.constantFrom(...cpuModels('x86_64'));
  const holds = fc.property(models, flags, masks, fc.integer({ min: 1, max: 255 }), (model, wanted, mask, cpus) => {
    const supported = {
      ...everything,
      leaves: everything.leaves.map((entry, i) => ({
        ...entry,
        ecx: entry.ecx & (mask[i % 4] ?? 0),
        edx: entry.edx & (mask[(i + 1) % 4] ?? 0),
      })),
    };
    const cpu = [model, ...wanted.map(([sign, name]) => sign + name)].join(',');
    const shown = featuresOf(leaves(cpu, { supported, cpus, index: cpus - 1 }));
    const possible = featuresOf(supported.leaves);
    shown.delete('ht');
    for (const name of shown) assert.ok(possible.has(name), `${cpu}: ${name}`);
    const last = new Map(wanted.map(([sign, name]) => [name, sign]));
    for (const [name, sign] of last)
      if (sign === '-' && name !== 'ht') assert.not.ok(shown.has(name), `${cpu}: ${name}`);
  });
  fc.assert(holds, { numRuns: 300 });
});

test.run();

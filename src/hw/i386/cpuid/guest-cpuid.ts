import type { CpuModel } from '../../../system/cpu.js';
import { parseInteger } from '../../../system/numbers.js';
import { AMD_REPEATED_EDX, type CpuidRegister, featureName, featureNeeds, featureWords } from './features.js';
import { modelDefinition } from './models.js';

/** What CPUID gives for one leaf, each register an unsigned 32-bit number. */
export interface CpuidLeaf {
  readonly leaf: number;
  readonly subleaf: number;
  /** Whether ECX chooses among subleaves. */
  readonly indexed: boolean;
  readonly eax: number;
  readonly ebx: number;
  readonly ecx: number;
  readonly edx: number;
}

/** What an accelerator can give to its guests. */
export interface SupportedCpuid {
  readonly leaves: readonly CpuidLeaf[];
  /** The brand string of `host` and `max`. */
  readonly brand: string;
}

/** A feature that was asked for and is not there. */
export interface MissingFeature {
  readonly name: string;
  /** Leaf, register and bit as QEMU's warnings have them: `CPUID[eax=01h].ECX.x2apic [bit 21]`. */
  readonly text: string;
}

/** CPUID of the vCPUs of one machine. */
export interface GuestCpuid {
  readonly missing: readonly MissingFeature[];
  /** The leaves of a vCPU; its index is its APIC id. */
  leaves(index: number): CpuidLeaf[];
}

/** What QEMU adds to a named model where the hypervisor is KVM (target/i386/kvm/kvm-cpu.c). */
const PARAVIRTUAL =
  'hypervisor x2apic kvmclock kvm-nopiodelay kvm-asyncpf kvm-steal-time kvm-pv-eoi kvmclock-stable-bit'.split(' ');
/** Not part of `host` and `max` unless asked for: a guest with it could not be moved. */
const UNMIGRATABLE = ['invtsc'];
/** Leaves of the CPU's performance counters. */
const PMU_LEAF = 0xa;

const HYPERVISOR = 0x40000000;
const EXTENDED = 0x80000000;

/** Bits of XCR0 and the features that they belong to; x87 and SSE are always there. */
const xsaveComponents: readonly (readonly [bits: number, feature: string])[] = [
  [0x4, 'avx'],
  [0x18, 'mpx'],
  [0xe0, 'avx512f'],
  [0x200, 'pku'],
  [0x60000, 'amx-tile'],
];

/**
 * CPUID of a model: the model's features and those of -cpu, as far as `supported` has them. `host` and `max` are all
 * that is supported.
 *
 * @param cpus vCPUs, shown as cores of one socket
 */
export function guestCpuid(supported: SupportedCpuid, model: CpuModel, cpus: number): GuestCpuid {
  const selected = selectFeatures(supported, model);
  const shape = cpuShape(supported, model, selected.features);
  const masked = supported.leaves
    .filter(({ leaf }) => inRange(leaf, shape))
    .map((leaf) => maskFeatures(leaf, selected.features))
    .map((leaf) => shapeLeaf(leaf, shape, selected.features));
  return {
    missing: selected.missing,
    leaves: (index) => masked.flatMap((leaf) => placeLeaf(leaf, index, cpus)),
  };
}

/** -cpu's properties by name; the last of a name counts. */
function propertiesOf(model: CpuModel): Map<string, string> {
  return new Map(model.properties.map(([name, value]) => [featureName(name), value]));
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && ['on', 'yes', 'true', 'y'].includes(value);
}

function selectFeatures(
  supported: SupportedCpuid,
  model: CpuModel,
): { features: ReadonlySet<string>; missing: MissingFeature[] } {
  const definition = modelDefinition(model.name);
  const properties = propertiesOf(model);
  const known = new Set(featureWords.flatMap(({ names }) => names).filter((name) => name !== '-'));
  const available = new Set([...known].filter((name) => has(supported, name)));
  const wanted = new Set(definition === undefined ? available : [...definition.features, ...PARAVIRTUAL]);
  if (definition === undefined && properties.get('migratable') !== 'off') {
    for (const name of UNMIGRATABLE) wanted.delete(name);
  }
  for (const [name, value] of properties) {
    if (!known.has(name)) continue;
    if (isOn(value)) wanted.add(name);
    else wanted.delete(name);
  }
  for (const [feature, base] of Object.entries(featureNeeds)) if (!wanted.has(base)) wanted.delete(feature);
  const features = new Set([...wanted].filter((name) => available.has(name)));
  for (const [feature, base] of Object.entries(featureNeeds)) if (!features.has(base)) features.delete(feature);
  const missing = [...wanted].filter((name) => !available.has(name)).map((name) => ({ name, text: bitText(name) }));
  return { features, missing };
}

function has(supported: SupportedCpuid, name: string): boolean {
  return featureWords.some(({ leaf, subleaf, register, names }) => {
    const bits = registerOf(supported.leaves, leaf, subleaf, register);
    return names.some((other, bit) => other === name && (bits & (1 << bit)) !== 0);
  });
}

function registerOf(leaves: readonly CpuidLeaf[], leaf: number, subleaf: number, register: CpuidRegister): number {
  return leaves.find((entry) => entry.leaf === leaf && entry.subleaf === subleaf)?.[register] ?? 0;
}

/** As QEMU's feature_word_description. */
function bitText(name: string): string {
  const word = featureWords.find(({ names }) => names.includes(name));
  if (word === undefined) return name;
  const { leaf, subleaf, register, names } = word;
  const hex = (value: number) => `${value.toString(16).toUpperCase().padStart(2, '0')}h`;
  const ecx = leaf === 7 || leaf === 0xd || leaf === 0x14 ? `,ecx=${hex(subleaf)}` : '';
  return `CPUID[eax=${hex(leaf)}${ecx}].${register.toUpperCase()}.${name} [bit ${names.indexOf(name)}]`;
}

/** What else a model is. */
interface CpuShape {
  readonly host: boolean;
  readonly level: number;
  readonly xlevel: number;
  readonly signature: number;
  readonly vendor: string;
  readonly brand: string;
  readonly physBits: number | undefined;
  readonly kvm: boolean;
  readonly pmu: boolean;
}

function cpuShape(supported: SupportedCpuid, model: CpuModel, features: ReadonlySet<string>): CpuShape {
  const { leaves } = supported;
  const definition = modelDefinition(model.name);
  const properties = propertiesOf(model);
  const number = (name: string) => {
    const value = parseInteger(properties.get(name) ?? '');
    return value === undefined ? undefined : Number(value);
  };
  const host = definition === undefined;
  const hostSignature = registerOf(leaves, 1, 0, 'eax');
  const ofHost = splitSignature(hostSignature);
  const hostLevel = registerOf(leaves, 0, 0, 'eax');
  const hostXlevel = registerOf(leaves, EXTENDED, 0, 'eax');
  const vendor = properties.get('vendor') ?? vendorOf(leaves);
  const needed = (from: number, to: number) =>
    featureWords
      .filter(({ leaf, names }) => leaf >= from && leaf < to && names.some((name) => features.has(name)))
      .reduce((most, { leaf }) => Math.max(most, leaf), 0);
  return {
    host,
    level:
      number('level') ?? Math.min(hostLevel, host ? hostLevel : Math.max(definition.level, 0xb, needed(0, HYPERVISOR))),
    xlevel:
      number('xlevel') ??
      Math.min(hostXlevel, host ? hostXlevel : Math.max(definition.xlevel, needed(EXTENDED, 2 ** 32))),
    signature: joinSignature({
      family: number('family') ?? definition?.family ?? ofHost.family,
      model: number('model') ?? definition?.model ?? ofHost.model,
      stepping: number('stepping') ?? definition?.stepping ?? ofHost.stepping,
    }),
    vendor,
    brand: properties.get('model-id') ?? definition?.brand ?? supported.brand,
    physBits: number('phys-bits'),
    kvm: properties.get('kvm') !== 'off',
    pmu: host ? properties.get('pmu') !== 'off' : isOn(properties.get('pmu')),
  };
}

/** Leaf 1 EAX (AMD APM volume 3, appendix E). */
function splitSignature(eax: number): { family: number; model: number; stepping: number } {
  const family = (eax >> 8) & 0xf;
  const extended = family === 0xf || family === 6 ? (eax >> 12) & 0xf0 : 0;
  return {
    family: family === 0xf ? family + ((eax >> 20) & 0xff) : family,
    model: ((eax >> 4) & 0xf) | extended,
    stepping: eax & 0xf,
  };
}

function joinSignature({ family, model, stepping }: { family: number; model: number; stepping: number }): number {
  const high = family > 0xf ? ((family - 0xf) << 20) | 0xf00 : family << 8;
  return high | ((model & 0xf) << 4) | ((model >> 4) << 16) | stepping;
}

function vendorOf(leaves: readonly CpuidLeaf[]): string {
  const words = (['ebx', 'edx', 'ecx'] as const).map((register) => registerOf(leaves, 0, 0, register));
  return Buffer.from(new Uint32Array(words).buffer).toString('latin1');
}

function inRange(leaf: number, { level, xlevel, kvm, pmu }: CpuShape): boolean {
  if (leaf === PMU_LEAF && !pmu) return false;
  if (leaf < HYPERVISOR) return leaf <= level;
  return leaf < EXTENDED ? kvm : leaf <= xlevel || leaf >= 0xc0000000;
}

function maskFeatures(leaf: CpuidLeaf, features: ReadonlySet<string>): CpuidLeaf {
  const masked = { ...leaf };
  for (const { leaf: number, subleaf, register, names } of featureWords) {
    if (number !== leaf.leaf || subleaf !== leaf.subleaf) continue;
    const bits = names.reduce((sum, name, bit) => (features.has(name) ? sum | (1 << bit) : sum), 0);
    masked[register] = (leaf[register] & bits) >>> 0;
  }
  return masked;
}

/** Gives a leaf what the model says beside features; the same for all vCPUs. */
function shapeLeaf(leaf: CpuidLeaf, shape: CpuShape, features: ReadonlySet<string>): CpuidLeaf {
  const off = { ...leaf, eax: 0, ebx: 0, ecx: 0, edx: 0 };
  switch (leaf.leaf) {
    case 0:
      return { ...leaf, eax: shape.level, ...vendorWords(shape.vendor) };
    case 1:
      return { ...leaf, eax: shape.signature };
    case 5:
      return features.has('monitor') ? leaf : off;
    case 6:
      return { ...off, eax: leaf.eax };
    case 0xd:
      return features.has('xsave') ? xsaveLeaf(leaf, features) : off;
    case 0x12:
      return features.has('sgx') ? leaf : off;
    case 0x14:
      return features.has('intel-pt') ? leaf : off;
    case 0x1d:
    case 0x1e:
      return features.has('amx-tile') ? leaf : off;
    case EXTENDED:
      return { ...leaf, eax: shape.xlevel, ...vendorWords(shape.vendor) };
    case 0x80000001: {
      const repeated = shape.vendor === 'AuthenticAMD' ? AMD_REPEATED_EDX : 0;
      return { ...leaf, edx: leaf.edx | repeated };
    }
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
      return { ...leaf, ...brandWords(shape.brand, leaf.leaf - 0x80000002) };
    case 0x80000008:
      return shape.physBits === undefined ? leaf : { ...leaf, eax: (leaf.eax & ~0xff) | shape.physBits };
    case 0x8000000a:
      return features.has('svm') ? leaf : off;
    default:
      return leaf;
  }
}

function vendorWords(vendor: string): { ebx: number; ecx: number; edx: number } {
  const bytes = Buffer.from(vendor, 'latin1');
  return { ebx: bytes.readUInt32LE(0), edx: bytes.readUInt32LE(4), ecx: bytes.readUInt32LE(8) };
}

function brandWords(brand: string, part: number): Record<CpuidRegister, number> {
  const bytes = Buffer.alloc(48);
  bytes.write(brand, 'latin1');
  const word = (i: number) => bytes.readUInt32LE(part * 16 + i * 4);
  return { eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) };
}

/** Leaf 0xd: state components of features that are there. Sizes of enabled state are KVM's affair (subleaf 0, EBX). */
function xsaveLeaf(leaf: CpuidLeaf, features: ReadonlySet<string>): CpuidLeaf {
  const allowed = xsaveComponents.reduce((bits, [mask, feature]) => (features.has(feature) ? bits | mask : bits), 3);
  if (leaf.subleaf === 0) return { ...leaf, eax: leaf.eax & allowed, edx: 0 };
  if (leaf.subleaf === 1) return features.has('xsaves') ? leaf : { ...leaf, ebx: 0, ecx: 0, edx: 0 };
  const supervisor = (leaf.ecx & 1) !== 0;
  const kept = supervisor ? features.has('xsaves') : leaf.subleaf < 32 && (allowed & (1 << leaf.subleaf)) !== 0;
  return kept ? leaf : { ...leaf, eax: 0, ebx: 0, ecx: 0, edx: 0 };
}

/** Gives a leaf what belongs to one vCPU: its APIC id, and the topology of all. */
function placeLeaf(leaf: CpuidLeaf, index: number, cpus: number): CpuidLeaf[] {
  const idBits = Math.ceil(Math.log2(cpus));
  switch (leaf.leaf) {
    case 1: {
      const count = cpus > 1 ? cpus : 0;
      // HT: the count is meant.
      const edx = cpus > 1 ? leaf.edx | (1 << 28) : leaf.edx & ~(1 << 28);
      return [{ ...leaf, ebx: ((index << 24) | ((count & 0xff) << 16) | (leaf.ebx & 0xff00)) >>> 0, edx: edx >>> 0 }];
    }
    case 4:
    case 0x8000001d: {
      if ((leaf.eax & 0x1f) === 0) return [leaf];
      // Level 3 is shared by all, what is below by nobody.
      const sharing = ((leaf.eax >> 5) & 7) >= 3 ? 2 ** idBits - 1 : 0;
      const cores = leaf.leaf === 4 ? 2 ** idBits - 1 : 0;
      return [{ ...leaf, eax: ((leaf.eax & 0x3fff) | (sharing << 14) | (cores << 26)) >>> 0 }];
    }
    case 0xb: {
      if (leaf.subleaf !== 0) return [];
      const level = (subleaf: number, eax: number, ebx: number, type: number): CpuidLeaf => ({
        leaf: 0xb,
        subleaf,
        indexed: true,
        eax,
        ebx,
        ecx: subleaf | (type << 8),
        edx: index,
      });
      return [level(0, 0, 1, 1), level(1, idBits, cpus, 2), level(2, 0, 0, 0)];
    }
    case 0x1f:
      return [];
    case 0x80000008:
      return [{ ...leaf, ecx: leaf.ecx === 0 && cpus === 1 ? 0 : ((idBits << 12) | (cpus - 1)) >>> 0 }];
    case 0x8000001e:
      return [{ ...leaf, eax: index, ebx: index, ecx: 0 }];
    default:
      return [leaf];
  }
}

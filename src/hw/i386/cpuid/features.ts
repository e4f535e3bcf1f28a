/** Output registers of CPUID. */
export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

/** A register of a leaf whose bits are features, with QEMU's names of them, `-` where it has none (target/i386/cpu.c). */
export interface FeatureWord {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  /** By bit. */
  readonly names: readonly string[];
}

function word(leaf: number, subleaf: number, register: CpuidRegister, names: string): FeatureWord {
  return { leaf, subleaf, register, names: names.trim().split(/\s+/) };
}

/** Bits that are far up: `at(17, 'fred lkgs')` names bits 17 and 18. */
function at(bit: number, names: string): string {
  return `${'- '.repeat(bit)}${names}`;
}

export const featureWords: readonly FeatureWord[] = [
  word(
    1,
    0,
    'edx',
    `fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov
     pat pse36 pn clflush - ds acpi mmx fxsr sse sse2 ss ht tm ia64 pbe`,
  ),
  word(
    1,
    0,
    'ecx',
    `pni pclmulqdq dtes64 monitor ds-cpl vmx smx est tm2 ssse3 cid - fma cx16 xtpr pdcm
     - pcid dca sse4.1 sse4.2 x2apic movbe popcnt tsc-deadline aes xsave - avx f16c rdrand hypervisor`,
  ),
  word(6, 0, 'eax', at(2, 'arat')),
  word(
    7,
    0,
    'ebx',
    `fsgsbase tsc-adjust sgx bmi1 hle avx2 fdp-excptn-only smep bmi2 erms invpcid rtm - zero-fcs-fds mpx -
     avx512f avx512dq rdseed adx smap avx512ifma pcommit clflushopt clwb intel-pt avx512pf avx512er avx512cd sha-ni
     avx512bw avx512vl`,
  ),
  word(
    7,
    0,
    'ecx',
    `- avx512vbmi umip pku - waitpkg avx512vbmi2 cet-ss gfni vaes vpclmulqdq avx512vnni avx512bitalg - avx512-vpopcntdq -
     la57 - - - - - rdpid - bus-lock-detect cldemote - movdiri movdir64b - sgxlc pks`,
  ),
  word(
    7,
    0,
    'edx',
    `- - avx512-4vnniw avx512-4fmaps fsrm - - - avx512-vp2intersect - md-clear - - - serialize -
     tsx-ldtrk - - arch-lbr cet-ibt - amx-bf16 avx512-fp16 amx-tile amx-int8 spec-ctrl stibp flush-l1d arch-capabilities
     core-capability ssbd`,
  ),
  word(
    7,
    1,
    'eax',
    `sha512 sm3 sm4 - avx-vnni avx512-bf16 - cmpccxadd - - fzrm fsrs fsrc - - -
     - fred lkgs wrmsrns - amx-fp16 - avx-ifma - - lam - - - - movrs`,
  ),
  word(7, 1, 'edx', '- - - - avx-vnni-int8 avx-ne-convert - - amx-complex - avx-vnni-int16 - - - prefetchiti'),
  word(7, 2, 'edx', 'intel-psfd ipred-ctrl rrsba-ctrl ddpd-u bhi-ctrl mcdt-no'),
  word(0xd, 1, 'eax', 'xsaveopt xsavec xgetbv1 xsaves xfd'),
  word(0x14, 0, 'ecx', at(31, 'intel-pt-lip')),
  word(
    0x40000001,
    0,
    'eax',
    `kvmclock kvm-nopiodelay kvm-mmu kvmclock kvm-asyncpf kvm-steal-time kvm-pv-eoi kvm-pv-unhalt
     - kvm-pv-tlb-flush kvm-asyncpf-vmexit kvm-pv-ipi kvm-poll-control kvm-pv-sched-yield kvm-asyncpf-int
     kvm-msi-ext-dest-id ${at(8, 'kvmclock-stable-bit')}`,
  ),
  word(0x40000001, 0, 'edx', 'kvm-hint-dedicated'),
  word(
    0x80000001,
    0,
    'ecx',
    `lahf-lm cmp-legacy svm extapic cr8legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop skinit wdt - lwp
     fma4 tce - nodeid-msr - tbm topoext perfctr-core perfctr-nb`,
  ),
  word(
    0x80000001,
    0,
    'edx',
    `${at(11, 'syscall')} - - - - - - - - nx - mmxext - - fxsr-opt pdpe1gb rdtscp - lm 3dnowext 3dnow`,
  ),
  word(0x80000007, 0, 'ebx', 'overflow-recov succor'),
  word(0x80000007, 0, 'edx', at(8, 'invtsc')),
  word(
    0x80000008,
    0,
    'ebx',
    `clzero - xsaveerptr - - - - - - wbnoinvd - - ibpb - ibrs amd-stibp
     - stibp-always-on - - - - - - amd-ssbd virt-ssbd amd-no-ssb - amd-psfd`,
  ),
  word(
    0x8000000a,
    0,
    'edx',
    `npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid decodeassists - - pause-filter -
     pfthreshold avic - v-vmsave-vmload vgif - - - - - - - - vnmi - - svme-addr-chk`,
  ),
  word(
    0x80000021,
    0,
    'eax',
    `no-nested-data-bp fs-gs-base-ns lfence-always-serializing - - - null-sel-clr-base - auto-ibrs
     ${at(11, 'prefetchi')} - - - - - - sbpb ibpb-brtype srso-no srso-user-kernel-no`,
  ),
  word(0x80000022, 0, 'eax', 'perfmon-v2'),
  word(0xc0000001, 0, 'edx', '- - xstore xstore-en - - xcrypt xcrypt-en ace2 ace2-en phe phe-en pmm pmm-en'),
];

/** Bits of leaf 0x80000001 EDX that AMD's CPUs repeat from leaf 1 EDX (AMD APM volume 3, appendix E). */
export const AMD_REPEATED_EDX = 0x0183f3ff;

/** Other spellings of features, after `_` became `-`. */
const spellings: Readonly<Record<string, string>> = {
  xd: 'nx',
  i64: 'lm',
  ffxsr: 'fxsr-opt',
  sse3: 'pni',
  pclmuldq: 'pclmulqdq',
  'sse4-1': 'sse4.1',
  'sse4-2': 'sse4.2',
};

/** The name of a feature as the words above have it. */
export function featureName(spelling: string): string {
  const name = spelling.replaceAll('_', '-');
  return spellings[name] ?? name;
}

/** What a feature needs: without it, QEMU takes the feature away too (target/i386/cpu.c, feature_dependencies). */
export const featureNeeds: Readonly<Record<string, string>> = {
  ...needs('xsave', 'xsaveopt xsavec xgetbv1 xsaves avx mpx pku amx-tile xfd'),
  ...needs('avx', 'f16c fma avx2 xop fma4 vaes vpclmulqdq avx-vnni avx-ifma avx-vnni-int8 avx-ne-convert'),
  ...needs('avx2', 'avx512f'),
  ...needs(
    'avx512f',
    `avx512dq avx512ifma avx512pf avx512er avx512cd avx512bw avx512vl avx512vbmi avx512vbmi2 avx512vnni avx512bitalg
     avx512-vpopcntdq avx512-4vnniw avx512-4fmaps avx512-vp2intersect avx512-bf16 avx512-fp16`,
  ),
  ...needs('amx-tile', 'amx-bf16 amx-int8 amx-fp16 amx-complex'),
  ...needs('fxsr', 'sse mmxext fxsr-opt'),
  ...needs('sse', 'sse2'),
  ...needs('lm', 'pdpe1gb lahf-lm'),
  ...needs(
    'svm',
    'npt lbrv svm-lock nrip-save tsc-scale vmcb-clean flushbyasid decodeassists pause-filter pfthreshold',
  ),
  ...needs('intel-pt', 'intel-pt-lip'),
};

function needs(base: string, features: string): Record<string, string> {
  return Object.fromEntries(features.split(/\s+/).map((feature) => [feature, base]));
}

/** A named CPU. */
export interface ModelDefinition {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  /** Brand string. */
  readonly brand: string;
  /** Highest leaf, and highest one from 0x80000000 on; more where a feature needs it. */
  readonly level: number;
  readonly xlevel: number;
  readonly features: readonly string[];
}

/**
 * QEMU's models with what KVM can give of them (target/i386/cpu.c, x86_cpu_defs; checked against QEMU 7.2 up to
 * Icelake-Server, Milan and Snowridge): name, model that it begins from, family model stepping, levels (the second in
 * hexadecimal), brand, features that come or go. A column without a value is as in the model it begins
 * from; the brand `-` is none.
 */
const table = `
  486-v1 | | 4 8 0 | 1 0 | | fpu vme pse
  pentium-v1 | 486-v1 | 5 4 3 | | | de tsc msr mce cx8 apic mmx
  qemu32-v1 | pentium-v1 | 6 6 3 | 4 80000004 | QEMU Virtual CPU version 2.5+ | pae sep pge cmov pat fxsr sse sse2
    pni -vme
  pentium2-v1 | qemu32-v1 | 6 5 2 | 2 0 | - | vme mtrr mca pse36 -sse -sse2 -pni
  pentium3-v1 | pentium2-v1 | 6 7 3 | 3 0 | | sse
  kvm32-v1 | pentium3-v1 | 15 6 1 | 5 80000008 | Common 32-bit KVM processor | clflush sse2 pni
  athlon-v1 | pentium3-v1 | 6 2 3 | 2 80000008 | QEMU Virtual CPU version 2.5+ | sse2 mmxext 3dnowext 3dnow
  coreduo-v1 | kvm32-v1 | 6 14 8 | 10 80000008 | Genuine Intel(R) CPU           T2600  @ 2.16GHz | ss nx -pse36
  Opteron_G1-v1 | kvm32-v1 | | | AMD Opteron 240 (Gen 1 Class Opteron) | syscall nx lm
  kvm64-v1 | Opteron_G1-v1 | | 13 80000008 | Common KVM processor | cx16
  n270-v1 | coreduo-v1 | 6 28 2 | | Intel(R) Atom(TM) CPU N270   @ 1.60GHz | ssse3 movbe lahf-lm
  qemu64-v1 | kvm64-v1 | 15 107 1 | 13 8000000a | QEMU Virtual CPU version 2.5+ | lahf-lm -vme
  Conroe-v1 | Opteron_G1-v1 | 6 15 3 | 10 80000008 | Intel Celeron_4x0 (Conroe/Merom Class Core 2) | ssse3 lahf-lm
  Opteron_G2-v1 | kvm64-v1 | | 5 80000008 | AMD Opteron 22xx (Gen 2 Class Opteron) | lahf-lm
  core2duo-v1 | Conroe-v1 | 6 15 11 | | Intel(R) Core(TM)2 Duo CPU     T7700  @ 2.40GHz | ss cx16
  Penryn-v1 | Conroe-v1 | 6 23 3 | | Intel Core 2 Duo P9xxx (Penryn Class Core 2) | cx16 sse4.1
  Nehalem-v1 | Penryn-v1 | 6 26 3 | 11 80000008 | Intel Core i7 9xx (Nehalem Class Core i7) | sse4.2 popcnt
  Opteron_G3-v1 | Opteron_G2-v1 | 16 2 3 | | AMD Opteron 23xx (Gen 3 Class Opteron) | popcnt abm sse4a misalignsse
    rdtscp
  Westmere-v1 | Nehalem-v1 | 6 44 1 | | Westmere E56xx/L56xx/X56xx (Nehalem-C) | pclmulqdq aes arat
  phenom-v1 | Opteron_G3-v1 | | 5 8000001a | AMD Phenom(tm) 9550 Quad-Core Processor | mmxext fxsr-opt pdpe1gb
    3dnowext 3dnow -misalignsse
  SandyBridge-v1 | Westmere-v1 | 6 42 1 | 13 80000008 | Intel Xeon E312xx (Sandy Bridge) | tsc-deadline xsave avx
    xsaveopt rdtscp
  Opteron_G4-v1 | SandyBridge-v1 | 21 1 2 | 13 8000001a | AMD Opteron 62xx class CPU | abm sse4a misalignsse
    3dnowprefetch xop fma4 pdpe1gb -tsc-deadline -arat -xsaveopt
  IvyBridge-v1 | SandyBridge-v1 | 6 58 9 | | Intel Xeon E3-12xx v2 (Ivy Bridge) | f16c rdrand fsgsbase smep erms
  Opteron_G5-v1 | Opteron_G4-v1 | 21 2 0 | | AMD Opteron 63xx class CPU | fma f16c tbm
  Haswell-v1 | IvyBridge-v1 | 6 60 4 | | Intel Core Processor (Haswell) | fma pcid movbe bmi1 hle avx2 bmi2
    invpcid rtm abm
  Denverton-v1 | IvyBridge-v1 | 6 95 1 | 21 80000008 | Intel Atom Processor (Denverton) | movbe mpx rdseed smap
    clflushopt sha-ni spec-ctrl arch-capabilities ssbd xsavec xgetbv1 3dnowprefetch pdpe1gb -avx -f16c
  Broadwell-v1 | Haswell-v1 | 6 61 2 | | Intel Core Processor (Broadwell) | rdseed adx smap 3dnowprefetch
  Skylake-Client-v1 | Broadwell-v1 | 6 94 3 | | Intel Core Processor (Skylake) | xsavec xgetbv1
  Dhyana-v1 | Skylake-Client-v1 | 24 0 1 | 13 8000001e | Hygon Dhyana Processor | clflushopt cr8legacy sse4a
    misalignsse osvw topoext mmxext fxsr-opt pdpe1gb ibpb -pclmulqdq -pcid -tsc-deadline -aes -hle -erms -invpcid
    -rtm
  KnightsMill-v1 | Broadwell-v1 | 6 133 0 | | Intel Xeon Phi Processor (Knights Mill) | ss avx512f avx512pf
    avx512er avx512cd avx512-vpopcntdq avx512-4vnniw avx512-4fmaps pdpe1gb -pcid -hle -invpcid -rtm -smap
  Snowridge-v1 | Denverton-v1 | 6 134 1 | 27 80000008 | Intel Atom Processor (SnowRidge) | clwb umip gfni cldemote
    movdiri movdir64b core-capability
  EPYC-v1 | Dhyana-v1 | 23 1 2 | | AMD EPYC Processor | pclmulqdq aes sha-ni -ibpb
  Skylake-Server-v1 | Skylake-Client-v1 | 6 85 4 | | Intel Xeon Processor (Skylake) | avx512f avx512dq clflushopt
    clwb avx512cd avx512bw avx512vl pku pdpe1gb
  Cascadelake-Server-v1 | Skylake-Server-v1 | 6 85 6 | | Intel Xeon Processor (Cascadelake) | avx512vnni spec-ctrl
    ssbd
  EPYC-Rome-v1 | EPYC-v1 | 23 49 0 | | AMD EPYC-Rome Processor | clwb umip rdpid xsaves perfctr-core clzero
    xsaveerptr wbnoinvd ibpb amd-stibp
  Cooperlake-v1 | Cascadelake-Server-v1 | 6 85 10 | | Intel Xeon Processor (Cooperlake) | stibp arch-capabilities
    avx512-bf16
  EPYC-Milan-v1 | EPYC-Rome-v1 | 25 1 1 | | AMD EPYC-Milan Processor | pcid erms invpcid pku fsrm ibrs amd-ssbd
  Icelake-Server-v1 | Cascadelake-Server-v1 | 6 134 0 | | Intel Xeon Processor (Icelake) | avx512vbmi umip
    avx512vbmi2 gfni vaes vpclmulqdq avx512bitalg avx512-vpopcntdq la57 wbnoinvd
  Nehalem-v2 | Nehalem-v1 | | | Intel Core i7 9xx (Nehalem Core i7, IBRS update) | spec-ctrl
  Westmere-v2 | Westmere-v1 | | | Westmere E56xx/L56xx/X56xx (IBRS update) | spec-ctrl
  SandyBridge-v2 | SandyBridge-v1 | | | Intel Xeon E312xx (Sandy Bridge, IBRS update) | spec-ctrl
  IvyBridge-v2 | IvyBridge-v1 | | | Intel Xeon E3-12xx v2 (Ivy Bridge, IBRS) | spec-ctrl
  Haswell-v2 | Haswell-v1 | 6 60 1 | | Intel Core Processor (Haswell, no TSX) | -hle -rtm
  Haswell-v3 | Haswell-v1 | | | Intel Core Processor (Haswell, IBRS) | spec-ctrl
  Haswell-v4 | Haswell-v2 | | | Intel Core Processor (Haswell, no TSX, IBRS) | spec-ctrl
  Denverton-v2 | Denverton-v1 | | | | -mpx
  Denverton-v3 | Denverton-v2 | | | | xsaves
  Broadwell-v2 | Broadwell-v1 | | | Intel Core Processor (Broadwell, no TSX) | -hle -rtm
  Broadwell-v3 | Broadwell-v1 | | | Intel Core Processor (Broadwell, IBRS) | spec-ctrl
  Broadwell-v4 | Broadwell-v2 | | | Intel Core Processor (Broadwell, no TSX, IBRS) | spec-ctrl
  Skylake-Client-v2 | Skylake-Client-v1 | | | Intel Core Processor (Skylake, IBRS) | spec-ctrl
  Skylake-Client-v3 | Skylake-Client-v2 | | | Intel Core Processor (Skylake, IBRS, no TSX) | -hle -rtm
  Skylake-Client-v4 | Skylake-Client-v3 | | | | xsaves
  Dhyana-v2 | Dhyana-v1 | | | | xsaves
  Snowridge-v2 | Snowridge-v1 | | | Intel Atom Processor (Snowridge, no MPX) | -mpx
  Snowridge-v3 | Snowridge-v2 | | | | xsaves
  Snowridge-v4 | Snowridge-v3 | | | | -core-capability
  EPYC-v2 | EPYC-v1 | | | AMD EPYC Processor (with IBPB) | ibpb
  EPYC-v3 | EPYC-v2 | | | AMD EPYC Processor | xsaves perfctr-core clzero xsaveerptr
  Skylake-Server-v2 | Skylake-Server-v1 | | | Intel Xeon Processor (Skylake, IBRS) | spec-ctrl -clflushopt
  Skylake-Server-v3 | Skylake-Server-v2 | | | Intel Xeon Processor (Skylake, IBRS, no TSX) | -hle -rtm
  Skylake-Server-v4 | Skylake-Server-v3 | | | |
  Skylake-Server-v5 | Skylake-Server-v3 | | | | xsaves
  Cascadelake-Server-v2 | Cascadelake-Server-v1 | | | | arch-capabilities
  Cascadelake-Server-v3 | Cascadelake-Server-v2 | | | | -hle -rtm
  Cascadelake-Server-v4 | Cascadelake-Server-v3 | | | |
  Cascadelake-Server-v5 | Cascadelake-Server-v3 | | | | xsaves
  EPYC-Rome-v2 | EPYC-Rome-v1 | | | | ibrs amd-ssbd
  Cooperlake-v2 | Cooperlake-v1 | | | | xsaves
  Icelake-Server-v2 | Icelake-Server-v1 | | | | -hle -rtm
  Icelake-Server-v3 | Icelake-Server-v2 | | | | arch-capabilities
  Icelake-Server-v4 | Icelake-Server-v3 | 6 106 0 | | | avx512ifma sha-ni rdpid fsrm
  Icelake-Server-v5 | Icelake-Server-v4 | | | | xsaves
  Icelake-Server-v6 | Icelake-Server-v5 | | | |
  EPYC-v4 | EPYC-v3 | | | |
  EPYC-v5 | EPYC-v4 | | | | overflow-recov succor
  EPYC-Rome-v3 | EPYC-Rome-v2 | | | |
  EPYC-Rome-v4 | EPYC-Rome-v3 | | | | -xsaves
  EPYC-Rome-v5 | EPYC-Rome-v4 | | | | overflow-recov succor
  EPYC-Milan-v2 | EPYC-Milan-v1 | | | | vaes vpclmulqdq stibp-always-on amd-psfd no-nested-data-bp
    lfence-always-serializing null-sel-clr-base
  EPYC-Milan-v3 | EPYC-Milan-v2 | | | | overflow-recov succor
  EPYC-Genoa-v1 | EPYC-Milan-v3 | 25 17 0 | 13 80000022 | AMD EPYC-Genoa Processor | la57 avx512f avx512dq
    avx512ifma avx512cd avx512bw avx512vl avx512vbmi avx512vbmi2 gfni avx512vnni avx512bitalg avx512-vpopcntdq
    avx512-bf16 auto-ibrs
  EPYC-Genoa-v2 | EPYC-Genoa-v1 | | | | fs-gs-base-ns perfmon-v2
  EPYC-Turin-v1 | EPYC-Genoa-v2 | 26 0 0 | | AMD EPYC-Turin Processor | avx-vnni movdiri movdir64b
    avx512-vp2intersect flush-l1d prefetchi sbpb ibpb-brtype srso-user-kernel-no
  Icelake-Server-v7 | Icelake-Server-v6 | | | |
  SapphireRapids-v1 | Icelake-Server-v5 | 6 143 4 | 32 80000008 | Intel Xeon Processor (SapphireRapids) | hle rtm
    avx-vnni avx512-bf16 fzrm fsrs fsrc bus-lock-detect serialize tsx-ldtrk amx-bf16 avx512-fp16 amx-tile amx-int8
    xfd
  SapphireRapids-v2 | SapphireRapids-v1 | | | | fdp-excptn-only
  SapphireRapids-v3 | SapphireRapids-v2 | | | | ss tsc-adjust cldemote movdiri movdir64b
  SapphireRapids-v4 | SapphireRapids-v3 | | | |
  SapphireRapids-v5 | SapphireRapids-v4 | | | |
  GraniteRapids-v1 | SapphireRapids-v1 | 6 173 0 | | Intel Xeon Processor (GraniteRapids) | amx-fp16 prefetchiti
    mcdt-no
  GraniteRapids-v2 | GraniteRapids-v1 | | | | ss tsc-adjust cldemote movdiri movdir64b
  GraniteRapids-v3 | GraniteRapids-v2 | | | |
  GraniteRapids-v4 | GraniteRapids-v3 | | | |
  SierraForest-v1 | SapphireRapids-v1 | 6 175 0 | 35 80000008 | Intel Xeon Processor (SierraForest) | avx-ifma
    avx-vnni-int8 avx-ne-convert cmpccxadd mcdt-no -hle -rtm -avx512f -avx512dq -avx512ifma -avx512cd -avx512bw
    -avx512vl -avx512vbmi -avx512vbmi2 -avx512vnni -avx512bitalg -avx512-vpopcntdq -avx512-bf16 -avx512-fp16
    -amx-bf16 -amx-tile -amx-int8 -xfd -tsx-ldtrk -la57 -fzrm -fsrc
  SierraForest-v2 | SierraForest-v1 | | | | ss tsc-adjust cldemote movdiri movdir64b
  SierraForest-v3 | SierraForest-v2 | | | |
  SierraForest-v4 | SierraForest-v3 | | | |
  ClearwaterForest-v1 | SierraForest-v2 | 6 221 0 | | Intel Xeon Processor (ClearwaterForest) | avx-vnni-int16
    sha512 sm3 sm4 prefetchiti lam intel-psfd ipred-ctrl rrsba-ctrl ddpd-u bhi-ctrl
  ClearwaterForest-v2 | ClearwaterForest-v1 | | | |
  DiamondRapids-v1 | GraniteRapids-v2 | 19 1 0 | | Intel Xeon Processor (DiamondRapids) | avx-ifma avx-vnni-int8
    avx-ne-convert avx-vnni-int16 amx-complex cmpccxadd sha512 sm3 sm4 lam movrs -hle -rtm -tsx-ldtrk
  YongFeng-v1 | Nehalem-v1 | 7 11 3 | 13 80000008 | Zhaoxin YongFeng Processor | pclmulqdq fma pcid movbe
    tsc-deadline aes xsave avx f16c rdrand fsgsbase bmi1 avx2 smep bmi2 erms rdseed adx smap sha-ni umip rdpid
    md-clear arch-capabilities spec-ctrl stibp ssbd xsaveopt xsavec xgetbv1 abm 3dnowprefetch pdpe1gb rdtscp arat
    xstore xstore-en xcrypt xcrypt-en ace2 ace2-en phe phe-en pmm pmm-en
  YongFeng-v2 | YongFeng-v1 | | | |
  YongFeng-v3 | YongFeng-v2 | | | |
`;

/** Names that are a version of another name, beside those that are `-v1` of themselves. */
const versions = `
  Broadwell-IBRS=Broadwell-v3 Broadwell-noTSX=Broadwell-v2 Broadwell-noTSX-IBRS=Broadwell-v4
  Cascadelake-Server-noTSX=Cascadelake-Server-v3 EPYC-IBPB=EPYC-v2 Haswell-IBRS=Haswell-v3 Haswell-noTSX=Haswell-v2
  Haswell-noTSX-IBRS=Haswell-v4 Icelake-Server-noTSX=Icelake-Server-v2 IvyBridge-IBRS=IvyBridge-v2
  Nehalem-IBRS=Nehalem-v2 SandyBridge-IBRS=SandyBridge-v2 Skylake-Client-IBRS=Skylake-Client-v2
  Skylake-Client-noTSX-IBRS=Skylake-Client-v3 Skylake-Server-IBRS=Skylake-Server-v2
  Skylake-Server-noTSX-IBRS=Skylake-Server-v3 Westmere-IBRS=Westmere-v2
`;

const bare: ModelDefinition = { family: 0, model: 0, stepping: 0, brand: '', level: 0, xlevel: 0, features: [] };
let models: ReadonlyMap<string, ModelDefinition> | undefined;

/** @returns undefined for `host` and `max`, and for names that -cpu does not take */
export function modelDefinition(name: string): ModelDefinition | undefined {
  models ??= readTable();
  return models.get(name);
}

function readTable(): Map<string, ModelDefinition> {
  const read = new Map([['base', bare]]);
  // A line that begins further in continues the one before it.
  for (const row of table.trim().split(/\n {2}(?! )/)) {
    const [name = '', parent = '', ids = '', levels = '', brand = '', features = ''] = row
      .split('|')
      .map((column) => column.trim());
    const from = read.get(parent) ?? bare;
    const [family = from.family, model = from.model, stepping = from.stepping] = numbers(ids, 10);
    const [level = from.level] = numbers(levels, 10);
    const [, xlevel = from.xlevel] = numbers(levels, 16);
    const changes = features.split(/\s+/).filter((word) => word !== '');
    const set = new Set(from.features);
    for (const change of changes) {
      if (change.startsWith('-')) set.delete(change.slice(1));
      else set.add(change);
    }
    const named = brand === '-' ? '' : brand || from.brand;
    read.set(name, { family, model, stepping, brand: named, level, xlevel, features: [...set] });
  }
  for (const [name, definition] of [...read]) if (name.endsWith('-v1')) read.set(name.slice(0, -3), definition);
  for (const pair of versions.trim().split(/\s+/)) {
    const [alias = '', name = ''] = pair.split('=');
    read.set(alias, read.get(name) ?? bare);
  }
  return read;
}

function numbers(text: string, radix: number): number[] {
  return text === '' ? [] : text.split(' ').map((word) => Number.parseInt(word, radix));
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** Names -cpu takes on x86_64 (QEMU 10.2, query-cpu-definitions). */
export const x86CpuModels: readonly string[] = words(`
  486 486-v1 Broadwell Broadwell-IBRS Broadwell-noTSX Broadwell-noTSX-IBRS Broadwell-v1 Broadwell-v2 Broadwell-v3
  Broadwell-v4 Cascadelake-Server Cascadelake-Server-noTSX Cascadelake-Server-v1 Cascadelake-Server-v2
  Cascadelake-Server-v3 Cascadelake-Server-v4 Cascadelake-Server-v5 ClearwaterForest ClearwaterForest-v1
  ClearwaterForest-v2 Conroe Conroe-v1 Cooperlake Cooperlake-v1 Cooperlake-v2 Denverton Denverton-v1 Denverton-v2
  Denverton-v3 Dhyana Dhyana-v1 Dhyana-v2 DiamondRapids DiamondRapids-v1 EPYC EPYC-Genoa EPYC-Genoa-v1 EPYC-Genoa-v2
  EPYC-IBPB EPYC-Milan EPYC-Milan-v1 EPYC-Milan-v2 EPYC-Milan-v3 EPYC-Rome EPYC-Rome-v1 EPYC-Rome-v2 EPYC-Rome-v3
  EPYC-Rome-v4 EPYC-Rome-v5 EPYC-Turin EPYC-Turin-v1 EPYC-v1 EPYC-v2 EPYC-v3 EPYC-v4 EPYC-v5 GraniteRapids
  GraniteRapids-v1 GraniteRapids-v2 GraniteRapids-v3 GraniteRapids-v4 Haswell Haswell-IBRS Haswell-noTSX
  Haswell-noTSX-IBRS Haswell-v1 Haswell-v2 Haswell-v3 Haswell-v4 Icelake-Server Icelake-Server-noTSX Icelake-Server-v1
  Icelake-Server-v2 Icelake-Server-v3 Icelake-Server-v4 Icelake-Server-v5 Icelake-Server-v6 Icelake-Server-v7
  IvyBridge IvyBridge-IBRS IvyBridge-v1 IvyBridge-v2 KnightsMill KnightsMill-v1 Nehalem Nehalem-IBRS Nehalem-v1
  Nehalem-v2 Opteron_G1 Opteron_G1-v1 Opteron_G2 Opteron_G2-v1 Opteron_G3 Opteron_G3-v1 Opteron_G4 Opteron_G4-v1
  Opteron_G5 Opteron_G5-v1 Penryn Penryn-v1 SandyBridge SandyBridge-IBRS SandyBridge-v1 SandyBridge-v2 SapphireRapids
  SapphireRapids-v1 SapphireRapids-v2 SapphireRapids-v3 SapphireRapids-v4 SapphireRapids-v5 SierraForest
  SierraForest-v1 SierraForest-v2 SierraForest-v3 SierraForest-v4 Skylake-Client Skylake-Client-IBRS
  Skylake-Client-noTSX-IBRS Skylake-Client-v1 Skylake-Client-v2 Skylake-Client-v3 Skylake-Client-v4 Skylake-Server
  Skylake-Server-IBRS Skylake-Server-noTSX-IBRS Skylake-Server-v1 Skylake-Server-v2 Skylake-Server-v3
  Skylake-Server-v4 Skylake-Server-v5 Snowridge Snowridge-v1 Snowridge-v2 Snowridge-v3 Snowridge-v4 Westmere
  Westmere-IBRS Westmere-v1 Westmere-v2 YongFeng YongFeng-v1 YongFeng-v2 YongFeng-v3 athlon athlon-v1 base core2duo
  core2duo-v1 coreduo coreduo-v1 host kvm32 kvm32-v1 kvm64 kvm64-v1 max n270 n270-v1 pentium pentium-v1 pentium2
  pentium2-v1 pentium3 pentium3-v1 phenom phenom-v1 qemu32 qemu32-v1 qemu64 qemu64-v1
`);

/** Features of an x86 CPU, set with `+name`, `-name` or `name=on|off`. */
export const x86CpuFeatures: readonly string[] = words(`
  3dnow 3dnowext 3dnowprefetch abm ace2 ace2-en acpi adx aes amd-no-ssb amd-psfd amd-ssbd amd-stibp amx-avx512
  amx-bf16 amx-bf16-mirror amx-complex amx-complex-mirror amx-fp16 amx-fp16-mirror amx-fp8 amx-int8 amx-int8-mirror
  amx-movrs amx-tf32 amx-tile apic apx-nci-ndd-nf apxf arat arch-capabilities arch-lbr auto-ibrs avic avx avx-ifma
  avx-ne-convert avx-vnni avx-vnni-int16 avx-vnni-int8 avx10 avx10-128 avx10-256 avx10-512 avx10-vnni-int avx2
  avx512-4fmaps avx512-4vnniw avx512-bf16 avx512-fp16 avx512-vp2intersect avx512-vpopcntdq avx512bitalg avx512bw
  avx512cd avx512dq avx512er avx512f avx512ifma avx512pf avx512vbmi avx512vbmi2 avx512vl avx512vnni bhi-ctrl bhi-no
  bmi1 bmi2 bus-lock-detect cet-ibt cet-ss check cid cldemote clflush clflushopt clwb clzero cmov cmp-legacy
  cmp_legacy cmpccxadd core-capability cpuid-0xb cr8legacy cx16 cx8 dca ddpd-u de decodeassists ds ds-cpl ds_cpl
  dtes64 enforce eraps erms est extapic f16c fb-clear fbsdp-no fdp-excptn-only ffxsr fill-mtrr-mask flush-l1d
  flushbyasid fma fma4 fpu fred fs-gs-base-ns fsgsbase fsrc fsrm fsrs full-width-write fxsr fxsr-opt fxsr_opt fzrm
  gds-no gfni hle host-cache-info host-phys-bits ht hv-apicv hv-avic hv-crash hv-emsr-bitmap hv-enforce-cpuid hv-evmcs
  hv-frequencies hv-ipi hv-passthrough hv-reenlightenment hv-relaxed hv-reset hv-runtime hv-stimer hv-stimer-direct
  hv-syndbg hv-synic hv-time hv-tlbflush hv-tlbflush-direct hv-tlbflush-ext hv-vapic hv-vpindex hv-xmm-input
  hypervisor i64 ia64 ibpb ibpb-brtype ibrs ibrs-all ibs intel-psfd intel-pt intel-pt-lip invpcid invtsc ipred-ctrl
  its-no kvm kvm-asyncpf kvm-asyncpf-int kvm-asyncpf-vmexit kvm-hint-dedicated kvm-mmu kvm-msi-ext-dest-id
  kvm-nopiodelay kvm-poll-control kvm-pv-enforce-cpuid kvm-pv-eoi kvm-pv-ipi kvm-pv-sched-yield kvm-pv-tlb-flush
  kvm-pv-unhalt kvm-steal-time kvm_asyncpf kvm_asyncpf_int kvm_mmu kvm_nopiodelay kvm_poll_control kvm_pv_eoi
  kvm_pv_unhalt kvm_steal_time kvmclock kvmclock-stable-bit l3-cache la57 lahf-lm lahf_lm lam lbrv legacy-cache
  legacy-multi-node lfence-always-serializing lkgs lm lmce lwp mca mcdt-no mce md-clear mds-no migratable misalignsse
  mmx mmxext monitor movbe movdir64b movdiri movrs mpx msr msr-imm mtrr no-nested-data-bp nodeid-msr nodeid_msr npt
  nrip-save nrip_save null-sel-clr-base nx osvw overflow-recov pae pat pause-filter pause_filter pbe pbrsb-no pcid
  pclmuldq pclmulqdq pcommit pdcm pdpe1gb perfctr-core perfctr-nb perfctr_core perfctr_nb perfmon-v2 pfthreshold pge
  phe phe-en pks pku pmm pmm-en pmu pn pni popcnt prefetchi prefetchiti pschange-mc-no psdp-no pse pse36 rdctl-no
  rdpid rdrand rdseed rdtscp rfds-clear rfds-no rrsba-ctrl rsba rtm sbdr-ssdp-no sbpb sep serialize sgx sgx-aex-notify
  sgx-debug sgx-edeccssa sgx-exinfo sgx-kss sgx-mode64 sgx-provisionkey sgx-tokenkey sgx1 sgx2 sgxlc sha-ni sha512
  skinit skip-l1dfl-vmentry sm3 sm4 smap smep smx spec-ctrl split-lock-detect srso-no srso-user-kernel-no ss ssb-no
  ssbd sse sse2 sse3 sse4-1 sse4-2 sse4.1 sse4.2 sse4_1 sse4_2 sse4a ssse3 stibp stibp-always-on succor svm svm-lock
  svm_lock svme-addr-chk syscall taa-no tbm tce tcg-cpuid tm tm2 topoext tsa-l1-no tsa-sq-no tsc tsc-adjust
  tsc-deadline tsc-scale tsc_adjust tsc_scale tsx-ctrl tsx-ldtrk umip v-vmsave-vmload vaes verw-clear vgif virt-ssbd
  vmcb-clean vmcb_clean vme vmware-cpuid-freq vmx vmx-activity-hlt vmx-activity-shutdown vmx-activity-wait-sipi
  vmx-any-errcode vmx-apicv-register vmx-apicv-vid vmx-apicv-x2apic vmx-apicv-xapic vmx-cr3-load-noexit
  vmx-cr3-store-noexit vmx-cr8-load-exit vmx-cr8-store-exit vmx-desc-exit vmx-enable-user-wait-pause vmx-encls-exit
  vmx-entry-ia32e-mode vmx-entry-load-bndcfgs vmx-entry-load-cet vmx-entry-load-efer vmx-entry-load-fred
  vmx-entry-load-pat vmx-entry-load-perf-global-ctrl vmx-entry-load-pkrs vmx-entry-load-rtit-ctl
  vmx-entry-noload-debugctl vmx-ept vmx-ept-1gb vmx-ept-2mb vmx-ept-advanced-exitinfo vmx-ept-execonly vmx-eptad
  vmx-eptp-switching vmx-exit-ack-intr vmx-exit-clear-bndcfgs vmx-exit-clear-rtit-ctl vmx-exit-load-efer
  vmx-exit-load-pat vmx-exit-load-perf-global-ctrl vmx-exit-load-pkrs vmx-exit-nosave-debugctl vmx-exit-save-cet
  vmx-exit-save-efer vmx-exit-save-pat vmx-exit-save-preemption-timer vmx-exit-secondary-ctls vmx-flexpriority
  vmx-hlt-exit vmx-ins-outs vmx-intr-exit vmx-invept vmx-invept-all-context vmx-invept-single-context
  vmx-invept-single-context-noglobals vmx-invlpg-exit vmx-invpcid-exit vmx-invvpid vmx-invvpid-all-context
  vmx-invvpid-single-addr vmx-io-bitmap vmx-io-exit vmx-monitor-exit vmx-movdr-exit vmx-msr-bitmap vmx-mtf
  vmx-mwait-exit vmx-nested-exception vmx-nmi-exit vmx-page-walk-4 vmx-page-walk-5 vmx-pause-exit vmx-ple vmx-pml
  vmx-posted-intr vmx-preemption-timer vmx-rdpmc-exit vmx-rdrand-exit vmx-rdseed-exit vmx-rdtsc-exit vmx-rdtscp-exit
  vmx-secondary-ctls vmx-shadow-vmcs vmx-store-lma vmx-true-ctls vmx-tsc-offset vmx-tsc-scaling vmx-unrestricted-guest
  vmx-vintr-pending vmx-vmfunc vmx-vmwrite-vmexit-fields vmx-vnmi vmx-vnmi-pending vmx-vpid vmx-wbinvd-exit vmx-xsaves
  vmx-zero-len-inject vnmi vpclmulqdq waitpkg wbnoinvd wdt wrmsrns x-amd-topoext-features-only x-arch-cap-always-on
  x-consistent-cache x-force-cpuid-0x1f x-force-features x-hv-synic-kvm-only x-intel-pt-auto-level
  x-l1-cache-per-thread x-migrate-smi-count x-pdcm-on-even-without-pmu x-vendor-cpuid-only x-vendor-cpuid-only-v2
  x2apic xcrypt xcrypt-en xd xen-vapic xfd xgetbv1 xop xsave xsavec xsaveerptr xsaveopt xsaves xstore xstore-en xtpr
  zero-fcs-fds
`);

/** Numeric properties of an x86 CPU. */
export const x86CpuNumbers: readonly string[] = words(`
  apic-id avx10-version core-id die-id family guest-phys-bits host-phys-bits-limit hv-spinlocks hv-version-id-build
  hv-version-id-major hv-version-id-minor hv-version-id-sbranch hv-version-id-snumber hv-version-id-spack lbr-fmt
  lbr_fmt level level-func7 min-level min-xlevel min-xlevel2 model module-id node-id phys-bits socket-id stepping
  thread-id tsc-frequency ucode-rev x-hv-max-vps xlevel xlevel2
`);

/** Textual properties of an x86 CPU. */
export const x86CpuTexts: readonly string[] = words(`
  hv-no-nonarch-coresharing hv-vendor-id model-id vendor
`);

/** Names -cpu takes on aarch64: the 64-bit models of QEMU 10.2. */
export const armCpuModels: readonly string[] = words(`
  a64fx cortex-a35 cortex-a53 cortex-a55 cortex-a57 cortex-a710 cortex-a72 cortex-a76 cortex-a78ae host max
  neoverse-n1 neoverse-n2 neoverse-v1
`);

/** Features of a 64-bit Arm CPU. */
export const armCpuFeatures: readonly string[] = words(`
  aarch64 backcompat-pauth-default-use-qarma5 cfgend has_el2 has_el3 kvm-adjvtime kvm-no-adjvtime kvm-steal-time lpa2
  neon pauth pauth-impdef pauth-qarma3 pauth-qarma5 pmu reset-hivecs sme sme_fa64 sve vfp vfp-d32
`);

// Writes the structures of <linux/kvm.h>, filled by the compiler, one a line as NAME HEX.
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>

static void show(const char *name, const void *data, size_t size) {
  const unsigned char *bytes = data;
  printf("%s ", name);
  for (size_t i = 0; i < size; i++) printf("%02x", bytes[i]);
  printf("\n");
}

#define SHOW(value) show(#value, &value, sizeof value)

// Attributes differ from register to register.
static struct kvm_segment segment(unsigned n) {
  struct kvm_segment s = {0};
  s.base = 0x1000 * n;
  s.limit = 0xfffff - n;
  s.selector = 8 * n;
  s.type = n;
  s.present = 1;
  s.dpl = n & 3;
  s.db = n & 1;
  s.s = 1;
  s.l = (n >> 1) & 1;
  s.g = (n >> 2) & 1;
  s.avl = (n >> 3) & 1;
  return s;
}

int main(void) {
  struct kvm_regs regs = {.rax = 1, .rbx = 2, .rcx = 3, .rdx = 4, .rsi = 5, .rdi = 6, .rbp = 7, .rsp = 8,
                          .r8 = 9, .r9 = 10, .r10 = 11, .r11 = 12, .r12 = 13, .r13 = 14, .r14 = 15, .r15 = 16,
                          .rip = 17, .rflags = 18};
  SHOW(regs);
  struct kvm_sregs sregs;
  memset(&sregs, 0, sizeof sregs);
  sregs.es = segment(1);
  sregs.cs = segment(2);
  sregs.ss = segment(3);
  sregs.ds = segment(4);
  sregs.fs = segment(5);
  sregs.gs = segment(6);
  sregs.ldt = segment(7);
  sregs.tr = segment(8);
  sregs.ldt.unusable = 1;
  sregs.gdt.base = 100;
  sregs.gdt.limit = 101;
  sregs.idt.base = 102;
  sregs.idt.limit = 103;
  sregs.cr0 = 104;
  sregs.cr2 = 105;
  sregs.cr3 = 106;
  sregs.cr4 = 107;
  sregs.cr8 = 108;
  sregs.efer = 109;
  SHOW(sregs);
  struct kvm_debugregs debugregs;
  memset(&debugregs, 0, sizeof debugregs);
  for (int i = 0; i < 4; i++) debugregs.db[i] = 200 + i;
  debugregs.dr6 = 204;
  debugregs.dr7 = 205;
  SHOW(debugregs);
  struct kvm_userspace_memory_region memory_region = {
      .slot = 1, .guest_phys_addr = 0x100000000, .memory_size = 0x40000000, .userspace_addr = 0x7f0000000000};
  SHOW(memory_region);
  struct kvm_irqfd irqfd = {.fd = 33, .gsi = 5};
  SHOW(irqfd);
  struct kvm_ioeventfd ioeventfd = {
      .datamatch = 3, .addr = 0xfeb00050, .len = 4, .fd = 34, .flags = KVM_IOEVENTFD_FLAG_DATAMATCH};
  SHOW(ioeventfd);
  struct kvm_device_attr device_attr = {
      .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = 0x7f0000001000};
  SHOW(device_attr);
  struct {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[2];
  } cpuid = {.head = {.nent = 2},
             .entries = {{.function = 1, .eax = 2, .ebx = 3, .ecx = 0xffffffff, .edx = 5},
                         {.function = 4, .index = 3, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .eax = 6}}};
  SHOW(cpuid);
  struct {
    struct kvm_msrs head;
    struct kvm_msr_entry entries[2];
  } msrs = {.head = {.nmsrs = 2}, .entries = {{.index = 0x10, .data = 7}, {.index = 0xc0000102, .data = ~0ull}}};
  SHOW(msrs);
  return 0;
}

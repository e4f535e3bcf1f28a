// Port exits a second of a guest that does nothing else, handled in C: kvm-exits VCPUS SECONDS.
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>

static double seconds;
static int vm, run_size;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void check(int result, const char *what) {
  if (result >= 0) return;
  perror(what);
  exit(1);
}

static void *vcpu_thread(void *index) {
  int fd = ioctl(vm, KVM_CREATE_VCPU, (intptr_t)index);
  check(fd, "KVM_CREATE_VCPU");
  struct kvm_run *run = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  struct kvm_sregs sregs;
  check(ioctl(fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
  sregs.cs.base = sregs.cs.selector = 0;
  check(ioctl(fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
  struct kvm_regs regs = {.rip = 0x1000, .rflags = 2};
  check(ioctl(fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
  struct kvm_mp_state state = {KVM_MP_STATE_RUNNABLE};
  check(ioctl(fd, KVM_SET_MP_STATE, &state), "KVM_SET_MP_STATE");
  volatile uint8_t written;
  uintptr_t exits = 0;
  for (double end = now() + seconds; exits % 256 != 0 || now() < end; exits++) {
    check(ioctl(fd, KVM_RUN, 0), "KVM_RUN");
    if (run->exit_reason != KVM_EXIT_IO || run->io.port != 0x500) {
      fprintf(stderr, "exit %u\n", run->exit_reason);
      exit(1);
    }
    written = ((uint8_t *)run)[run->io.data_offset];
  }
  (void)written;
  return (void *)exits;
}

int main(int argc, char **argv) {
  int vcpus = argc > 1 ? atoi(argv[1]) : 1;
  seconds = argc > 2 ? atof(argv[2]) : 1;
  int kvm = open("/dev/kvm", O_RDWR);
  check(kvm, "/dev/kvm");
  run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
  check(vm = ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
  check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
  check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
  uint8_t *ram = mmap(NULL, 0x10000, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  // mov $0x500, %dx; out %al, (%dx); jmp to the out
  memcpy(ram + 0x1000, "\xba\x00\x05\xee\xeb\xfd", 6);
  struct kvm_userspace_memory_region region = {.memory_size = 0x10000, .userspace_addr = (uintptr_t)ram};
  check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
  pthread_t threads[64];
  for (intptr_t i = 0; i < vcpus && i < 64; i++) pthread_create(&threads[i], NULL, vcpu_thread, (void *)i);
  double exits = 0;
  for (int i = 0; i < vcpus && i < 64; i++) {
    void *count;
    pthread_join(threads[i], &count);
    exits += (uintptr_t)count;
  }
  printf("%.0f\n", exits / seconds);
  return 0;
}

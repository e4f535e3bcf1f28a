/* What hugetlbfs answers with 20 free pages of 2 MiB, a line a call; for the kernel and the double alike. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MIB (1ul << 20)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB)

static void show(const char *what, long result) {
  printf("%s: %ld %s\n", what, result, result < 0 ? strerror(errno) : "");
}

/* 0 and how the place is aligned, or -1. */
static void show_map(const char *what, void *at) {
  show(what, at == MAP_FAILED ? -1 : (long)((uintptr_t)at % (2 * MIB)));
}

#define CALL(call) show(#call, (long)(call))
#define MAP(size, flags, fd, offset)               \
  show_map("mmap " #size " " #flags " " #offset, \
           mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, offset))

int main(void) {
  int fd = memfd_create("one", MFD_HUGETLB | MFD_CLOEXEC | MFD_ALLOW_SEALING);
  struct statfs at;
  char byte;
  void *fixed = (void *)(0x7f0000000000 + 4096);
  CALL(ftruncate(fd, 2 * MIB + 4096));
  CALL(ftruncate(fd, 64 * MIB));
  CALL(fstatfs(fd, &at));
  printf("%lx %ld\n", (long)at.f_type, (long)at.f_bsize);
  MAP(64 * MIB, MAP_SHARED, fd, 0);
  MAP(64 * MIB, MAP_PRIVATE, fd, 0);
  MAP(64 * MIB, MAP_SHARED | MAP_NORESERVE, fd, 0);
  CALL(fallocate(fd, 0, 0, 64 * MIB));
  CALL(fallocate(fd, 0, 0, 2 * MIB));
  CALL(ftruncate(fd, 0));
  CALL(ftruncate(fd, 8 * MIB));
  MAP(4096, MAP_SHARED, fd, 0);
  MAP(3 * MIB, MAP_SHARED, fd, 0);
  MAP(8 * MIB, MAP_SHARED, fd, 4096);
  show_map("hint", mmap(fixed, 8 * MIB, PROT_READ, MAP_SHARED, fd, 0));
  show_map("fixed", mmap(fixed, 8 * MIB, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0));
  CALL(pwrite(fd, "x", 1, 0));
  CALL(pread(fd, &byte, 1, 0));
  CALL(memfd_create("sixteen", MFD_HUGETLB | 24u << 26));
  MAP(40 * MIB, ANONYMOUS, -1, 0);
  MAP(4 * MIB, ANONYMOUS, -1, 0);
  MAP(5000, ANONYMOUS, -1, 0);
  MAP(64 * MIB, ANONYMOUS | 24 << 26, -1, 0);
  char *used = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  memset(used, 1, 8 * MIB);
  CALL(munmap(used, 8 * MIB));
  int two = memfd_create("two", MFD_HUGETLB);
  CALL(ftruncate(two, 26 * MIB));
  MAP(26 * MIB, MAP_SHARED, two, 0);
  CALL(close(two));
  return 0;
}

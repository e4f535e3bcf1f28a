/*
 * A client of the Nitro Enclaves driver that shares nothing with the double: runs the steps named on its command line
 * and prints "STEP RESULT ERRNO [VALUE]" for each. Steps with their arguments, separated by spaces, one argv each.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/nitro_enclaves.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define HUGETLB_OF(log2) (MFD_HUGETLB | (unsigned)(log2) << 26)

static int device = -1, enclave = -1, file = -1;
static char *memory = MAP_FAILED;
static unsigned long long value;

static long map(int fd, size_t size, int flags) {
  memory = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
  value = (uintptr_t)memory;
  return memory == MAP_FAILED ? -1 : 0;
}

static long map_file(int fd, size_t size) {
  file = fd;
  if (fd < 0 || ftruncate(fd, (off_t)size) != 0) return -1;
  return map(fd, size, MAP_SHARED);
}

/* Ordinary memory, two MiB aligned. */
static long map_plain(size_t size) {
  if (map(-1, size + (2 << 20), MAP_PRIVATE | MAP_ANONYMOUS) != 0) return -1;
  memory += (-(uintptr_t)memory) & ((2 << 20) - 1);
  return 0;
}

static long load(const char *path) {
  int fd = open(path, O_RDONLY);
  char *to = memory + (8 << 20);
  for (ssize_t n; (n = read(fd, to, 1 << 20)) > 0;) to += n;
  return close(fd);
}

static long create(void) {
  int fd = ioctl(device, NE_CREATE_VM, &value);
  if (fd >= 0) enclave = fd;
  return fd < 0 ? -1 : 0;
}

static long region(unsigned long long offset, unsigned long long size, unsigned long long flags) {
  struct ne_user_memory_region argument = {flags, size, (uintptr_t)memory + offset};
  return ioctl(enclave, NE_SET_USER_MEMORY_REGION, &argument);
}

static long start(unsigned long long flags, unsigned long long cid) {
  struct ne_enclave_start_info argument = {flags, cid};
  long result = ioctl(enclave, NE_START_ENCLAVE, &argument);
  value = argument.enclave_cid;
  return result;
}

static long vcpu(unsigned id) {
  long result = ioctl(enclave, NE_ADD_VCPU, &id);
  value = id;
  return result;
}

static long info(unsigned long long flags) {
  struct ne_image_load_info argument = {flags, 0};
  long result = ioctl(enclave, NE_GET_IMAGE_LOAD_INFO, &argument);
  value = argument.memory_offset;
  return result;
}

static long poll_enclave(int ms) {
  struct pollfd wait = {enclave, POLLIN | POLLOUT | POLLPRI, 0};
  long result = poll(&wait, 1, ms);
  value = (unsigned)wait.revents;
  return result;
}

/* The rest of the steps run in a child; the parent ends as it does. */
static long fork_rest(void) {
  int status;
  pid_t child = fork();
  if (child == 0) return 0;
  waitpid(child, &status, 0);
  exit(WEXITSTATUS(status));
}

static long page_size(void) {
  struct statfs at;
  long result = fstatfs(file, &at);
  value = (unsigned long long)at.f_bsize;
  return result;
}

static long step(const char *name, unsigned long long a, unsigned long long b, unsigned long long c, const char *text) {
  if (!strcmp(name, "open")) return (device = open("/dev/nitro_enclaves", O_RDWR | O_CLOEXEC)) < 0 ? -1 : 0;
  if (!strcmp(name, "create")) return create();
  if (!strcmp(name, "create-null")) return ioctl(device, NE_CREATE_VM, NULL);
  if (!strcmp(name, "vcpu")) return vcpu((unsigned)a);
  if (!strcmp(name, "vcpu-null")) return ioctl(enclave, NE_ADD_VCPU, NULL);
  if (!strcmp(name, "info")) return info(a);
  if (!strcmp(name, "info-null")) return ioctl(enclave, NE_GET_IMAGE_LOAD_INFO, NULL);
  if (!strcmp(name, "huge")) return map_file(memfd_create("huge", MFD_CLOEXEC | HUGETLB_OF(b)), a << 20);
  if (!strcmp(name, "shmem")) return map_file(memfd_create("plain", MFD_CLOEXEC), a << 20);
  if (!strcmp(name, "file")) return map_file(open(text, O_RDWR | O_CREAT, 0600), 64 << 20);
  if (!strcmp(name, "anonymous")) return map(-1, a << 20, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (int)b << 26);
  if (!strcmp(name, "plain")) return map_plain(a << 20);
  if (!strcmp(name, "page-size")) return page_size();
  if (!strcmp(name, "unmap")) return munmap(memory, a << 20);
  if (!strcmp(name, "write")) return pwrite(file, "x", 1, 0);
  if (!strcmp(name, "load")) return load(text);
  if (!strcmp(name, "region")) return region(a << 20, b << 20, c);
  if (!strcmp(name, "region-bytes")) return region(a, b, c);
  if (!strcmp(name, "region-null")) return ioctl(enclave, NE_SET_USER_MEMORY_REGION, NULL);
  if (!strcmp(name, "start")) return start(a, b);
  if (!strcmp(name, "start-null")) return ioctl(enclave, NE_START_ENCLAVE, NULL);
  if (!strcmp(name, "ioctl")) return ioctl(enclave, a, &value);
  if (!strcmp(name, "ioctl-device")) return ioctl(device, a, &value);
  if (!strcmp(name, "poll")) return poll_enclave((int)a);
  if (!strcmp(name, "dup")) return dup(enclave) < 0 ? -1 : 0;
  if (!strcmp(name, "close")) return close(enclave);
  if (!strcmp(name, "close-file")) return close(file);
  if (!strcmp(name, "fork")) return fork_rest();
  if (!strcmp(name, "sleep")) return usleep((useconds_t)a * 1000);
  if (!strcmp(name, "die")) return raise(SIGKILL);
  errno = ENOSYS;
  return -1;
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; i++) {
    char name[32] = "";
    unsigned long long a = 0, b = 0, c = 0;
    value = 0;
    sscanf(argv[i], "%31s %lli %lli %lli", name, (long long *)&a, (long long *)&b, (long long *)&c);
    const char *text = strchr(argv[i], ' ');
    errno = 0;
    long result = step(name, a, b, c, text ? text + 1 : "");
    printf("%s %ld %d %llu\n", name, result, result < 0 ? errno : 0, value);
    fflush(stdout);
  }
  return 0;
}

/*
 * ne-double: runs a program on a host that has /dev/nitro_enclaves, huge pages and vsock, though this one has none.
 *
 *   ne-double [--config FILE|JSON] [--records FILE|fd:N] [--control PATH|fd:N] [--dump-image FILE] -- PROGRAM ARG...
 *   ne-double --check     can this host run it? prints what is missing
 *
 * The program and all that it starts run unmodified under a seccomp filter; the system calls that matter here wait for
 * the supervisor (supervisor.c), which plays the driver (driver.c), the hypervisor (hypervisor.c) and the huge pages
 * (memory.c). Exits as the program does. A signal does not interrupt a call that waits here; SIGKILL does.
 */
#include <fcntl.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "driver.h"
#include "diag.h"
#include "enclave.h"
#include "hugepages.h"
#include "loop.h"
#include "memory.h"
#include "paths.h"
#include "record.h"
#include "supervisor.h"
#include "vsock.h"

/* A write this long to a descriptor is looked at: short ones are Node's own wake-ups and texts. */
#define LONG_WRITE (64u << 10)

#define RELEASE_TURN_MS 5
#define RELEASE_TURNS 200

static const struct rule rules[] = {
    {SYS_openat, on_open, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_openat2, on_open, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_statx, on_stat, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_newfstatat, on_stat, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_faccessat, on_access, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_faccessat2, on_access, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_readlinkat, on_readlink, RULE_ALWAYS, 0, 0, 0, 0},
#ifdef SYS_open
    {SYS_open, on_open, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_stat, on_stat, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_lstat, on_stat, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_access, on_access, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_readlink, on_readlink, RULE_ALWAYS, 0, 0, 0, 0},
#endif
    {SYS_ioctl, on_ioctl, RULE_RANGE, 1, 0xffff, 0xae20, 0xae24},
    {SYS_ioctl, on_ioctl, RULE_EQUAL, 1, 0, 0x7b9, 0},
    {SYS_memfd_create, on_memfd_create, RULE_ANY_BIT, 1, MFD_HUGETLB, 0, 0},
    {SYS_mmap, on_mmap, RULE_ANY_BIT, 3, MAP_HUGETLB, 0, 0},
    {SYS_mmap, on_mmap, RULE_NO_BIT, 3, MAP_ANONYMOUS, 0, 0},
    {SYS_ftruncate, on_ftruncate, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_fallocate, on_fallocate, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_statfs, on_statfs, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_fstatfs, on_fstatfs, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_write, on_write_file, RULE_RANGE, 2, 0, LONG_WRITE, UINT32_MAX},
    {SYS_pwrite64, on_write_file, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_pwritev, on_write_file, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_sendfile, on_write_file, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_copy_file_range, on_copy_file, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_socket, on_socket, RULE_EQUAL, 0, 0, AF_VSOCK, 0},
    {SYS_socket, on_netlink, RULE_EQUAL, 0, 0, AF_NETLINK, 0},
    {SYS_bind, on_bind, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_listen, on_listen, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_connect, on_connect, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_accept, on_accept, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_accept4, on_accept, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_getsockname, on_getsockname, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_getpeername, on_getpeername, RULE_ALWAYS, 0, 0, 0, 0},
    {SYS_getsockopt, on_getsockopt, RULE_EQUAL, 1, 0, AF_VSOCK, 0},
    {SYS_getsockopt, on_getsockopt, RULE_EQUAL, 2, 0, SO_ERROR, 0},
    {SYS_getsockopt, on_getsockopt, RULE_RANGE, 2, 0, SO_PROTOCOL, SO_DOMAIN},
    {SYS_setsockopt, on_setsockopt, RULE_EQUAL, 1, 0, AF_VSOCK, 0},
};

static void usage(void) {
  fputs("usage: ne-double [--config FILE|JSON] [--records FILE|fd:N] [--control PATH|fd:N] [--dump-image FILE]"
        " -- PROGRAM ARG...\n",
        stderr);
  exit(2);
}

/* "fd:N", kept from the target; -1: a path. */
static int inherited(const char *value) {
  int fd = strncmp(value, "fd:", 3) == 0 ? atoi(value + 3) : -1;
  if (fd >= 0) fcntl(fd, F_SETFD, FD_CLOEXEC);
  return fd;
}

static void end_like(int status) {
  if (WIFSIGNALED(status)) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    signal(WTERMSIG(status), SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    raise(WTERMSIG(status));
  }
  exit(WEXITSTATUS(status));
}

static void no_more(void *opaque) {
  (void)opaque;
  loop_stop();
}

int main(int argc, char **argv) {
  const char *with = "{}", *records = NULL, *control = NULL;
  int i = 1;
  for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
    if (strcmp(argv[i], "--check") == 0) return supervisor_check() ? 0 : 1;
    if (i + 1 >= argc) usage();
    if (strcmp(argv[i], "--config") == 0) with = argv[++i];
    else if (strcmp(argv[i], "--records") == 0) records = argv[++i];
    else if (strcmp(argv[i], "--control") == 0) control = argv[++i];
    else if (strcmp(argv[i], "--dump-image") == 0) config_dump_image = argv[++i];
    else usage();
  }
  if (i + 1 >= argc) usage();
  if (!config_load(with)) return 2;
  int fd = records ? inherited(records) : -1;
  if (records && fd < 0) fd = open(records, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  record_to(fd);
  fault_load();
  cpus_load();
  hugepages_load();
  vsock_load();
  if (control && inherited(control) >= 0) control_serve(inherited(control));
  else if (control && !control_listen(control)) return 2;
  if (!supervisor_start(rules, sizeof rules / sizeof *rules, argv + i + 1)) return 126;
  loop_run();
  /* Everything under the filter is gone, or about to be: the enclaves that it left are released. */
  for (int turn = 0; turn == 0 || (enclaves && turn < RELEASE_TURNS); turn++) {
    loop_after(RELEASE_TURN_MS, no_more, NULL);
    loop_run();
  }
  end_like(supervisor_status());
}

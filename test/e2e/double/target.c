#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "call.h"
#include "supervisor.h"

static ssize_t copy(bool write, pid_t thread, uint64_t address, void *data, size_t size) {
  struct iovec here = {data, size}, there = {(void *)(uintptr_t)address, size};
  return write ? process_vm_writev(thread, &here, 1, &there, 1, 0) : process_vm_readv(thread, &here, 1, &there, 1, 0);
}

bool target_read(pid_t thread, uint64_t address, void *data, size_t size) {
  return size == 0 || copy(false, thread, address, data, size) == (ssize_t)size;
}

bool target_write(pid_t thread, uint64_t address, const void *data, size_t size) {
  return size == 0 || copy(true, thread, address, (void *)(uintptr_t)data, size) == (ssize_t)size;
}

bool target_path(const struct call *call, uint64_t address, char *path, size_t size) {
  size_t done = 0;
  while (done < size) {
    /* a page at a time: the string may end just before unmapped memory */
    size_t chunk = 4096 - (address + done) % 4096;
    if (chunk > size - done) chunk = size - done;
    if (!target_read(call->thread, address + done, path + done, chunk)) return false;
    if (memchr(path + done, '\0', chunk)) return true;
    done += chunk;
  }
  return false;
}

bool same_file(struct file_id a, struct file_id b) { return a.device == b.device && a.inode == b.inode; }

struct file_id file_id_of(int own_fd) {
  struct stat info = {0};
  fstat(own_fd, &info);
  return (struct file_id){info.st_dev, info.st_ino};
}

bool target_file(const struct call *call, int fd, struct file_id *id) {
  char path[64];
  struct stat info;
  snprintf(path, sizeof path, "/proc/%d/fd/%d", call->thread, fd);
  if (fd < 0 || stat(path, &info) != 0) return false;
  *id = (struct file_id){info.st_dev, info.st_ino};
  return true;
}

static bool status_field(pid_t thread, const char *format, unsigned long long *value) {
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/%d/status", thread);
  FILE *file = fopen(path, "re");
  bool found = false;
  while (file && !found && fgets(text, sizeof text, file)) found = sscanf(text, format, value) == 1;
  if (file) fclose(file);
  return found;
}

pid_t target_process(pid_t thread) {
  unsigned long long process;
  return status_field(thread, "Tgid: %llu", &process) ? (pid_t)process : 0;
}

bool target_capable(pid_t thread, int capability) {
  unsigned long long effective;
  return status_field(thread, "CapEff: %llx", &effective) && (effective >> capability & 1) != 0;
}

int target_dup(const struct call *call, int fd) {
  int process = (int)syscall(SYS_pidfd_open, target_process(call->thread), 0);
  int copy = process < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, process, fd, 0);
  if (process >= 0) close(process);
  return copy;
}

/* Registers as user_regs_struct has them; the system call instruction is 2 bytes on x86-64, 4 on arm64. */
static void rewind_registers(struct user_regs_struct *registers, int number, const uint64_t args[6]) {
#if defined(__x86_64__)
  registers->rip -= 2;
  registers->rax = (uint64_t)number;
  registers->orig_rax = (uint64_t)-1; /* no system call to restart */
  registers->rdi = args[0];
  registers->rsi = args[1];
  registers->rdx = args[2];
  registers->r10 = args[3];
  registers->r8 = args[4];
  registers->r9 = args[5];
#elif defined(__aarch64__)
  registers->pc -= 4;
  for (int i = 0; i < 6; i++) registers->regs[i] = args[i];
  registers->regs[8] = (uint64_t)number;
#else
#error "unknown architecture"
#endif
}

void call_again(const struct call *call, const uint64_t args[6]) {
  /* The interrupt is pending when the answer lets the thread go, so it stops before its next user instruction. */
  if (ptrace(PTRACE_SEIZE, call->thread, NULL, NULL) != 0 || ptrace(PTRACE_INTERRUPT, call->thread, NULL, NULL) != 0) {
    perror("ne-double: ptrace");
    answer_continue(call);
    return;
  }
  answer_value(call, 0);
  int status;
  if (waitpid(call->thread, &status, __WALL) != call->thread) return;
  if (!WIFSTOPPED(status)) {
    target_ended(call->thread, status);
    return;
  }
  struct user_regs_struct registers;
  struct iovec set = {&registers, sizeof registers};
  if (ptrace(PTRACE_GETREGSET, call->thread, (void *)NT_PRSTATUS, &set) == 0) {
    rewind_registers(&registers, call->number, args);
    ptrace(PTRACE_SETREGSET, call->thread, (void *)NT_PRSTATUS, &set);
  }
  ptrace(PTRACE_DETACH, call->thread, NULL, NULL);
}

#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "driver.h"

#define NITRO_DEVICE "/dev/nitro_enclaves"
#define VSOCK_DEVICE "/dev/vsock"

static bool at_form(const struct call *call) {
#ifdef SYS_open
  return call->number != SYS_open && call->number != SYS_stat && call->number != SYS_lstat &&
         call->number != SYS_access && call->number != SYS_readlink;
#else
  (void)call;
  return true;
#endif
}

/* The argument after the path, whichever form the call has. */
static uint64_t argument(const struct call *call, int after_path) {
  return call->args[after_path + (at_form(call) ? 1 : 0)];
}

static bool absolute_path(const struct call *call, char path[PATH_MAX]) {
  return target_path(call, argument(call, 0), path, PATH_MAX) && path[0] == '/';
}

/* Replaces a configured prefix; false when the path has none. */
static bool redirect(const char *path, char other[PATH_MAX]) {
  const struct json *prefixes = json_get(config, "redirect");
  for (const struct json *prefix = prefixes ? prefixes->child : NULL; prefix; prefix = prefix->next) {
    size_t length = strlen(prefix->key);
    if (strncmp(path, prefix->key, length) != 0 || (path[length] != '/' && path[length] != '\0')) continue;
    return snprintf(other, PATH_MAX, "%s%s", prefix->string ? prefix->string : "", path + length) < PATH_MAX;
  }
  return false;
}

static bool absent(const char *path) {
  return strcmp(path, NITRO_DEVICE) == 0 && strcmp(json_string(config, "device", "present"), "absent") == 0;
}

void on_open(struct call *call) {
  char path[PATH_MAX], other[PATH_MAX];
  struct open_how how = {.flags = argument(call, 1), .mode = argument(call, 2)};
  if (!absolute_path(call, path)) {
    answer_continue(call);
    return;
  }
  if (call->number == SYS_openat2) target_read(call->thread, call->args[2], &how, sizeof how);
  if (strcmp(path, NITRO_DEVICE) == 0 || strcmp(path, VSOCK_DEVICE) == 0) {
    driver_open(call, path, (int)how.flags);
  } else if (redirect(path, other)) {
    int fd = open(other, (int)how.flags | O_CLOEXEC, (mode_t)how.mode);
    if (fd < 0) {
      answer_error(call, errno);
      return;
    }
    answer_fd(call, fd, how.flags & O_CLOEXEC);
    close(fd);
  } else {
    answer_continue(call);
  }
}

/* The device looks as udev would leave it, on the node of another character device. */
static void make_device(struct stat *info) { info->st_mode = S_IFCHR | 0660; }

static int answer_statx(struct call *call, const char *path, bool device) {
  struct statx info;
  if (statx(AT_FDCWD, path, (int)call->args[2], (unsigned)call->args[3], &info) != 0) return errno;
  if (device) info.stx_mode = S_IFCHR | 0660;
  return target_write(call->thread, call->args[4], &info, sizeof info) ? 0 : EFAULT;
}

static int answer_stat(struct call *call, const char *path, bool device) {
  struct stat info;
  bool link = false;
#ifdef SYS_lstat
  link = call->number == SYS_lstat;
#endif
  int flags = call->number == SYS_newfstatat ? (int)call->args[3] : link ? AT_SYMLINK_NOFOLLOW : 0;
  if (fstatat(AT_FDCWD, path, &info, flags) != 0) return errno;
  if (device) make_device(&info);
  return target_write(call->thread, argument(call, 1), &info, sizeof info) ? 0 : EFAULT;
}

/* What to look at instead of the path, or NULL: nothing of ours. *device: it is the Nitro device. */
static const char *stand_in(const struct call *call, char path[PATH_MAX], char other[PATH_MAX], bool *device) {
  if (!absolute_path(call, path)) return NULL;
  *device = strcmp(path, NITRO_DEVICE) == 0;
  if (*device) return "/dev/null";
  return redirect(path, other) ? other : NULL;
}

void on_stat(struct call *call) {
  char path[PATH_MAX], other[PATH_MAX];
  bool device = false;
  const char *instead = stand_in(call, path, other, &device);
  if (!instead) answer_continue(call);
  else if (absent(path)) answer_error(call, ENOENT);
  else if (call->number == SYS_statx) answer_error(call, answer_statx(call, instead, device));
  else answer_error(call, answer_stat(call, instead, device));
}

void on_access(struct call *call) {
  char path[PATH_MAX], other[PATH_MAX];
  bool device = false;
  const char *instead = stand_in(call, path, other, &device);
  int mode = (int)argument(call, 1);
  bool denied = device && strcmp(json_string(config, "device", "present"), "denied") == 0;
  if (!instead) answer_continue(call);
  else if (absent(path)) answer_error(call, ENOENT);
  else if (denied && (mode & (R_OK | W_OK))) answer_error(call, EACCES);
  else answer_error(call, access(instead, mode) == 0 ? 0 : errno);
}

void on_readlink(struct call *call) {
  char path[PATH_MAX], other[PATH_MAX], link[PATH_MAX];
  bool device = false;
  const char *instead = stand_in(call, path, other, &device);
  if (!instead) {
    answer_continue(call);
    return;
  }
  ssize_t size = absent(path) ? (errno = ENOENT, -1) : readlink(instead, link, sizeof link);
  if (size > (ssize_t)argument(call, 2)) size = (ssize_t)argument(call, 2);
  if (size < 0) answer_error(call, errno);
  else if (!target_write(call->thread, argument(call, 1), link, (size_t)size)) answer_error(call, EFAULT);
  else answer_value(call, size);
}

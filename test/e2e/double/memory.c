#include "memory.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config.h"
#include "hugepages.h"
#include "maps.h"
#include "record.h"

void on_memfd_create(struct call *call) {
  uint64_t flags = call->args[1];
  char name[256] = "";
  int error = fault_take(call, "memfd_huge");
  if (error == FAULT_DELAYED) return;
  struct pool *pool = pool_of_flags(flags);
  if (!target_path(call, call->args[0], name, sizeof name)) error = EFAULT;
  if (error == 0 && !pool) error = ENODEV;
  int fd = error ? -1 : memfd_create(name, (unsigned)flags & ~(MFD_HUGETLB | SIZE_CODE_BITS));
  if (fd < 0 && error == 0) error = errno;
  struct line line;
  record_begin(&line, "memfd_huge");
  line_string(&line, "name", name);
  line_hex(&line, "flags", flags);
  line_error(&line, error);
  record_end(&line);
  if (error) {
    answer_error(call, error);
    return;
  }
  remember_file(file_id_of(fd), pool->page, target_process(call->thread));
  answer_fd(call, fd, flags & MFD_CLOEXEC);
  close(fd);
}

/* MAP_ANONYMOUS | MAP_HUGETLB becomes an ordinary anonymous mapping at an aligned place. */
static void map_anonymous(struct call *call) {
  uint64_t flags = call->args[3];
  struct pool *pool = pool_of_flags(flags);
  uint64_t page = pool ? pool->page : DEFAULT_PAGE, size = (call->args[1] + page - 1) / page * page;
  int error = fault_take(call, "mmap_huge");
  if (error == FAULT_DELAYED) return;
  bool fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
  if (error == 0 && (!pool || size == 0 || (fixed && call->args[0] % page != 0))) error = EINVAL;
  if (error == 0 && (flags & MAP_NORESERVE) == 0 && !enough_pages(page, (int64_t)(size / page))) error = ENOMEM;
  pid_t process = target_process(call->thread);
  uint64_t place = fixed ? call->args[0] : maps_free_place(process, size, page);
  struct line line;
  record_begin(&line, "mmap_huge");
  line_int(&line, "size", (int64_t)size);
  line_hex(&line, "flags", flags);
  line_result(&line, error);
  record_end(&line);
  if (error) {
    answer_error(call, error);
    return;
  }
  remember_range(process, place, size, page);
  uint64_t ordinary = flags & ~(uint64_t)(MAP_HUGETLB | SIZE_CODE_BITS);
  call_again(call, (uint64_t[6]){place, size, call->args[2], ordinary, (uint64_t)-1, 0});
}

void on_mmap(struct call *call) {
  uint64_t address = call->args[0], size = call->args[1], flags = call->args[3], offset = call->args[5];
  if (flags & MAP_ANONYMOUS) {
    map_anonymous(call);
    return;
  }
  struct huge_file *file = huge_file(call, (int)call->args[4]);
  if (!file || size == 0) {
    answer_continue(call);
    return;
  }
  uint64_t page = file->page, whole = (size + page - 1) / page * page;
  bool fixed = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) != 0;
  pid_t process = target_process(call->thread);
  int error = 0;
  if (offset % page != 0 || (fixed && address % page != 0)) error = EINVAL;
  bool placed = fixed || (address != 0 && address % page == 0 && maps_is_free(process, address, whole));
  if (error == 0 && placed && whole == size) error = fault_take(call, "mmap_huge");
  if (error == FAULT_DELAYED) return;
  bool private = (flags & MAP_TYPE) == MAP_PRIVATE, reserve = (flags & MAP_NORESERVE) == 0;
  if (error == 0 && reserve) {
    bool enough = private ? enough_pages(page, (int64_t)(whole / page)) : reserve_in_file(file, offset + whole);
    if (!enough) error = ENOMEM;
  }
  if (error) {
    answer_error(call, error);
    return;
  }
  if (!placed || whole != size) { /* comes here again with the place that hugetlbfs would have chosen */
    uint64_t place = placed ? address : maps_free_place(process, whole, page);
    call_again(call, (uint64_t[6]){place, whole, call->args[2], flags, call->args[4], offset});
    return;
  }
  if (private && reserve) remember_range(process, address, whole, page);
  answer_continue(call);
}

void on_ftruncate(struct call *call) {
  struct huge_file *file = huge_file(call, (int)call->args[0]);
  if (file && call->args[1] % file->page != 0) {
    answer_error(call, EINVAL);
    return;
  }
  if (file) {
    int error = fault_take(call, "ftruncate_huge");
    if (error == FAULT_DELAYED) return;
    if (error) {
      answer_error(call, error);
      return;
    }
    file->size = call->args[1];
    int64_t pages = (int64_t)(file->size / file->page);
    if (file->reserved > pages) file->reserved = pages;
  }
  answer_continue(call);
}

void on_fallocate(struct call *call) {
  struct huge_file *file = huge_file(call, (int)call->args[0]);
  uint64_t end = call->args[2] + call->args[3];
  bool allocates = file && (call->args[1] & ~(uint64_t)1) == 0; /* no mode but FALLOC_FL_KEEP_SIZE */
  int error = file ? fault_take(call, "fallocate_huge") : 0;
  if (error == FAULT_DELAYED) return;
  if (error == 0 && allocates && !reserve_in_file(file, end)) error = ENOSPC;
  if (error) {
    answer_error(call, error);
    return;
  }
  if (allocates && call->args[1] == 0 && end > file->size) file->size = end;
  answer_continue(call);
}

static void answer_statfs(struct call *call, uint64_t page) {
  struct statfs info = {.f_type = HUGETLBFS_MAGIC, .f_bsize = (long)page, .f_namelen = 255, .f_frsize = (long)page};
  answer_error(call, target_write(call->thread, call->args[1], &info, sizeof info) ? 0 : EFAULT);
}

void on_fstatfs(struct call *call) {
  struct huge_file *file = huge_file(call, (int)call->args[0]);
  if (!file) {
    answer_continue(call);
    return;
  }
  answer_statfs(call, file->page);
}

/* hugetlbfs files can be read and mapped, but not written. */
static void refuse_write(struct call *call, int fd) {
  if (huge_file(call, fd)) answer_error(call, EINVAL);
  else answer_continue(call);
}

void on_statfs(struct call *call) {
  char path[4096];
  bool mounts = json_get(config, "hugetlbfs") && target_path(call, call->args[0], path, sizeof path);
  uint64_t page = mounts ? hugetlbfs_page(path) : 0;
  if (page == 0) answer_continue(call);
  else answer_statfs(call, page);
}

void on_write_file(struct call *call) { refuse_write(call, (int)call->args[0]); }

void on_copy_file(struct call *call) { refuse_write(call, (int)call->args[2]); }

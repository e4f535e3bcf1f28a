#include "memory.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/nitro_enclaves.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "config.h"
#include "maps.h"
#include "record.h"

#define SIZE_CODE_SHIFT 26 /* MFD_HUGE_SHIFT and MAP_HUGE_SHIFT */
#define SIZE_CODE_MASK 0x3fu
#define DEFAULT_PAGE (2ull << 20)

/* The pages of one size. */
struct pool {
  uint64_t page;
  int64_t total;
  struct pool *next;
};

/* A file of huge pages: what a hugetlb memfd or a file on hugetlbfs would be. */
struct huge_file {
  struct file_id id;
  uint64_t page, size;
  int64_t reserved; /* pages: highest end that was mapped shared or allocated */
  pid_t process;
  struct huge_file *next;
};

/* Private or anonymous huge pages of one mapping. */
struct huge_range {
  pid_t process;
  uint64_t start, size, page;
  struct huge_range *next;
};

static struct pool *pools;
static struct huge_file *files;
static struct huge_range *ranges;

static void add_pool(uint64_t page, int64_t total) {
  struct pool *pool = calloc(1, sizeof *pool);
  *pool = (struct pool){.page = page, .total = total, .next = pools};
  pools = pool;
}

void memory_load(void) {
  const struct json *sizes = json_get(config, "hugepages");
  for (const struct json *size = sizes ? sizes->child : NULL; size; size = size->next)
    add_pool(strtoull(size->key, NULL, 10) << 10, (int64_t)size->number);
  if (sizes) return;
  add_pool(DEFAULT_PAGE, 4096);
  add_pool(1ull << 30, 4);
}

static struct pool *pool_of(uint64_t page) {
  struct pool *pool = pools;
  while (pool && pool->page != page) pool = pool->next;
  return pool;
}

static struct pool *pool_of_flags(uint64_t flags) {
  unsigned code = flags >> SIZE_CODE_SHIFT & SIZE_CODE_MASK;
  return pool_of(code == 0 ? DEFAULT_PAGE : 1ull << code);
}

static bool file_lives(const struct huge_file *file) {
  struct call probe = {.thread = file->process};
  struct file_id id;
  for (int fd = 0; fd < 1024; fd++)
    if (target_file(&probe, fd, &id) && same_file(id, file->id)) return true;
  FILE *maps = maps_open(file->process);
  struct mapping mapping;
  bool found = false;
  while (maps && !found && maps_next(maps, &mapping)) found = same_file(mapping.file, file->id);
  if (maps) fclose(maps);
  return found;
}

/* Nothing tells when pages are given back, so this looks before it says that there are too few. */
static void forget_dead(void) {
  for (struct huge_file **at = &files; *at;) {
    struct huge_file *file = *at;
    if (file_lives(file)) {
      at = &file->next;
    } else {
      *at = file->next;
      free(file);
    }
  }
  for (struct huge_range **at = &ranges; *at;) {
    struct huge_range *range = *at;
    if (!maps_is_free(range->process, range->start, range->size) && target_process(range->process) != 0) {
      at = &range->next;
    } else {
      *at = range->next;
      free(range);
    }
  }
}

static int64_t free_pages(uint64_t page) {
  struct pool *pool = pool_of(page);
  int64_t left = pool ? pool->total : INT64_MAX / 2;
  for (struct huge_file *file = files; file; file = file->next)
    if (file->page == page) left -= file->reserved;
  for (struct huge_range *range = ranges; range; range = range->next)
    if (range->page == page) left -= (int64_t)(range->size / page);
  return left;
}

static bool enough_pages(uint64_t page, int64_t wanted) {
  if (wanted <= free_pages(page)) return true;
  forget_dead();
  return wanted <= free_pages(page);
}

static bool reserve_in_file(struct huge_file *file, uint64_t end) {
  int64_t pages = (int64_t)((end + file->page - 1) / file->page);
  if (pages <= file->reserved) return true;
  if (!enough_pages(file->page, pages - file->reserved)) return false;
  file->reserved = pages;
  return true;
}

static struct huge_file *remember_file(struct file_id id, uint64_t page, pid_t process) {
  struct huge_file *file = calloc(1, sizeof *file);
  *file = (struct huge_file){.id = id, .page = page, .process = process, .next = files};
  files = file;
  return file;
}

/* Page size of the hugetlbfs stand-in that holds this path; 0: none. */
static uint64_t hugetlbfs_page(const char *path) {
  const struct json *mounts = json_get(config, "hugetlbfs");
  for (const struct json *mount = mounts ? mounts->child : NULL; mount; mount = mount->next) {
    const char *dir = json_string(mount, "dir", "");
    size_t length = strlen(dir);
    if (length > 0 && strncmp(path, dir, length) == 0 && (path[length] == '/' || path[length] == '\0'))
      return (uint64_t)json_int(mount, "kib", 2048) << 10;
  }
  return 0;
}

static struct huge_file *huge_file_by_id(struct file_id id) {
  for (struct huge_file *file = files; file; file = file->next)
    if (same_file(file->id, id)) return file;
  return NULL;
}

static struct huge_file *huge_file(const struct call *call, int fd) {
  struct file_id id;
  bool mounts = json_get(config, "hugetlbfs") != NULL;
  if ((!files && !mounts) || !target_file(call, fd, &id)) return NULL;
  struct huge_file *file = huge_file_by_id(id);
  if (file || !mounts) return file;
  char link[64], path[4096] = "";
  snprintf(link, sizeof link, "/proc/%d/fd/%d", call->thread, fd);
  if (readlink(link, path, sizeof path - 1) < 0) return NULL;
  uint64_t page = hugetlbfs_page(path);
  return page ? remember_file(id, page, target_process(call->thread)) : NULL;
}

void on_memfd_create(struct call *call) {
  uint64_t flags = call->args[1];
  char name[256] = "";
  int error = fault_take(call, "memfd_huge");
  if (error == FAULT_DELAYED) return;
  struct pool *pool = pool_of_flags(flags);
  if (!target_path(call, call->args[0], name, sizeof name)) error = EFAULT;
  if (error == 0 && !pool) error = ENODEV;
  int fd = error ? -1 : memfd_create(name, (unsigned)flags & ~(MFD_HUGETLB | SIZE_CODE_MASK << SIZE_CODE_SHIFT));
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

static void remember_range(pid_t process, uint64_t start, uint64_t size, uint64_t page) {
  struct huge_range *range = calloc(1, sizeof *range);
  *range = (struct huge_range){.process = process, .start = start, .size = size, .page = page, .next = ranges};
  ranges = range;
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
  uint64_t ordinary = flags & ~(uint64_t)(MAP_HUGETLB | SIZE_CODE_MASK << SIZE_CODE_SHIFT);
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
  if (error == 0 && reserve && !(private ? enough_pages(page, (int64_t)(whole / page)) : reserve_in_file(file, offset + whole)))
    error = ENOMEM;
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

void on_fstatfs(struct call *call) {
  struct huge_file *file = huge_file(call, (int)call->args[0]);
  if (!file) {
    answer_continue(call);
    return;
  }
  struct statfs info = {.f_type = HUGETLBFS_MAGIC, .f_bsize = (long)file->page, .f_namelen = 255,
                        .f_frsize = (long)file->page};
  answer_error(call, target_write(call->thread, call->args[1], &info, sizeof info) ? 0 : EFAULT);
}

/* hugetlbfs files can be read and mapped, but not written. */
static void refuse_write(struct call *call, int fd) {
  if (huge_file(call, fd)) answer_error(call, EINVAL);
  else answer_continue(call);
}

void on_write_file(struct call *call) { refuse_write(call, (int)call->args[0]); }

void on_copy_file(struct call *call) { refuse_write(call, (int)call->args[2]); }

static uint64_t page_size_at(pid_t process, const struct mapping *mapping, uint64_t address) {
  struct huge_file *file = mapping->file.inode ? huge_file_by_id(mapping->file) : NULL;
  if (file) return file->page;
  for (struct huge_range *range = ranges; range; range = range->next)
    if (range->process == process && address >= range->start && address < range->start + range->size)
      return mapping->file.inode == 0 ? range->page : 0;
  return hugetlbfs_page(mapping->path);
}

int memory_check_pages(pid_t process, uint64_t address, uint64_t size, unsigned *regions) {
  bool contiguous = json_bool(config, "contiguous", true);
  bool far = json_int(config, "poolNode", 0) != json_int(config, "memoryNode", 0);
  uint64_t at = address, end = address + size;
  struct mapping mapping;
  FILE *maps = maps_open(process);
  int error = maps ? 0 : EFAULT;
  *regions = 0;
  while (maps && error == 0 && at < end) {
    if (!maps_next(maps, &mapping) || mapping.start > at) error = EFAULT;
    else if (mapping.end > at) {
      struct huge_file *file = mapping.file.inode ? huge_file_by_id(mapping.file) : NULL;
      uint64_t page = page_size_at(process, &mapping, at), stop = mapping.end < end ? mapping.end : end;
      if (!mapping.readable) error = EFAULT;
      else if (file && file->size > 0 && mapping.offset + (stop - mapping.start) > file->size) error = EFAULT;
      else if (page == 0) error = NE_ERR_MEM_NOT_HUGE_PAGE;
      else if (page % DEFAULT_PAGE != 0) error = NE_ERR_INVALID_PAGE_SIZE;
      else if (far) error = NE_ERR_MEM_DIFFERENT_NUMA_NODE;
      else *regions += contiguous ? 1 : (unsigned)((stop - at + page - 1) / page);
      at = stop;
    }
  }
  if (maps) fclose(maps);
  return error;
}

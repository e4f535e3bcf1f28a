#include "hugepages.h"

#include <errno.h>
#include <linux/nitro_enclaves.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "maps.h"
#include "memory.h"

static struct pool *pools;
static struct huge_file *files;
static struct huge_range *ranges;

static void add_pool(uint64_t page, int64_t total) {
  struct pool *pool = calloc(1, sizeof *pool);
  *pool = (struct pool){.page = page, .total = total, .next = pools};
  pools = pool;
}

void hugepages_load(void) {
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

struct pool *pool_of_flags(uint64_t flags) {
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

bool enough_pages(uint64_t page, int64_t wanted) {
  if (wanted <= free_pages(page)) return true;
  forget_dead();
  return wanted <= free_pages(page);
}

bool reserve_in_file(struct huge_file *file, uint64_t end) {
  int64_t pages = (int64_t)((end + file->page - 1) / file->page);
  if (pages <= file->reserved) return true;
  if (!enough_pages(file->page, pages - file->reserved)) return false;
  file->reserved = pages;
  return true;
}

struct huge_file *remember_file(struct file_id id, uint64_t page, pid_t process) {
  struct huge_file *file = calloc(1, sizeof *file);
  *file = (struct huge_file){.id = id, .page = page, .process = process, .next = files};
  files = file;
  return file;
}

uint64_t hugetlbfs_page(const char *path) {
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

struct huge_file *huge_file(const struct call *call, int fd) {
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

void remember_range(pid_t process, uint64_t start, uint64_t size, uint64_t page) {
  struct huge_range *range = calloc(1, sizeof *range);
  *range = (struct huge_range){.process = process, .start = start, .size = size, .page = page, .next = ranges};
  ranges = range;
}

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

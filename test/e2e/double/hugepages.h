/* The huge pages of the simulated host: how many there are, and which files and mappings hold them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "call.h"

#define SIZE_CODE_SHIFT 26 /* MFD_HUGE_SHIFT and MAP_HUGE_SHIFT */
#define SIZE_CODE_MASK 0x3fu
#define SIZE_CODE_BITS (SIZE_CODE_MASK << SIZE_CODE_SHIFT)
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

void hugepages_load(void); /* from the configuration */
struct pool *pool_of_flags(uint64_t flags); /* by the size code in mmap's or memfd_create's flags; NULL: no such size */
bool enough_pages(uint64_t page, int64_t wanted);

struct huge_file *remember_file(struct file_id id, uint64_t page, pid_t process);
struct huge_file *huge_file(const struct call *call, int fd); /* what the descriptor stands for, or NULL */
bool reserve_in_file(struct huge_file *file, uint64_t end);   /* up to this offset; false: too few pages */
void remember_range(pid_t process, uint64_t start, uint64_t size, uint64_t page);
uint64_t hugetlbfs_page(const char *path); /* page size of the hugetlbfs stand-in that holds this path; 0: none */

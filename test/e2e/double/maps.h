/* /proc/PID/maps, a mapping at a time. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "call.h"

struct mapping {
  uint64_t start, end, offset;
  bool readable, shared;
  struct file_id file; /* inode 0: anonymous */
  char path[512];      /* without " (deleted)" */
};

FILE *maps_open(pid_t process); /* NULL when it is gone; close with fclose() */
bool maps_next(FILE *maps, struct mapping *mapping);
/* An address for `size` bytes at a multiple of `alignment`, away from where the kernel places mappings; 0: none. */
uint64_t maps_free_place(pid_t process, uint64_t size, uint64_t alignment);
bool maps_is_free(pid_t process, uint64_t start, uint64_t size);

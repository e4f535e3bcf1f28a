#include "maps.h"

#include <string.h>
#include <sys/sysmacros.h>

/* The kernel maps downwards from just below 2^47; this is well below it and above the heap and a program at 2^46. */
static const uint64_t ARENA_START = 0x200000000000, ARENA_END = 0x400000000000;

FILE *maps_open(pid_t process) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/maps", process);
  return fopen(path, "re");
}

bool maps_next(FILE *maps, struct mapping *mapping) {
  char text[1024], flags[5];
  unsigned long long start, end, offset, inode;
  unsigned major, minor;
  int path_at = 0;
  if (!fgets(text, sizeof text, maps)) return false;
  int fields = sscanf(text, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, flags, &offset, &major, &minor, &inode,
                      &path_at);
  if (fields < 7) return false;
  *mapping = (struct mapping){
      .start = start,
      .end = end,
      .offset = offset,
      .readable = flags[0] == 'r',
      .shared = flags[3] == 's',
      .file = {makedev(major, minor), inode},
  };
  text[strcspn(text, "\n")] = '\0';
  snprintf(mapping->path, sizeof mapping->path, "%s", text + path_at);
  char *deleted = strstr(mapping->path, " (deleted)");
  if (deleted) *deleted = '\0';
  return true;
}

uint64_t maps_free_place(pid_t process, uint64_t size, uint64_t alignment) {
  FILE *maps = maps_open(process);
  if (!maps) return 0;
  uint64_t place = ARENA_START;
  struct mapping mapping;
  while (maps_next(maps, &mapping) && mapping.start < place + size)
    if (mapping.end > place) place = (mapping.end + alignment - 1) / alignment * alignment;
  fclose(maps);
  return place + size <= ARENA_END ? place : 0;
}

bool maps_is_free(pid_t process, uint64_t start, uint64_t size) {
  FILE *maps = maps_open(process);
  bool free = maps != NULL;
  struct mapping mapping;
  while (maps && maps_next(maps, &mapping))
    if (mapping.start < start + size && start < mapping.end) free = false;
  if (maps) fclose(maps);
  return free;
}

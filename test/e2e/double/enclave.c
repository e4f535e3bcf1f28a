#include "enclave.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <unistd.h>

#include "config.h"
#include "hypervisor.h"
#include "record.h"

/* While the writer is open, EPOLLERR on it tells that the target closed its last copy; after that, this often. */
#define RELEASE_POLL_MS 10

struct enclave *enclaves;

static void release(struct enclave *enclave) {
  bool was_running = enclave->state == ENCLAVE_RUNNING;
  struct line line;
  record_begin(&line, "release");
  line_int(&line, "slot", (int64_t)enclave->slot);
  line_bool(&line, "was_running", was_running);
  /* A command that fails here leaks in the driver; the descriptor is gone all the same. */
  if (was_running) line_error(&line, fault_take(NULL, "ENCLAVE_STOP"));
  line_error(&line, fault_take(NULL, "SLOT_FREE"));
  record_end(&line);
  enclave_discard(enclave);
}

static void writer_ready(void *opaque, uint32_t events) {
  if (events & EPOLLERR) release(opaque);
}

struct enclave *enclave_create(pid_t process, int *fd) {
  static uint64_t next_slot;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return NULL;
  flock(ends[0], LOCK_EX); /* belongs to the target's open file description, and ends with it */
  struct enclave *enclave = calloc(1, sizeof *enclave);
  *enclave = (struct enclave){
      .slot = (uint64_t)json_int(config, "firstSlot", 4096) + next_slot++,
      .file = file_id_of(ends[0]),
      .writer = ends[1],
      .probe = -1,
      .process = process,
      .next = enclaves,
  };
  enclave->last_region = &enclave->regions;
  enclave->watch = loop_watch(ends[1], 0, writer_ready, enclave);
  enclaves = enclave;
  *fd = ends[0];
  return enclave;
}

void enclave_discard(struct enclave *enclave) {
  hypervisor_forget(enclave);
  cpus_release(enclave);
  loop_unwatch(enclave->watch);
  loop_cancel(enclave->poll_release);
  if (enclave->writer >= 0) close(enclave->writer);
  if (enclave->probe >= 0) close(enclave->probe);
  for (struct region *region = enclave->regions; region;) {
    struct region *next = region->next;
    free(region);
    region = next;
  }
  struct enclave **at = &enclaves;
  while (*at != enclave) at = &(*at)->next;
  *at = enclave->next;
  free(enclave);
}

struct enclave *enclave_of_file(struct file_id file) {
  for (struct enclave *enclave = enclaves; enclave; enclave = enclave->next)
    if (same_file(enclave->file, file)) return enclave;
  return NULL;
}

struct enclave *enclave_of_cid(uint32_t cid) {
  for (struct enclave *enclave = enclaves; enclave; enclave = enclave->next)
    if (enclave->state == ENCLAVE_RUNNING && enclave->cid == cid) return enclave;
  return NULL;
}

bool enclave_read(const struct enclave *enclave, uint64_t offset, void *data, size_t size) {
  char *out = data;
  for (struct region *region = enclave->regions; region && size > 0; region = region->next) {
    if (offset >= region->size) {
      offset -= region->size;
      continue;
    }
    size_t part = size < region->size - offset ? size : (size_t)(region->size - offset);
    if (!target_read(enclave->process, region->address + offset, out, part)) return false;
    out += part;
    size -= part;
    offset = 0;
  }
  return size == 0;
}

void enclave_started(struct enclave *enclave) {
  enclave->state = ENCLAVE_RUNNING;
  hypervisor_boot(enclave);
}

static void poll_release(void *opaque) {
  struct enclave *enclave = opaque;
  enclave->poll_release = NULL;
  if (flock(enclave->probe, LOCK_EX | LOCK_NB) == 0) release(enclave);
  else enclave->poll_release = loop_after(RELEASE_POLL_MS, poll_release, enclave);
}

void enclave_end(struct enclave *enclave) {
  if (enclave->state != ENCLAVE_RUNNING) return;
  enclave->state = ENCLAVE_STOPPED;
  struct line line;
  record_begin(&line, "enclave_end");
  line_int(&line, "slot", (int64_t)enclave->slot);
  line_int(&line, "cid", enclave->cid);
  record_end(&line);
  hypervisor_forget(enclave);
  /* A reader of our own keeps the pipe alive without a writer; POLLHUP is about writers only. */
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", enclave->writer);
  enclave->probe = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  loop_unwatch(enclave->watch);
  enclave->watch = NULL;
  close(enclave->writer);
  enclave->writer = -1;
  poll_release(enclave);
}

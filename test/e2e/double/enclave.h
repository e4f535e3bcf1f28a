/* An enclave slot: what the driver and the hypervisor know of it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "loop.h"

#define MAX_CPUS 1024
#define IMAGE_OFFSET 0x800000u /* 8 MiB */

struct region {
  uint64_t address, size;
  struct region *next;
};

struct console;
struct peer;

struct enclave {
  uint64_t slot;
  struct file_id file; /* the enclave descriptor in the target: the read end of a pipe */
  int writer, probe;
  struct watch *watch;
  struct timer *poll_release, *boot;
  pid_t process; /* the creator's address space */
  enum { ENCLAVE_INIT, ENCLAVE_RUNNING, ENCLAVE_STOPPED } state;
  struct region *regions, **last_region; /* in the order given */
  uint64_t memory;
  unsigned physical_regions;
  unsigned vcpus;
  uint64_t flags;
  uint32_t cid;
  struct console *console;
  struct enclave *next;
};

extern struct enclave *enclaves;

/* A slot. Its descriptor is put in *fd: give it to the target, then close it. NULL: no descriptors left. */
struct enclave *enclave_create(pid_t process, int *fd);
struct enclave *enclave_of_file(struct file_id file);
struct enclave *enclave_of_cid(uint32_t cid); /* a running one, or NULL */
bool enclave_read(const struct enclave *enclave, uint64_t offset, void *data, size_t size); /* donated memory */
/* The hypervisor runs it: heartbeat and console begin. */
void enclave_started(struct enclave *enclave);
/* The enclave ends by itself: its descriptor shows POLLHUP. */
void enclave_end(struct enclave *enclave);
/* Undoes a creation whose descriptor never reached the target; records nothing. */
void enclave_discard(struct enclave *enclave);

/* CPU pool (cpus.c) */
void cpus_load(void);
int cpus_free_cores(void);
/* Chooses (id 0) or checks a vCPU for the enclave, taking its core; *id is the CPU. Returns an NE error or 0. */
int cpus_take(struct enclave *enclave, uint32_t *id);
void cpus_added(struct enclave *enclave, uint32_t id);
bool cpus_full_cores(const struct enclave *enclave);
void cpus_release(const struct enclave *enclave);

/* Image check (image.c): records what lies at 8 MiB, and dumps it where asked to. */
void image_check(const struct enclave *enclave);

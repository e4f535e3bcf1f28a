#include <linux/nitro_enclaves.h>

#include "config.h"
#include "enclave.h"

#define MAX_CORES 512
#define MAX_THREADS 8

struct core {
  uint32_t threads[MAX_THREADS];
  int count;
  struct enclave *owner; /* NULL: in the pool */
};

static struct core cores[MAX_CORES];
static int core_count;
static int64_t parent_cpus;
static const struct enclave *added_to[MAX_CPUS];

void cpus_load(void) {
  static const uint32_t usual[3][2] = {{1, 5}, {2, 6}, {3, 7}};
  const struct json *pool = json_get(config, "pool");
  parent_cpus = json_int(config, "parentCpus", 8);
  if (!pool) {
    for (; core_count < 3; core_count++)
      cores[core_count] = (struct core){.threads = {usual[core_count][0], usual[core_count][1]}, .count = 2};
    return;
  }
  for (const struct json *core = pool->child; core && core_count < MAX_CORES; core = core->next) {
    struct core *into = &cores[core_count++];
    for (const struct json *cpu = core->child; cpu && into->count < MAX_THREADS; cpu = cpu->next)
      if (cpu->number >= 0 && cpu->number < MAX_CPUS) into->threads[into->count++] = (uint32_t)cpu->number;
  }
}

int cpus_free_cores(void) {
  int free = 0;
  for (int i = 0; i < core_count; i++) free += cores[i].owner == NULL;
  return free;
}

static struct core *core_of(uint32_t id) {
  for (int i = 0; i < core_count; i++)
    for (int j = 0; j < cores[i].count; j++)
      if (cores[i].threads[j] == id) return &cores[i];
  return NULL;
}

static int choose(struct enclave *enclave, uint32_t *id) {
  struct core *spare = NULL;
  for (int i = 0; i < core_count; i++) {
    if (!cores[i].owner && !spare) spare = &cores[i];
    for (int j = 0; cores[i].owner == enclave && j < cores[i].count; j++) {
      *id = cores[i].threads[j];
      if (added_to[*id] != enclave) return 0;
    }
  }
  if (!spare) return NE_ERR_NO_CPUS_AVAIL_IN_POOL;
  spare->owner = enclave;
  *id = spare->threads[0];
  return 0;
}

int cpus_take(struct enclave *enclave, uint32_t *id) {
  if (*id >= parent_cpus) return NE_ERR_INVALID_VCPU;
  if (*id == 0) return choose(enclave, id);
  if (added_to[*id] == enclave) return NE_ERR_VCPU_ALREADY_USED;
  struct core *core = core_of(*id);
  if (!core || (core->owner && core->owner != enclave)) return NE_ERR_VCPU_NOT_IN_CPU_POOL;
  core->owner = enclave;
  return 0;
}

void cpus_added(struct enclave *enclave, uint32_t id) {
  added_to[id] = enclave;
  enclave->vcpus++;
}

bool cpus_full_cores(const struct enclave *enclave) {
  for (int i = 0; i < core_count; i++)
    for (int j = 0; cores[i].owner == enclave && j < cores[i].count; j++)
      if (added_to[cores[i].threads[j]] != enclave) return false;
  return true;
}

void cpus_release(const struct enclave *enclave) {
  for (int i = 0; i < core_count; i++)
    if (cores[i].owner == enclave) cores[i].owner = NULL;
  for (int i = 0; i < MAX_CPUS; i++)
    if (added_to[i] == enclave) added_to[i] = NULL;
}

/*
 * The simulated host. Every member is optional:
 *
 * {
 *   "device": "present" | "absent" | "denied",       /dev/nitro_enclaves
 *   "pool": [[1, 5], [2, 6], [3, 7]],                cores of the CPU pool, each with its threads
 *   "parentCpus": 8,                                 an id from here on is NE_ERR_INVALID_VCPU
 *   "maxRegions": 2048, "contiguous": true,          physical regions; false: every huge page is one
 *   "poolNode": 0, "memoryNode": 0,                  NUMA nodes of the CPUs and of all huge pages
 *   "firstCid": 16, "firstSlot": 4096,
 *   "hugepages": {"2048": 4096, "1048576": 4},       free huge pages by size in KiB; a size not named does not exist
 *   "hugetlbfs": [{"dir": "/tmp/x", "kib": 2048}],   directories that stand for hugetlbfs mounts
 *   "redirect": {"/sys/module/nitro_enclaves": DIR}, path prefixes looked up elsewhere
 *   "loopback": true,                                CIDs 1 and 3 reach sockets of the parent itself
 *   "connectDelayMs": 0,                             time the hypervisor side takes to answer a connection
 *   "unanswered": false,                             instead of a reset, nobody answers (ETIMEDOUT)
 *   "image": "full" | "header" | "none",             what is checked at start; full takes about 7 s a GiB
 *   "heartbeat": {"delayMs": 20, "bytes": [183], "fatal": false} | false,
 *   "console": {"delayMs": 0, "text": "...", "file": PATH, "lines": 0, "close": false},
 *   "faults": [{"call": NAME, "nth": 1, "times": 1, "errno": 0, "delayMs": 0}]
 * }
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "json.h"

extern const struct json *config;
extern const char *config_dump_image; /* file for the donated EIF, or NULL */

/* JSON text, or the name of a file of it. False after a message on stderr. */
bool config_load(const char *text);

bool fault_add(const struct json *fault);
void fault_load(void);

/*
 * Looks up a scripted fault for this occurrence of the call NAME: a record's name; or, with no call, a command of the
 * device: SLOT_ALLOC, SLOT_ADD_VCPU, SLOT_ADD_MEM, ENCLAVE_START, ENCLAVE_STOP, SLOT_FREE, which cannot be delayed.
 * Returns an errno to fail with, or 0; or FAULT_DELAYED: the handler must return without an answer and is run again.
 */
enum { FAULT_DELAYED = -1 };
int fault_take(struct call *call, const char *name);

/* Huge pages without huge pages: hugetlb memfds, mappings and hugetlbfs directories stood in for by ordinary memory. */
#pragma once
#include <stdint.h>
#include <stdio.h>

#include "call.h"

void on_memfd_create(struct call *call);
void on_mmap(struct call *call);
void on_ftruncate(struct call *call);
void on_fallocate(struct call *call);
void on_fstatfs(struct call *call);
void on_statfs(struct call *call);
void on_write_file(struct call *call); /* args[0] is the descriptor written to */
void on_copy_file(struct call *call);  /* args[2] is */

/*
 * The driver's look at each page of a range to be donated. Returns 0 and the count of physically contiguous regions, or
 * the errno of the first page that will not do (spec section 2, SET_USER_MEMORY_REGION step 7).
 */
int memory_check_pages(pid_t process, uint64_t address, uint64_t size, unsigned *regions);

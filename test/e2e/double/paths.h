/* Look-ups by path: the devices, and prefixes that the configuration redirects. Absolute paths only. */
#pragma once
#include "call.h"

void on_open(struct call *call);     /* open, openat, openat2 */
void on_stat(struct call *call);     /* stat, lstat, newfstatat, statx */
void on_access(struct call *call);   /* access, faccessat, faccessat2 */
void on_readlink(struct call *call); /* readlink, readlinkat */

/* The ioctls of /dev/nitro_enclaves and of enclave descriptors: spec/nitro-enclaves-abi.md, section 2. */
#pragma once
#include "call.h"

/* Opens one of the devices this host simulates, giving the call its descriptor. */
void driver_open(struct call *call, const char *path, int flags);
void on_ioctl(struct call *call);

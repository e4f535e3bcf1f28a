/* NETLINK_SOCK_DIAG for AF_VSOCK (<linux/vm_sockets_diag.h>): who listens on which port. */
#pragma once
#include "call.h"

void on_netlink(struct call *call); /* socket(AF_NETLINK, ...) */

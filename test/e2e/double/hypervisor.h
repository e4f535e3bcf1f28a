/* The far side of vsock: the consoles, the heartbeat, and listeners that a test scripts. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "vsock.h"

struct enclave;
struct json;

void hypervisor_boot(struct enclave *enclave);
void hypervisor_forget(struct enclave *enclave);
/* Whether a connection from the parent to this address is accepted now. */
bool hypervisor_answers(struct address to);
void hypervisor_accept(int fd, struct address to, uint32_t from_port); /* takes fd */

/* console.c */
bool console_answers(uint32_t port);
void console_accept(int fd, uint32_t port);
void console_open(struct enclave *enclave);   /* at boot, in debug mode */
void console_forget(struct enclave *enclave); /* the client reads end of file */
/* {"text", "file", "lines", "close", "available"}: more output, or the console goes or comes back. */
void console_command(struct enclave *enclave, const struct json *command);

/* exchange.c: connections driven by control commands, reported as peer_* records */
bool exchange_listens(struct address at);
void exchange_accept(int fd, struct address at, uint32_t from_port);
bool exchange_listen(struct address at, bool echo); /* false: taken */
int exchange_connect(uint32_t cid, uint32_t port, bool echo); /* connection id, or -errno */

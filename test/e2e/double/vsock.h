/*
 * AF_VSOCK for the target, on AF_UNIX sockets. A parent's port is an abstract name, so that the kernel itself knows
 * which ports are taken and listening; a client's name carries its address. One difference shows: poll on a socket that
 * was never connected says POLLHUP too.
 */
#pragma once
#include <linux/vm_sockets.h>
#include <stdint.h>
#include <sys/time.h>

#include "call.h"

#define CID_PARENT 3u

struct address {
  uint32_t cid, port;
};

struct vsock {
  struct file_id file;
  enum { VSOCK_NEW, VSOCK_LISTENING, VSOCK_CONNECTING, VSOCK_CONNECTED, VSOCK_FAILED } state;
  struct address local, peer;
  int error; /* for SO_ERROR */
  uint64_t buffers[3];
  struct timeval timeout;
  struct vsock *next;
};

void vsock_load(void);
struct vsock *vsock_of(const struct call *call); /* by the descriptor in args[0] */
struct vsock *vsock_remember(int fd, const struct vsock *like);
uint32_t vsock_next_port(void);

/* Names of the sockets underneath. */
int vsock_bind_port(int fd, uint32_t port);                                          /* errno or 0 */
int vsock_bind_client(int fd, struct address from, uint32_t to_cid);                 /* errno or 0 */
int vsock_connect_port(int fd, uint32_t port);                                       /* errno or 0, never blocks */
void vsock_peer_of(int fd, struct address *peer, uint32_t *to_cid);                  /* of an accepted socket */
/* The target's descriptor becomes connected; returns our end of it, or -1. */
int vsock_connect_hypervisor(int fd);
/* A connection from the enclave with this CID to the parent: a descriptor, or -errno (104: nobody listens). */
int vsock_connect_parent(uint32_t cid, uint32_t port);

bool vsock_read_address(const struct call *call, struct address *address);
bool vsock_write_address(const struct call *call, struct address address); /* to args[1], length in args[2] */

void on_socket(struct call *call);
void on_bind(struct call *call);
void on_listen(struct call *call);
void on_getsockname(struct call *call);
void on_getpeername(struct call *call);
void on_getsockopt(struct call *call);
void on_setsockopt(struct call *call);
/* vsock_connect.c */
void on_connect(struct call *call);
void on_accept(struct call *call);

/* The far end of one of the target's vsock connections: what an enclave or the hypervisor would hold. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct enclave;
struct peer;

struct peer_ops {
  void (*data)(struct peer *peer, const void *data, size_t size);
  void (*ended)(struct peer *peer, int error); /* no more data: 0, or an errno; called once */
  void (*drained)(struct peer *peer);          /* everything queued has gone; may be NULL */
};

struct peer {
  const struct peer_ops *ops;
  void *opaque;
  struct enclave *enclave; /* ends with it; NULL: ends with the double */
  int id;
  /* private */
  int fd;
  struct watch *watch;
  char *queue;
  size_t queued, sent, capacity;
  bool paused, ending, ended;
  struct peer *next;
};

struct peer *peer_new(int fd, const struct peer_ops *ops, void *opaque, struct enclave *enclave); /* takes fd */
struct peer *peer_of_id(int id);
void peer_send(struct peer *peer, const void *data, size_t size); /* queues without limit */
size_t peer_queued(const struct peer *peer);
bool peer_open(const struct peer *peer); /* the target has not closed its end */
void peer_shutdown(struct peer *peer); /* sends what is queued, then end of file */
void peer_pause(struct peer *peer, bool paused); /* stops reading */
void peer_close(struct peer *peer); /* at once, queued bytes are dropped; `ended` is not called */
void peers_close_of(const struct enclave *enclave);

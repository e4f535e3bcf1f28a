#include <errno.h>
#include <stdlib.h>

#include "enclave.h"
#include "hypervisor.h"
#include "peer.h"
#include "record.h"

struct listener {
  struct address at;
  bool echo;
  struct listener *next;
};

static struct listener *listeners;

static struct listener *find(struct address at) {
  struct listener *listener = listeners;
  while (listener && (listener->at.cid != at.cid || listener->at.port != at.port)) listener = listener->next;
  return listener;
}

bool exchange_listens(struct address at) { return find(at) != NULL; }

bool exchange_listen(struct address at, bool echo) {
  if (find(at)) return false;
  struct listener *listener = malloc(sizeof *listener);
  *listener = (struct listener){.at = at, .echo = echo, .next = listeners};
  listeners = listener;
  return true;
}

static void data_came(struct peer *peer, const void *data, size_t size) {
  struct line line;
  record_begin(&line, "peer_data");
  line_int(&line, "conn", peer->id);
  line_bytes(&line, "hex", data, size);
  record_end(&line);
}

static void peer_ended(struct peer *peer, int error) {
  struct line line;
  record_begin(&line, "peer_end");
  line_int(&line, "conn", peer->id);
  line_int(&line, "errno", error);
  record_end(&line);
}

/* An echo takes no more than its client takes back. */
static void echo_back(struct peer *peer, const void *data, size_t size) {
  peer_send(peer, data, size);
  peer_pause(peer, true);
}

static void echo_drained(struct peer *peer) { peer_pause(peer, false); }

static void echo_ended(struct peer *peer, int error) {
  peer_ended(peer, error);
  peer_shutdown(peer);
}

static struct peer *exchange_new(int fd, uint32_t cid, bool echo) {
  static const struct peer_ops plain = {.data = data_came, .ended = peer_ended};
  static const struct peer_ops echoing = {.data = echo_back, .ended = echo_ended, .drained = echo_drained};
  return peer_new(fd, echo ? &echoing : &plain, NULL, enclave_of_cid(cid));
}

void exchange_accept(int fd, struct address at, uint32_t from_port) {
  struct peer *peer = exchange_new(fd, at.cid, find(at)->echo);
  struct line line;
  record_begin(&line, "peer_accept");
  line_int(&line, "conn", peer->id);
  line_int(&line, "cid", at.cid);
  line_int(&line, "port", at.port);
  line_int(&line, "peer_port", from_port);
  record_end(&line);
}

int exchange_connect(uint32_t cid, uint32_t port, bool echo) {
  int fd = vsock_connect_parent(cid, port);
  return fd < 0 ? fd : exchange_new(fd, cid, echo)->id;
}

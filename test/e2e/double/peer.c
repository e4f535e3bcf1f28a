#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"

static struct peer *peers;

static void update(struct peer *peer) {
  uint32_t events = 0;
  if (!peer->paused && !peer->ended) events |= EPOLLIN;
  if (peer->queued > peer->sent) events |= EPOLLOUT;
  loop_modify(peer->watch, events);
}

static void fail(struct peer *peer, int error) {
  if (peer->ended) return;
  peer->ended = true;
  peer->ops->ended(peer, error);
}

static void flush(struct peer *peer) {
  while (peer->queued > peer->sent) {
    ssize_t n = send(peer->fd, peer->queue + peer->sent, peer->queued - peer->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EAGAIN) return;
      peer->queued = peer->sent = 0;
      fail(peer, errno);
      return;
    }
    peer->sent += (size_t)n;
  }
  peer->queued = peer->sent = 0;
  if (peer->ops->drained) peer->ops->drained(peer);
  if (peer->ending && peer->queued == 0 && peer->fd >= 0) shutdown(peer->fd, SHUT_WR);
}

static void receive(struct peer *peer) {
  static char data[65536];
  ssize_t n = recv(peer->fd, data, sizeof data, MSG_DONTWAIT);
  if (n > 0) peer->ops->data(peer, data, (size_t)n);
  else if (n == 0) fail(peer, 0);
  else if (errno != EAGAIN) fail(peer, errno);
}

static void ready(void *opaque, uint32_t events) {
  struct peer *peer = opaque;
  if ((events & EPOLLOUT) && peer->fd >= 0) flush(peer);
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && peer->fd >= 0 && !peer->paused && !peer->ended) receive(peer);
  if (peer->fd < 0) return;
  /* EPOLLHUP cannot be masked: a connection that is over in both directions leaves the loop. */
  if (peer->ended && (events & EPOLLHUP)) {
    loop_unwatch(peer->watch);
    peer->watch = loop_watch(peer->fd, EPOLLET, ready, peer);
  } else {
    update(peer);
  }
}

struct peer *peer_new(int fd, const struct peer_ops *ops, void *opaque, struct enclave *enclave) {
  static int next_id;
  struct peer *peer = calloc(1, sizeof *peer);
  *peer = (struct peer){.ops = ops, .opaque = opaque, .enclave = enclave, .id = ++next_id, .fd = fd, .next = peers};
  peers = peer;
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  peer->watch = loop_watch(fd, EPOLLIN, ready, peer);
  return peer;
}

struct peer *peer_of_id(int id) {
  for (struct peer *peer = peers; peer; peer = peer->next)
    if (peer->id == id) return peer;
  return NULL;
}

void peer_send(struct peer *peer, const void *data, size_t size) {
  if (peer->fd < 0) return;
  if (peer->sent > 0) {
    memmove(peer->queue, peer->queue + peer->sent, peer->queued - peer->sent);
    peer->queued -= peer->sent;
    peer->sent = 0;
  }
  if (peer->queued + size > peer->capacity) {
    peer->capacity = 2 * (peer->queued + size);
    peer->queue = realloc(peer->queue, peer->capacity);
  }
  memcpy(peer->queue + peer->queued, data, size);
  peer->queued += size;
  update(peer);
}

bool peer_open(const struct peer *peer) {
  char byte;
  ssize_t n = recv(peer->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n > 0 || (n < 0 && errno == EAGAIN);
}

size_t peer_queued(const struct peer *peer) { return peer->queued - peer->sent; }

void peer_shutdown(struct peer *peer) {
  peer->ending = true;
  if (peer_queued(peer) == 0 && peer->fd >= 0) shutdown(peer->fd, SHUT_WR);
}

void peer_pause(struct peer *peer, bool paused) {
  peer->paused = paused;
  update(peer);
}

static void free_peer(void *opaque) {
  struct peer *peer = opaque;
  free(peer->queue);
  free(peer);
}

void peer_close(struct peer *peer) {
  if (peer->fd < 0) return;
  struct peer **at = &peers;
  while (*at != peer) at = &(*at)->next;
  *at = peer->next;
  loop_unwatch(peer->watch);
  close(peer->fd);
  peer->fd = -1;
  loop_after(0, free_peer, peer); /* a callback of this peer may be running */
}

void peers_close_of(const struct enclave *enclave) {
  for (struct peer *peer = peers; peer;) {
    struct peer *next = peer->next;
    if (peer->enclave == enclave) peer_close(peer);
    peer = next;
  }
}

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config.h"
#include "hypervisor.h"
#include "loop.h"
#include "record.h"
#include "vsock.h"

/* How often a blocked call looks whether its thread was killed. */
#define LIFE_CHECK_MS 20

/* A connection that the far side has yet to answer. */
struct attempt {
  struct call *call; /* waits for the answer; NULL: the socket is non-blocking */
  struct vsock *socket;
  int far; /* non-blocking: our end, its receive queue full so that poll shows nothing yet */
  struct address to;
  int error; /* scripted, else 0 */
};

static void record_connect(struct address to, int error) {
  struct line line;
  record_begin(&line, "vsock_connect");
  line_int(&line, "cid", to.cid);
  line_int(&line, "port", to.port);
  line_int(&line, "errno", error);
  line_error(&line, error);
  record_end(&line);
}

static bool within_parent(struct address to) {
  return json_bool(config, "loopback", true) && (to.cid == CID_PARENT || to.cid == VMADDR_CID_LOCAL);
}

static int verdict(struct address to, int scripted) {
  if (scripted) return scripted;
  if (hypervisor_answers(to)) return 0;
  return json_bool(config, "unanswered", false) ? ETIMEDOUT : ECONNRESET;
}

static void connected(struct vsock *socket, struct address to) {
  socket->state = VSOCK_CONNECTED;
  socket->peer = to;
}

/* Leaves a non-blocking socket as a refused one is: an error pending, POLLERR. A close with data unread does that. */
static void leave_refused(struct vsock *socket, int fd, int far, int error) {
  if (far < 0) {
    far = vsock_connect_hypervisor(fd);
    send(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  close(far);
  socket->state = VSOCK_FAILED;
  socket->error = error;
}

/* Connects at once. Returns 0 or the errno. */
static int connect_now(struct vsock *socket, int fd, struct address to, int scripted) {
  int error = scripted;
  if (error == 0 && within_parent(to)) {
    error = vsock_connect_port(fd, to.port);
  } else if (error == 0 && (error = verdict(to, 0)) == 0) {
    int far = vsock_connect_hypervisor(fd);
    if (far < 0) error = ECONNRESET;
    else hypervisor_accept(far, to, socket->local.port);
  }
  if (error == 0) connected(socket, to);
  return error;
}

static void drain(int fd) {
  static char data[65536];
  while (recv(fd, data, sizeof data, MSG_DONTWAIT) > 0) continue;
}

static void finish(void *opaque) {
  struct attempt *attempt = opaque;
  struct vsock *socket = attempt->socket;
  int error = verdict(attempt->to, attempt->error);
  if (attempt->call) {
    if (call_waits(attempt->call)) {
      int fd = target_dup(attempt->call, (int)attempt->call->args[0]);
      socket->state = VSOCK_NEW;
      error = fd < 0 ? EBADF : connect_now(socket, fd, attempt->to, error);
      close(fd);
      record_connect(attempt->to, error);
      answer_error(attempt->call, error);
    }
  } else {
    record_connect(attempt->to, error);
    if (error) {
      leave_refused(socket, -1, attempt->far, error);
    } else {
      connected(socket, attempt->to);
      drain(attempt->far); /* the socket becomes writable */
      hypervisor_accept(attempt->far, attempt->to, socket->local.port);
    }
  }
  free(attempt->call);
  free(attempt);
}

static void fill(int fd) {
  static const char nothing[32768];
  while (send(fd, nothing, sizeof nothing, MSG_DONTWAIT | MSG_NOSIGNAL) > 0) continue;
}

static void connect_later(struct call *call, struct vsock *socket, int fd, struct address to, int scripted, double ms) {
  struct attempt *attempt = calloc(1, sizeof *attempt);
  *attempt = (struct attempt){.socket = socket, .far = -1, .to = to, .error = scripted};
  socket->state = VSOCK_CONNECTING;
  if (fcntl(fd, F_GETFL) & O_NONBLOCK) {
    attempt->far = vsock_connect_hypervisor(fd);
    fill(fd);
    answer_error(call, EINPROGRESS);
  } else {
    attempt->call = call_keep(call);
  }
  loop_after(ms, finish, attempt);
}

/* An errno that Linux reports only once the far side has been heard, or not heard. */
static bool comes_later(int error) { return error == ECONNRESET || error == ETIMEDOUT || error == ECONNREFUSED; }

/* A refused AF_UNIX socket cannot be used again, a vsock one can: gives the descriptor a new socket. */
static struct vsock *renew(struct call *call, struct vsock *old, int *fd) {
  int fresh = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (fcntl(*fd, F_GETFL) & O_NONBLOCK ? SOCK_NONBLOCK : 0), 0);
  struct vsock like = *old;
  like.state = VSOCK_NEW;
  like.error = 0;
  like.local.port = VMADDR_PORT_ANY;
  replace_fd(call, fresh, (int)call->args[0]);
  close(*fd);
  *fd = fresh;
  return vsock_remember(fresh, &like);
}

static int connect_error(const struct vsock *socket, struct address to) {
  if (socket->state == VSOCK_CONNECTED) return EISCONN;
  if (socket->state == VSOCK_CONNECTING) return EALREADY;
  if (socket->state == VSOCK_LISTENING) return EINVAL;
  return to.cid == CID_PARENT && !within_parent(to) ? ENODEV : 0;
}

void on_connect(struct call *call) {
  struct vsock *socket = vsock_of(call);
  if (!socket) {
    answer_continue(call);
    return;
  }
  struct address to;
  int scripted = fault_take(call, "vsock_connect");
  if (scripted == FAULT_DELAYED) return;
  int error = comes_later(scripted) ? 0 : scripted;
  if (error == 0 && !vsock_read_address(call, &to)) error = EINVAL;
  if (error == 0) error = connect_error(socket, to);
  int fd = error ? -1 : target_dup(call, (int)call->args[0]);
  if (error || fd < 0) {
    answer_error(call, error ? error : EBADF);
    return;
  }
  if (socket->state == VSOCK_FAILED) socket = renew(call, socket, &fd);
  if (socket->local.port == VMADDR_PORT_ANY) {
    socket->local.port = vsock_next_port();
    struct address from = {VMADDR_CID_LOCAL, socket->local.port}; /* what vsock_loopback's peers see */
    vsock_bind_client(fd, from, to.cid);
  }
  double delay = (double)json_int(config, "connectDelayMs", 0);
  if (!within_parent(to) && verdict(to, scripted) == ETIMEDOUT)
    delay = (double)socket->timeout.tv_sec * 1e3 + (double)socket->timeout.tv_usec / 1e3;
  if (delay > 0 && !within_parent(to)) {
    connect_later(call, socket, fd, to, scripted, delay);
  } else {
    bool waits = (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0;
    error = connect_now(socket, fd, to, scripted);
    record_connect(to, error);
    if (error && !waits) leave_refused(socket, fd, -1, error);
    answer_error(call, waits ? error : EINPROGRESS); /* Linux never connects vsock within a non-blocking call */
  }
  close(fd);
}

struct waiting {
  struct call *call;
  struct vsock *socket;
  int listener;
  struct watch *watch;
  struct timer *life;
};

/* Answers when a connection waits (or accept fails); false: nothing there yet. */
static bool accept_now(struct call *call, struct vsock *listening, int listener) {
  struct pollfd ready = {.fd = listener, .events = POLLIN};
  if (poll(&ready, 1, 0) == 0) return false;
  int flags = call->number == SYS_accept4 ? (int)call->args[3] : 0;
  int fd = accept4(listener, NULL, NULL, (flags & SOCK_NONBLOCK) | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EAGAIN) return false;
    answer_error(call, errno);
    return true;
  }
  struct vsock accepted = *listening;
  uint32_t to_cid;
  accepted.state = VSOCK_CONNECTED;
  vsock_peer_of(fd, &accepted.peer, &to_cid);
  accepted.local.cid = to_cid;
  vsock_remember(fd, &accepted);
  struct line line;
  record_begin(&line, "vsock_accept");
  line_int(&line, "port", accepted.local.port);
  line_int(&line, "peer_cid", accepted.peer.cid);
  line_int(&line, "peer_port", accepted.peer.port);
  record_end(&line);
  if (call->args[1] != 0 && !vsock_write_address(call, accepted.peer)) answer_error(call, EFAULT);
  else answer_fd(call, fd, flags & SOCK_CLOEXEC);
  close(fd);
  return true;
}

static void stop_waiting(struct waiting *waiting) {
  loop_unwatch(waiting->watch);
  loop_cancel(waiting->life);
  close(waiting->listener);
  free(waiting->call);
  free(waiting);
}

static void connection_came(void *opaque, uint32_t events) {
  (void)events;
  struct waiting *waiting = opaque;
  if (!call_waits(waiting->call) || accept_now(waiting->call, waiting->socket, waiting->listener))
    stop_waiting(waiting);
}

static void check_life(void *opaque) {
  struct waiting *waiting = opaque;
  waiting->life = NULL;
  if (call_waits(waiting->call)) waiting->life = loop_after(LIFE_CHECK_MS, check_life, waiting);
  else stop_waiting(waiting);
}

void on_accept(struct call *call) {
  struct vsock *socket = vsock_of(call);
  int error = socket ? fault_take(call, "vsock_accept") : 0;
  if (error == FAULT_DELAYED) return;
  if (!socket) {
    answer_continue(call);
    return;
  }
  if (error == 0 && socket->state != VSOCK_LISTENING) error = EINVAL;
  int listener = error ? -1 : target_dup(call, (int)call->args[0]);
  if (error || listener < 0) {
    answer_error(call, error ? error : EBADF);
    return;
  }
  if (accept_now(call, socket, listener)) {
    close(listener);
  } else if (fcntl(listener, F_GETFL) & O_NONBLOCK) {
    answer_error(call, EAGAIN);
    close(listener);
  } else {
    struct waiting *waiting = malloc(sizeof *waiting);
    *waiting = (struct waiting){.call = call_keep(call), .socket = socket, .listener = listener};
    waiting->watch = loop_watch(listener, EPOLLIN, connection_came, waiting);
    waiting->life = loop_after(LIFE_CHECK_MS, check_life, waiting);
  }
}

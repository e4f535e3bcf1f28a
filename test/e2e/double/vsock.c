#include "vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "record.h"

#define LAST_RESERVED_PORT 1023
#define FIRST_PORT 0x40000000u
#define BUCKETS 256

static struct vsock *sockets[BUCKETS];
static int hypervisor = -1; /* listens for every connection that leaves the parent */

static socklen_t make_name(struct sockaddr_un *name, const char *text) {
  *name = (struct sockaddr_un){.sun_family = AF_UNIX};
  int length = snprintf(name->sun_path + 1, sizeof name->sun_path - 1, "ne-double-%d-%s", getpid(), text);
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length);
}

static socklen_t port_name(struct sockaddr_un *name, uint32_t port) {
  char text[32];
  snprintf(text, sizeof text, "port-%u", port);
  return make_name(name, text);
}

int vsock_bind_port(int fd, uint32_t port) {
  struct sockaddr_un name;
  socklen_t size = port_name(&name, port);
  return bind(fd, (struct sockaddr *)&name, size) == 0 ? 0 : errno;
}

int vsock_bind_client(int fd, struct address from, uint32_t to_cid) {
  struct sockaddr_un name;
  char text[64];
  snprintf(text, sizeof text, "client-%u-%u-%u", from.cid, from.port, to_cid);
  socklen_t size = make_name(&name, text);
  return bind(fd, (struct sockaddr *)&name, size) == 0 ? 0 : errno;
}

void vsock_peer_of(int fd, struct address *peer, uint32_t *to_cid) {
  struct sockaddr_un name = {0};
  socklen_t size = sizeof name;
  int process;
  getpeername(fd, (struct sockaddr *)&name, &size);
  *to_cid = CID_PARENT;
  *peer = (struct address){VMADDR_CID_LOCAL, VMADDR_PORT_ANY};
  if (sscanf(name.sun_path + 1, "ne-double-%d-client-%u-%u-%u", &process, &peer->cid, &peer->port, to_cid) != 4)
    sscanf(name.sun_path + 1, "ne-double-%d-port-%u", &process, &peer->port);
}

static int connect_now(int fd, const struct sockaddr_un *name, socklen_t size) {
  int flags = fcntl(fd, F_GETFL);
  fcntl(fd, F_SETFL, flags | O_NONBLOCK); /* a full backlog must not hold up the supervisor */
  int error = connect(fd, (const struct sockaddr *)name, size) == 0 ? 0 : errno;
  fcntl(fd, F_SETFL, flags);
  return error == ECONNREFUSED || error == EAGAIN ? ECONNRESET : error;
}

int vsock_connect_port(int fd, uint32_t port) {
  struct sockaddr_un name;
  socklen_t size = port_name(&name, port);
  return connect_now(fd, &name, size);
}

void vsock_load(void) {
  struct sockaddr_un name;
  socklen_t size = make_name(&name, "hypervisor");
  hypervisor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  bind(hypervisor, (struct sockaddr *)&name, size);
  listen(hypervisor, 16);
}

int vsock_connect_hypervisor(int fd) {
  struct sockaddr_un name;
  socklen_t size = make_name(&name, "hypervisor");
  if (connect_now(fd, &name, size) != 0) return -1;
  return accept4(hypervisor, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

uint32_t vsock_next_port(void) {
  static uint32_t next = FIRST_PORT;
  return next++;
}

int vsock_connect_parent(uint32_t cid, uint32_t port) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int error = vsock_bind_client(fd, (struct address){cid, vsock_next_port()}, CID_PARENT);
  if (error == 0) error = vsock_connect_port(fd, port);
  if (error == 0) return fd;
  close(fd);
  return -error;
}

static struct vsock *find(struct file_id file) {
  struct vsock *socket = sockets[file.inode % BUCKETS];
  while (socket && !same_file(socket->file, file)) socket = socket->next;
  return socket;
}

struct vsock *vsock_of(const struct call *call) {
  struct file_id file;
  return target_file(call, (int)call->args[0], &file) ? find(file) : NULL;
}

/* Kept for good: nothing tells when the target closes one, and socket inode numbers come round after 2^32 of them. */
struct vsock *vsock_remember(int fd, const struct vsock *like) {
  struct vsock *socket = malloc(sizeof *socket);
  *socket = *like;
  socket->file = file_id_of(fd);
  socket->next = sockets[socket->file.inode % BUCKETS];
  sockets[socket->file.inode % BUCKETS] = socket;
  return socket;
}

bool vsock_read_address(const struct call *call, struct address *address) {
  struct sockaddr_vm given;
  if (call->args[2] < sizeof given || !target_read(call->thread, call->args[1], &given, sizeof given)) return false;
  *address = (struct address){given.svm_cid, given.svm_port};
  return given.svm_family == AF_VSOCK;
}

bool vsock_write_address(const struct call *call, struct address address) {
  struct sockaddr_vm full = {.svm_family = AF_VSOCK, .svm_cid = address.cid, .svm_port = address.port};
  uint32_t size;
  if (!target_read(call->thread, call->args[2], &size, sizeof size)) return false;
  if (size > sizeof full) size = sizeof full;
  if (!target_write(call->thread, call->args[1], &full, size)) return false;
  return target_write(call->thread, call->args[2], &(uint32_t){sizeof full}, sizeof size);
}

void on_socket(struct call *call) {
  int type = (int)call->args[1] & 0xf, flags = (int)call->args[1] & ~0xf;
  int error = fault_take(call, "vsock_socket");
  if (error == FAULT_DELAYED) return;
  if (error == 0 && call->args[2] != 0 && call->args[2] != AF_VSOCK) error = EPROTONOSUPPORT;
  else if (error == 0 && type == SOCK_DGRAM) error = ENODEV;
  else if (error == 0 && type != SOCK_STREAM && type != SOCK_SEQPACKET) error = ESOCKTNOSUPPORT;
  int fd = error ? -1 : socket(AF_UNIX, type | (flags & SOCK_NONBLOCK) | SOCK_CLOEXEC, 0);
  if (fd < 0 && error == 0) error = errno;
  struct line line;
  record_begin(&line, "vsock_socket");
  line_int(&line, "type", type);
  line_int(&line, "flags", flags);
  line_error(&line, error);
  record_end(&line);
  if (error) {
    answer_error(call, error);
    return;
  }
  vsock_remember(fd, &(struct vsock){
                         .local = {VMADDR_CID_ANY, VMADDR_PORT_ANY},
                         .peer = {VMADDR_CID_ANY, VMADDR_PORT_ANY},
                         .buffers = {256 << 10, 128, 256 << 10},
                         .timeout = {.tv_sec = 2},
                     });
  answer_fd(call, fd, flags & SOCK_CLOEXEC);
  close(fd);
}

static int bind_socket(struct call *call, struct vsock *socket, struct address *address) {
  bool loopback = json_bool(config, "loopback", true);
  if (socket->local.port != VMADDR_PORT_ANY) return EINVAL;
  if (address->cid != VMADDR_CID_ANY && address->cid != CID_PARENT && !(loopback && address->cid == VMADDR_CID_LOCAL))
    return EADDRNOTAVAIL;
  if (address->port == VMADDR_PORT_ANY) address->port = vsock_next_port();
  else if (address->port <= LAST_RESERVED_PORT && !target_capable(call->thread, CAP_NET_BIND_SERVICE)) return EACCES;
  int fd = target_dup(call, (int)call->args[0]);
  int error = fd < 0 ? EBADF : vsock_bind_port(fd, address->port);
  close(fd);
  if (error == 0) socket->local = *address;
  return error;
}

void on_bind(struct call *call) {
  struct vsock *socket = vsock_of(call);
  if (!socket) {
    answer_continue(call);
    return;
  }
  struct address address = {0};
  int error = fault_take(call, "vsock_bind");
  if (error == FAULT_DELAYED) return;
  if (error == 0 && !vsock_read_address(call, &address)) error = EINVAL;
  uint32_t asked = address.port;
  if (error == 0) error = bind_socket(call, socket, &address);
  struct line line;
  record_begin(&line, "vsock_bind");
  line_int(&line, "cid", address.cid);
  line_int(&line, "port", error ? asked : address.port);
  line_int(&line, "errno", error);
  line_error(&line, error);
  record_end(&line);
  answer_error(call, error);
}

void on_listen(struct call *call) {
  struct vsock *socket = vsock_of(call);
  int error = socket ? fault_take(call, "vsock_listen") : 0;
  if (error == FAULT_DELAYED) return;
  if (socket && error == 0) {
    if (socket->local.port == VMADDR_PORT_ANY || socket->state > VSOCK_LISTENING) error = EINVAL;
    else socket->state = VSOCK_LISTENING;
  }
  if (error) answer_error(call, error);
  else answer_continue(call);
}

void on_getsockname(struct call *call) {
  struct vsock *socket = vsock_of(call);
  if (!socket) answer_continue(call);
  else answer_error(call, vsock_write_address(call, socket->local) ? 0 : EFAULT);
}

void on_getpeername(struct call *call) {
  struct vsock *socket = vsock_of(call);
  if (!socket) answer_continue(call);
  else if (socket->state != VSOCK_CONNECTED) answer_error(call, ENOTCONN);
  else answer_error(call, vsock_write_address(call, socket->peer) ? 0 : EFAULT);
}

static int native_error(const struct call *call) {
  int error = 0, fd = target_dup(call, (int)call->args[0]);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof error});
  close(fd);
  return error;
}

/* The option's value and its size; 0: unknown. */
static size_t option_value(struct call *call, struct vsock *socket, const void **value) {
  static int number;
  int level = (int)call->args[1], option = (int)call->args[2];
  if (level == SOL_SOCKET) {
    number = AF_VSOCK; /* SO_DOMAIN */
    if (option == SO_PROTOCOL) number = 0;
    if (option == SO_ERROR) {
      number = native_error(call);
      if (socket->error != 0) number = socket->error;
      socket->error = 0;
    }
    *value = &number;
    return sizeof number;
  }
  bool timeout = option == SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD || option == SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW;
  if (!timeout && option > SO_VM_SOCKETS_BUFFER_MAX_SIZE) return 0;
  *value = timeout ? (void *)&socket->timeout : (void *)&socket->buffers[option];
  return timeout ? sizeof socket->timeout : sizeof socket->buffers[0];
}

void on_getsockopt(struct call *call) {
  int level = (int)call->args[1];
  struct vsock *socket = level == SOL_SOCKET || level == AF_VSOCK ? vsock_of(call) : NULL;
  if (!socket) {
    answer_continue(call);
    return;
  }
  const void *value;
  uint32_t given = 0;
  bool readable = target_read(call->thread, call->args[4], &given, sizeof given);
  uint32_t size = (uint32_t)option_value(call, socket, &value);
  int error = 0;
  if (!readable) error = EFAULT;
  else if (size == 0) error = ENOPROTOOPT;
  else if (given < size && level == AF_VSOCK) error = EINVAL;
  else {
    if (size > given) size = given;
    if (!target_write(call->thread, call->args[3], value, size)) error = EFAULT;
    if (!target_write(call->thread, call->args[4], &size, sizeof size)) error = EFAULT;
  }
  answer_error(call, error);
}

void on_setsockopt(struct call *call) {
  struct vsock *socket = vsock_of(call);
  if (!socket) {
    answer_continue(call);
    return;
  }
  unsigned option = (unsigned)call->args[2];
  struct timeval timeout;
  uint64_t size;
  int error = 0;
  if (option == SO_VM_SOCKETS_CONNECT_TIMEOUT_OLD || option == SO_VM_SOCKETS_CONNECT_TIMEOUT_NEW) {
    if (call->args[4] < sizeof timeout) error = EINVAL;
    else if (!target_read(call->thread, call->args[3], &timeout, sizeof timeout)) error = EFAULT;
    else if (timeout.tv_sec < 0 || timeout.tv_usec < 0 || timeout.tv_usec >= 1000000) error = ERANGE;
    else socket->timeout = timeout.tv_sec || timeout.tv_usec ? timeout : (struct timeval){.tv_sec = 2};
  } else if (option <= SO_VM_SOCKETS_BUFFER_MAX_SIZE) {
    if (call->args[4] < sizeof size) error = EINVAL;
    else if (!target_read(call->thread, call->args[3], &size, sizeof size)) error = EFAULT;
    else socket->buffers[option] = size;
  } else {
    error = ENOPROTOOPT;
  }
  answer_error(call, error);
}

#include "diag.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/vm_sockets.h>
#include <linux/vm_sockets_diag.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN 10                   /* TCP_LISTEN, which vsock uses as well */
#define ACCEPTING 0x10000           /* /proc/net/unix: __SO_ACCEPTCON */
#define DUMP_LIMIT (200u << 10)

static void put_listener(int fd, unsigned port, unsigned inode) {
  struct {
    struct nlmsghdr header;
    struct vsock_diag_msg body;
  } message = {
      .header = {.nlmsg_len = sizeof message, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_MULTI},
      .body = {.vdiag_family = AF_VSOCK, .vdiag_type = SOCK_STREAM, .vdiag_state = LISTEN,
               .vdiag_src_cid = VMADDR_CID_ANY, .vdiag_src_port = port, .vdiag_ino = inode},
  };
  send(fd, &message, sizeof message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* The sockets underneath show in /proc/net/unix by the names of vsock.c, with the inodes that the target's /proc shows. */
static void put_dump(int fd) {
  char text[512], pattern[64];
  unsigned flags, inode, port;
  FILE *sockets = fopen("/proc/net/unix", "re");
  snprintf(pattern, sizeof pattern, "%%*s %%*x %%*x %%x %%*x %%*x %%u @ne-double-%d-port-%%u", getpid());
  while (sockets && fgets(text, sizeof text, sockets))
    if (sscanf(text, pattern, &flags, &inode, &port) == 3 && (flags & ACCEPTING)) put_listener(fd, port, inode);
  if (sockets) fclose(sockets);
  struct nlmsghdr done = {.nlmsg_len = sizeof done, .nlmsg_type = NLMSG_DONE, .nlmsg_flags = NLM_F_MULTI};
  send(fd, &done, sizeof done, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void on_netlink(struct call *call) {
  int ends[2];
  int type = (int)call->args[1];
  if (call->args[2] != NETLINK_SOCK_DIAG || socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) != 0) {
    answer_continue(call);
    return;
  }
  setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &(int){DUMP_LIMIT}, sizeof(int));
  /* Netlink answers within the request's send; here the answer waits before it. Our end stays open to take the request. */
  put_dump(ends[0]);
  answer_fd(call, ends[1], type & SOCK_CLOEXEC);
  close(ends[1]);
}

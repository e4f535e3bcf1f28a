#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop.h"
#include "record.h"

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS /* Linux 6.6: faster switches between the two processes */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

static int listener = -1;
static const struct rule *rules;
static int rule_count;
static pid_t target;
static int target_status;
static struct watch *listening; /* NULL once the last process under the filter is gone */
static bool target_gone;

static bool send_answer(const struct call *call, int64_t value, int error, uint32_t flags) {
  struct seccomp_notif_resp response = {.id = call->id, .val = value, .error = error, .flags = flags};
  /* ENOENT: the target was killed while it waited */
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
}

void answer_value(const struct call *call, int64_t value) { send_answer(call, value, 0, 0); }

void answer_error(const struct call *call, int error) { send_answer(call, 0, -error, 0); }

void answer_continue(const struct call *call) { send_answer(call, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE); }

int answer_fd(const struct call *call, int fd, bool close_on_exec) {
  struct seccomp_notif_addfd add = {
      .id = call->id,
      .flags = SECCOMP_ADDFD_FLAG_SEND,
      .srcfd = (uint32_t)fd,
      .newfd_flags = close_on_exec ? O_CLOEXEC : 0,
  };
  int number = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
  if (number >= 0) return number;
  int error = errno;
  answer_error(call, error);
  return -error;
}

bool replace_fd(const struct call *call, int fd, int number) {
  struct seccomp_notif_addfd add = {
      .id = call->id, .flags = SECCOMP_ADDFD_FLAG_SETFD, .srcfd = (uint32_t)fd, .newfd = (uint32_t)number,
      .newfd_flags = O_CLOEXEC};
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add) >= 0;
}

bool call_waits(const struct call *call) {
  return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &call->id) == 0;
}

struct call *call_keep(const struct call *call) {
  struct call *copy = malloc(sizeof *copy);
  *copy = *call;
  return copy;
}

static bool rule_matches(const struct rule *rule, const struct seccomp_data *data) {
  if (rule->number != data->nr) return false;
  uint32_t value = (uint32_t)data->args[rule->arg] & (rule->mask != 0 ? rule->mask : UINT32_MAX);
  switch (rule->kind) {
    case RULE_ALWAYS: return true;
    case RULE_ANY_BIT: return value != 0;
    case RULE_NO_BIT: return value == 0;
    case RULE_EQUAL: return value == rule->low;
    case RULE_RANGE: return value >= rule->low && value <= rule->high;
  }
  return false;
}

static void stop_when_over(void) {
  if (target_gone && !listening) loop_stop();
}

static void receive(void *opaque, uint32_t events) {
  (void)opaque;
  struct seccomp_notif notice = {0};
  if ((events & EPOLLIN) == 0) { /* EPOLLHUP; a process drops its filter early in its exit, before its descriptors */
    loop_unwatch(listening);
    listening = NULL;
    stop_when_over();
    return;
  }
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &notice) != 0) return; /* killed meanwhile */
  struct call call = {.id = notice.id, .thread = (pid_t)notice.pid, .number = notice.data.nr};
  memcpy(call.args, notice.data.args, sizeof call.args);
  for (int i = 0; i < rule_count; i++) {
    if (!rule_matches(&rules[i], &notice.data)) continue;
    call.handler = rules[i].handler;
    call.handler(&call);
    return;
  }
  answer_continue(&call);
}

void target_ended(pid_t pid, int status) {
  if (pid != target || target_gone) return;
  target_gone = true;
  target_status = status;
  struct line line;
  record_begin(&line, "exit");
  if (WIFSIGNALED(status)) line_int(&line, "signal", WTERMSIG(status));
  else line_int(&line, "status", WEXITSTATUS(status));
  record_end(&line);
  stop_when_over();
}

static void signalled(void *opaque, uint32_t events) {
  (void)events;
  struct signalfd_siginfo info;
  while (read(*(int *)opaque, &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      int status;
      for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) target_ended(pid, status);
    } else if (info.ssi_code != SI_KERNEL && !target_gone) {
      kill(target, (int)info.ssi_signo); /* the terminal's own signals reach the target without us */
    }
  }
}

static void watch_signals(const sigset_t *set) {
  static int fd;
  fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
  loop_watch(fd, EPOLLIN, signalled, &fd);
}

static bool send_fd(int over, int fd) {
  char byte = 0, control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(over, &message, 0) == 1;
}

static int receive_fd(int over) {
  char byte, control[CMSG_SPACE(sizeof(int))];
  struct iovec data = {&byte, 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int fd = -1;
  if (recvmsg(over, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message))
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
  return fd;
}

/* In the child. The listener must travel before any call that the filter hands over. */
static void become_target(int over, const sigset_t *old_mask, char **argv) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigprocmask(SIG_SETMASK, old_mask, NULL);
  int fd = filter_install(rules, rule_count);
  if (fd < 0) {
    perror("ne-double: seccomp user notification");
    _exit(126);
  }
  send_fd(over, fd);
  close(fd);
  close(over);
  if (!argv) _exit(0);
  execvp(argv[0], argv);
  fprintf(stderr, "ne-double: %s: %s\n", argv[0], strerror(errno));
  _exit(127);
}

bool supervisor_start(const struct rule *with, int count, char **argv) {
  rules = with;
  rule_count = count;
  sigset_t set, old;
  sigemptyset(&set);
  for (size_t i = 0; i < 8; i++)
    sigaddset(&set, (int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH}[i]);
  sigprocmask(SIG_BLOCK, &set, &old);
  signal(SIGPIPE, SIG_IGN);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  target = fork();
  if (target == 0) {
    signal(SIGPIPE, SIG_DFL);
    become_target(pair[1], &old, argv);
  }
  close(pair[1]);
  listener = receive_fd(pair[0]);
  close(pair[0]);
  if (listener < 0) {
    waitpid(target, &target_status, 0);
    return false;
  }
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
  listening = loop_watch(listener, EPOLLIN, receive, NULL);
  watch_signals(&set);
  struct line line;
  record_begin(&line, "target");
  line_int(&line, "pid", target);
  record_end(&line);
  return true;
}

int supervisor_status(void) { return target_status; }

void supervisor_kill(void) {
  if (!target_gone) kill(target, SIGKILL);
}

bool supervisor_check(void) {
  int pair[2], word = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  target = fork();
  if (target == 0) {
    int fd = filter_install(NULL, 0);
    send_fd(pair[1], fd < 0 ? pair[1] : fd);
    pause();
  }
  struct call call = {.thread = target};
  int fd = receive_fd(pair[0]);
  struct seccomp_notif_sizes sizes = {0};
  const char *missing = NULL;
  int copy = -1;
  if (fd < 0 || (ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &(uint64_t){1}), errno != ENOENT))
    missing = "seccomp user notification with killable waits (Linux 5.19)";
  else if (!target_read(target, (uint64_t)(uintptr_t)&sizes, &word, sizeof word))
    missing = "reading another process's memory (process_vm_readv)";
  else if ((copy = target_dup(&call, pair[1])) < 0)
    missing = "pidfd_getfd";
  if (missing) printf("%s is missing: %s\n", missing, strerror(errno));
  kill(target, SIGKILL);
  waitpid(target, NULL, 0);
  return missing == NULL;
}

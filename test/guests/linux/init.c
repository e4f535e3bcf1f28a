// Init of the demonstration enclave: it reports to its parent, then answers on vsock until it is told to stop.
//
//   port 5005, a line a command:
//     attest HEX     -> "LENGTH\n" and the NSM's CBOR response to an Attestation request with that nonce (0 to 512 bytes)
//     pcr N          -> "LENGTH\n" and its response to DescribePCR
//     reboot, halt   -> "0\n"; the kernel does so
//   port 5006: sends back what it gets
//
// Freestanding but for Linux's nolibc (tools/include/nolibc).
#define NSM_IOCTL_RAW 0xc0200a00UL  // <linux/nsm.h>
#define NSM_RESPONSE_MAX 0x3000
#define AF_VSOCK 40
#define SOCK_STREAM 1
#define SOCK_NONBLOCK 04000
#define ANY_CID 0xffffffffu
#define PARENT_CID 3
#define HEARTBEAT_PORT 9000
#define HEARTBEAT 0xb7
#define COMMAND_PORT 5005
#define ECHO_PORT 5006
#define BACKLOG 1024
#define CLIENTS 1100
#define LINE 1100
#define EAGAIN_RESULT -11

// <linux/vm_sockets.h>
struct sockaddr_vm {
  unsigned short family, reserved;
  unsigned port, cid;
  unsigned char flags, zero[3];
};

struct nsm_raw {
  struct {
    unsigned long address, length;
  } request, response;
};

struct client {
  int echo;
  int length;
  char line[LINE];
};

static int nsm = -1;
static unsigned char response[NSM_RESPONSE_MAX];
static struct pollfd polled[CLIENTS + 2];
static struct client clients[CLIENTS + 2];
static int count = 2;

static int vsock(int flags) { return my_syscall3(__NR_socket, AF_VSOCK, SOCK_STREAM | flags, 0); }

static struct sockaddr_vm address(unsigned cid, unsigned port) {
  struct sockaddr_vm a = {.family = AF_VSOCK, .cid = cid, .port = port};
  return a;
}

static void heartbeat(void) {
  struct sockaddr_vm parent = address(PARENT_CID, HEARTBEAT_PORT);
  unsigned char byte = HEARTBEAT;
  int fd = vsock(0);
  if (fd < 0 || my_syscall3(__NR_connect, fd, &parent, sizeof parent) < 0) {
    printf("enclave: no heartbeat: the parent does not listen\n");
  } else {
    write(fd, &byte, 1);
    printf("enclave: heartbeat %s\n", read(fd, &byte, 1) == 1 && byte == HEARTBEAT ? "answered" : "not answered");
  }
  if (fd >= 0) close(fd);
}

static int ask(const unsigned char *request, int length) {
  struct nsm_raw raw = {{(unsigned long)request, length}, {(unsigned long)response, sizeof response}};
  return my_syscall3(__NR_ioctl, nsm, NSM_IOCTL_RAW, &raw) < 0 ? -1 : (int)raw.response.length;
}

static int put_text(unsigned char *at, const char *text) {
  int length = strlen(text);
  at[0] = 0x60 | length;
  memcpy(at + 1, text, length);
  return length + 1;
}

static int describe_pcr(int index) {
  unsigned char request[32];
  int n = 0;
  request[n++] = 0xa1;
  n += put_text(request + n, "DescribePCR");
  request[n++] = 0xa1;
  n += put_text(request + n, "index");
  if (index >= 24) request[n++] = 0x18;
  request[n++] = index;
  return ask(request, n);
}

static int attest(const unsigned char *nonce, int length) {
  static unsigned char request[600];
  int n = 0;
  request[n++] = 0xa1;
  n += put_text(request + n, "Attestation");
  request[n++] = 0xa1;
  n += put_text(request + n, "nonce");
  request[n++] = 0x59;
  request[n++] = length >> 8;
  request[n++] = length;
  memcpy(request + n, nonce, length);
  return ask(request, n + length);
}

static void show_pcr(int index) {
  int length = describe_pcr(index);
  // {"DescribePCR": {"data": h'48 bytes', "lock": true}}: the bytes follow 0x58 0x30.
  for (int i = 0; i + 49 < length; i++) {
    if (response[i] != 0x58 || response[i + 1] != 0x30) continue;
    printf("enclave: PCR%d ", index);
    for (int j = 0; j < 48; j++) printf("%x%x", response[i + 2 + j] >> 4, response[i + 2 + j] & 15);
    printf("\n");
    return;
  }
  printf("enclave: PCR%d cannot be read\n", index);
}

static int hex(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

static int unhex(const char *text, unsigned char *bytes, int room) {
  int n = 0;
  for (; text[0] && n < room; text += 2, n++) {
    if (hex(text[0]) < 0 || hex(text[1]) < 0) return -1;
    bytes[n] = hex(text[0]) << 4 | hex(text[1]);
  }
  return text[0] ? -1 : n;
}

// Blocking: a client that does not read its answer holds up nobody for longer than its connection lives.
static void send_all(int fd, const void *bytes, int length) {
  struct pollfd writable = {.fd = fd, .events = POLLOUT};
  for (int done = 0; done < length;) {
    int n = my_syscall3(__NR_write, fd, (const char *)bytes + done, length - done);
    if (n > 0) done += n;
    else if (n != EAGAIN_RESULT || poll(&writable, 1, 5000) <= 0) return;
  }
}

static void answer(int fd, int length) {
  char head[16];
  int n = 0;
  const char *digits = itoa(length < 0 ? 0 : length);
  while (digits[n]) head[n] = digits[n], n++;
  head[n++] = '\n';
  send_all(fd, head, n);
  if (length > 0) send_all(fd, response, length);
}

static void end(const char *what, int command) {
  printf("enclave: %s\n", what);
  reboot(command);
}

static void command(int fd, const char *line) {
  unsigned char nonce[512];
  int length;
  if (!strncmp(line, "attest ", 7) && (length = unhex(line + 7, nonce, sizeof nonce)) >= 0) {
    answer(fd, attest(nonce, length));
  } else if (!strncmp(line, "pcr ", 4)) {
    answer(fd, describe_pcr(atoi(line + 4)));
  } else {
    answer(fd, 0);
    if (!strcmp(line, "reboot")) end("reboots", LINUX_REBOOT_CMD_RESTART);
    if (!strcmp(line, "halt")) end("halts", LINUX_REBOOT_CMD_POWER_OFF);
  }
}

static void forget(int at) {
  close(polled[at].fd);
  count--;
  polled[at] = polled[count];
  clients[at] = clients[count];
}

static char *line_end(char *line, int length) {
  for (int i = 0; i < length; i++) {
    if (line[i] == '\n') return line + i;
  }
  return 0;
}

static void serve(int at) {
  static char bytes[65536];
  struct client *client = &clients[at];
  int fd = polled[at].fd;
  int room = client->echo ? (int)sizeof bytes : LINE - 1 - client->length;
  int n = my_syscall3(__NR_read, fd, client->echo ? bytes : client->line + client->length, room);
  if (n == EAGAIN_RESULT) return;
  if (n <= 0) return forget(at);
  if (client->echo) return send_all(fd, bytes, n);
  client->length += n;
  for (char *newline; (newline = line_end(client->line, client->length));) {
    int used = newline + 1 - client->line;
    *newline = 0;
    command(fd, client->line);
    client->length -= used;
    memmove(client->line, newline + 1, client->length);
  }
  if (client->length == LINE - 1) forget(at);
}

static int listen_on(unsigned port) {
  struct sockaddr_vm any = address(ANY_CID, port);
  int fd = vsock(SOCK_NONBLOCK);
  if (fd < 0 || my_syscall3(__NR_bind, fd, &any, sizeof any) < 0 || my_syscall2(__NR_listen, fd, BACKLOG) < 0) {
    printf("enclave: cannot listen on vsock port %u\n", port);
  }
  return fd;
}

static void take(int listener) {
  int fd;
  while (count < CLIENTS + 2 && (fd = my_syscall4(__NR_accept4, polled[listener].fd, 0, 0, SOCK_NONBLOCK)) >= 0) {
    polled[count].fd = fd;
    polled[count].events = POLLIN;
    clients[count].echo = listener;
    clients[count].length = 0;
    count++;
  }
}

int main(void) {
  mkdir("/dev", 0755);
  mkdir("/proc", 0755);
  mount("dev", "/dev", "devtmpfs", 0, 0);
  mount("proc", "/proc", "proc", 0, 0);
  int console = open("/dev/console", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(console, fd);
  printf("enclave: init is running\n");
  struct {
    unsigned long soft, hard;
  } descriptors = {CLIENTS + 16, CLIENTS + 16};
  my_syscall4(__NR_prlimit64, 0, 7, &descriptors, 0);
  nsm = open("/dev/nsm", O_RDWR);
  heartbeat();
  for (int i = 0; i <= 2; i++) show_pcr(i);
  polled[0].fd = listen_on(COMMAND_PORT);
  polled[1].fd = listen_on(ECHO_PORT);
  polled[0].events = polled[1].events = POLLIN;
  printf("enclave: ready\n");
  for (;;) {
    if (poll(polled, count, -1) < 0) continue;
    for (int at = count - 1; at >= 2; at--) {
      if (polled[at].revents) serve(at);
    }
    for (int listener = 0; listener < 2; listener++) {
      if (polled[listener].revents) take(listener);
    }
  }
}

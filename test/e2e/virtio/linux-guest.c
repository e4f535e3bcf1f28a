/*
 * The init of a Linux guest whose vsock ports do what those of machine.ts do: 7000 echoes, 7001 answers with the CRC-32
 * of what it got, 7002 reads nothing, 7003 takes `dial PORT BYTES` and says what it sent and what came back, by CRC-32.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

enum { PARENT = 3, CHUNK = 65536 };

static char buffer[CHUNK];

static uint32_t crc32(uint32_t crc, const char *data, size_t length) {
  for (crc = ~crc; length > 0; length--) {
    crc ^= (unsigned char)*data++;
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

static void send_all(int fd, const char *data, size_t length) {
  while (length > 0) {
    ssize_t count = write(fd, data, length);
    if (count < 0) exit(1);
    data += count;
    length -= count;
  }
}

static void echo(int fd) {
  for (ssize_t count; (count = read(fd, buffer, CHUNK)) > 0;) send_all(fd, buffer, count);
  shutdown(fd, SHUT_WR);
}

static void checksum(int fd) {
  uint32_t crc = 0;
  for (ssize_t count; (count = read(fd, buffer, CHUNK)) > 0;) crc = crc32(crc, buffer, count);
  int length = sprintf(buffer, "%08x", crc);
  send_all(fd, buffer, length);
  shutdown(fd, SHUT_WR);
}

static int dial(unsigned port, long count, uint32_t *sent, uint32_t *received) {
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = PARENT, .svm_port = port};
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  uint32_t state = port;
  *sent = *received = 0;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) return close(fd), -1;
  for (long done = 0; done < count;) {
    size_t length = count - done < CHUNK ? count - done : CHUNK;
    for (size_t i = 0; i < length; i++) buffer[i] = (state = state * 1103515245 + 12345) >> 16;
    *sent = crc32(*sent, buffer, length);
    send_all(fd, buffer, length);
    done += length;
  }
  shutdown(fd, SHUT_WR);
  for (ssize_t length; (length = read(fd, buffer, CHUNK)) > 0;) *received = crc32(*received, buffer, length);
  return close(fd), 0;
}

static void control(int fd) {
  FILE *commands = fdopen(fd, "r+");
  unsigned port;
  long count;
  while (fgets(buffer, CHUNK, commands) && sscanf(buffer, "dial %u %ld", &port, &count) == 2) {
    uint32_t sent, received;
    int failed = dial(port, count, &sent, &received);
    int length = failed ? sprintf(buffer, "%08x reset\n", 0) : sprintf(buffer, "%08x %08x\n", sent, received);
    send_all(fd, buffer, length);
  }
}

static void stuck(int fd) {
  (void)fd;
  sleep(3600);
}

static int listening(unsigned port) {
  struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port};
  int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 1024) < 0) {
    printf("port %u: %s\n", port, strerror(errno));
    exit(1);
  }
  return fd;
}

/* A process for each connection. */
static void serve(unsigned port, void (*work)(int)) {
  int server = listening(port);
  if (fork() > 0) {
    close(server);
    return;
  }
  signal(SIGCHLD, SIG_IGN);
  for (;;) {
    int fd = accept(server, NULL, NULL);
    if (fd < 0) continue;
    if (fork() == 0) {
      work(fd);
      _exit(0);
    }
    close(fd);
  }
}

int main(void) {
  int console = open("/dev/console", O_RDWR);
  for (int fd = 0; fd < 3; fd++) dup2(console, fd);
  serve(7000, echo);
  serve(7001, checksum);
  serve(7002, stuck);
  serve(7003, control);
  puts("guest ready");
  fflush(stdout);
  for (;;) wait(NULL);
}

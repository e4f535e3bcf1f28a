#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "control.h"
#include "enclave.h"
#include "hypervisor.h"
#include "peer.h"
#include "record.h"
#include "supervisor.h"

#define LINE_BYTES (1u << 20)
#define MEMORY_BYTES 65536

struct client {
  int fd;
  bool owner; /* its end is the end of the target */
  struct watch *watch;
  char *text;
  size_t size;
};

/* Fills in the reply; returns NULL or what is wrong. */
typedef const char *(*command_fn)(const struct json *command, struct line *reply);

static struct enclave *named(const struct json *command) {
  int64_t cid = json_int(command, "cid", -1), slot = json_int(command, "slot", -1);
  for (struct enclave *enclave = enclaves; enclave; enclave = enclave->next) {
    if (cid >= 0 && (enclave->cid != cid || enclave->state == ENCLAVE_INIT)) continue;
    if (slot >= 0 && enclave->slot != (uint64_t)slot) continue;
    return enclave;
  }
  return NULL;
}

static const char *do_end(const struct json *command, struct line *reply) {
  (void)reply;
  struct enclave *enclave = named(command);
  if (!enclave || enclave->state != ENCLAVE_RUNNING) return "no such running enclave";
  enclave_end(enclave);
  return NULL;
}

static const char *do_fault(const struct json *command, struct line *reply) {
  (void)reply;
  return fault_add(command) ? NULL : "call is missing";
}

static const char *do_console(const struct json *command, struct line *reply) {
  (void)reply;
  struct enclave *enclave = named(command);
  if (!enclave || !enclave->console) return "no such enclave in debug mode";
  console_command(enclave, command);
  return NULL;
}

static const char *do_connect(const struct json *command, struct line *reply) {
  struct enclave *enclave = enclaves;
  uint32_t cid = (uint32_t)json_int(command, "cid", enclave ? enclave->cid : 16);
  int id = exchange_connect(cid, (uint32_t)json_int(command, "port", 0), json_bool(command, "echo", false));
  line_int(reply, id < 0 ? "errno" : "conn", id < 0 ? -id : id);
  return NULL;
}

static const char *do_listen(const struct json *command, struct line *reply) {
  (void)reply;
  struct enclave *enclave = enclaves;
  struct address at = {(uint32_t)json_int(command, "cid", enclave ? enclave->cid : 16),
                       (uint32_t)json_int(command, "port", 0)};
  return exchange_listen(at, json_bool(command, "echo", false)) ? NULL : "the port is taken";
}

static size_t from_hex(const char *hex, unsigned char *out) {
  size_t count = 0;
  for (unsigned byte; sscanf(hex + 2 * count, "%2x", &byte) == 1; count++) out[count] = (unsigned char)byte;
  return count;
}

static const char *do_peer(const struct json *command, struct line *reply) {
  (void)reply;
  struct peer *peer = peer_of_id((int)json_int(command, "conn", 0));
  const char *what = json_string(command, "cmd", "");
  if (!peer) return "no such connection";
  if (strcmp(what, "send") == 0) {
    const char *text = json_string(command, "text", ""), *hex = json_string(command, "hex", "");
    unsigned char *bytes = malloc(strlen(hex) / 2 + 1);
    peer_send(peer, text, strlen(text));
    peer_send(peer, bytes, from_hex(hex, bytes));
    free(bytes);
  } else if (strcmp(what, "shutdown") == 0) {
    peer_shutdown(peer);
  } else if (strcmp(what, "close") == 0) {
    peer_close(peer);
  } else {
    peer_pause(peer, strcmp(what, "pause") == 0);
  }
  return NULL;
}

static const char *do_memory(const struct json *command, struct line *reply) {
  static unsigned char bytes[MEMORY_BYTES];
  struct enclave *enclave = named(command);
  int64_t length = json_int(command, "length", 16);
  if (!enclave || length < 0 || length > MEMORY_BYTES) return "no such enclave, or too long";
  if (!enclave_read(enclave, (uint64_t)json_int(command, "offset", 0), bytes, (size_t)length)) return "out of reach";
  line_bytes(reply, "hex", bytes, (size_t)length);
  return NULL;
}

static const char *do_query(const struct json *command, struct line *reply) {
  (void)command;
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  fputc('[', out);
  for (struct enclave *enclave = enclaves; enclave; enclave = enclave->next) {
    static const char *const states[] = {"INIT", "RUNNING", "STOPPED"};
    fprintf(out, "{\"slot\": %llu, \"cid\": %u, \"state\": \"%s\", \"flags\": %llu, \"vcpus\": %u, \"memory\": %llu}%s",
            (unsigned long long)enclave->slot, enclave->cid, states[enclave->state],
            (unsigned long long)enclave->flags, enclave->vcpus, (unsigned long long)enclave->memory,
            enclave->next ? ", " : "");
  }
  fputc(']', out);
  fclose(out);
  line_raw(reply, "enclaves", text);
  line_int(reply, "freeCores", cpus_free_cores());
  free(text);
  return NULL;
}

static const struct {
  const char *name;
  command_fn run;
} commands[] = {
    {"end", do_end},     {"fault", do_fault},   {"console", do_console}, {"connect", do_connect},
    {"listen", do_listen}, {"send", do_peer},   {"shutdown", do_peer},   {"close", do_peer},
    {"pause", do_peer},  {"resume", do_peer},   {"memory", do_memory},   {"query", do_query},
};

static const char *run(const struct json *command, struct line *reply) {
  const char *name = json_string(command, "cmd", "");
  for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
    if (strcmp(commands[i].name, name) == 0) return commands[i].run(command, reply);
  return "unknown command";
}

static void execute(struct client *client, const char *text) {
  const char *error;
  struct json *command = json_parse(text, &error);
  struct line reply;
  line_begin(&reply);
  line_int(&reply, "id", json_int(command, "id", 0));
  if (command) error = run(command, &reply);
  line_bool(&reply, "ok", error == NULL);
  if (error) line_string(&reply, "error", error);
  char *line = line_end(&reply);
  send(client->fd, line, reply.size, MSG_NOSIGNAL);
  free(line);
  json_free(command);
}

static void closed(struct client *client) {
  if (client->owner) supervisor_kill();
  loop_unwatch(client->watch);
  close(client->fd);
  free(client->text);
  free(client);
}

static void readable(void *opaque, uint32_t events) {
  (void)events;
  struct client *client = opaque;
  ssize_t n = recv(client->fd, client->text + client->size, LINE_BYTES - 1 - client->size, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n <= 0) {
    closed(client);
    return;
  }
  client->size += (size_t)n;
  char *start = client->text, *end;
  while ((end = memchr(start, '\n', client->size - (size_t)(start - client->text)))) {
    *end = '\0';
    execute(client, start);
    start = end + 1;
  }
  client->size -= (size_t)(start - client->text);
  memmove(client->text, start, client->size);
}

static struct client *serve(int fd, bool owner) {
  struct client *client = malloc(sizeof *client);
  *client = (struct client){.fd = fd, .owner = owner, .text = malloc(LINE_BYTES)};
  client->watch = loop_watch(fd, EPOLLIN, readable, client);
  return client;
}

void control_serve(int fd) { serve(fd, true); }

static void accept_client(void *opaque, uint32_t events) {
  (void)events;
  int fd = accept4(*(int *)opaque, NULL, NULL, SOCK_CLOEXEC);
  if (fd >= 0) serve(fd, false);
}

bool control_listen(const char *path) {
  static int listener;
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0 || listen(listener, 8) != 0) {
    fprintf(stderr, "ne-double: --control %s: %s\n", path, strerror(errno));
    return false;
  }
  loop_watch(listener, EPOLLIN, accept_client, &listener);
  return true;
}

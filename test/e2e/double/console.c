#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "enclave.h"
#include "hypervisor.h"
#include "peer.h"
#include "record.h"

#define CONSOLE_PORT_BASE 10000
/* Lines are made as the client reads: this much is queued at a time. */
#define QUEUE_BYTES (64u << 10)

/* One enclave's console: what was said before the first client came waits for it. One client at a time. */
struct console {
  struct enclave *enclave;
  bool available, close;
  struct timer *opening;
  struct peer *client;
  char *text;
  size_t text_size;
  int64_t line, lines; /* generated: next and total */
  uint64_t sent;
};

static struct console *console_of_port(uint32_t port) {
  for (struct enclave *enclave = enclaves; enclave; enclave = enclave->next)
    if (enclave->console && enclave->cid + CONSOLE_PORT_BASE == port) return enclave->console;
  return NULL;
}

static void client_left(struct peer *peer, int error);

bool console_answers(uint32_t port) {
  struct console *console = console_of_port(port);
  if (console && console->client && !peer_open(console->client)) client_left(console->client, 0);
  return console && console->available && !console->client;
}

static void produce(struct console *console) {
  struct peer *client = console->client;
  if (!client || peer_queued(client) > 0) return;
  if (console->text_size > 0) {
    peer_send(client, console->text, console->text_size);
    console->sent += console->text_size;
    console->text_size = 0;
  }
  while (console->line < console->lines && peer_queued(client) < QUEUE_BYTES) {
    char text[64];
    int size = snprintf(text, sizeof text, "console line %08lld of the enclave\r\n", (long long)console->line++);
    peer_send(client, text, (size_t)size);
    console->sent += (uint64_t)size;
  }
  if (peer_queued(client) > 0) return;
  if (console->close) peer_shutdown(client);
}

static void drained(struct peer *peer) {
  struct console *console = peer->opaque;
  produce(console);
  if (peer_queued(peer) > 0) return;
  struct line line;
  record_begin(&line, "console_sent");
  line_int(&line, "cid", console->enclave->cid);
  line_int(&line, "bytes", (int64_t)console->sent);
  record_end(&line);
}

static void ignore(struct peer *peer, const void *data, size_t size) {
  (void)peer;
  struct line line; /* the console takes no input */
  record_begin(&line, "console_input");
  line_bytes(&line, "data", data, size);
  record_end(&line);
}

static void client_left(struct peer *peer, int error) {
  struct console *console = peer->opaque;
  struct line line;
  record_begin(&line, "console_closed");
  line_int(&line, "cid", console->enclave->cid);
  line_error(&line, error);
  record_end(&line);
  console->client = NULL;
  peer_close(peer);
}

void console_accept(int fd, uint32_t port) {
  static const struct peer_ops ops = {.data = ignore, .ended = client_left, .drained = drained};
  struct console *console = console_of_port(port);
  console->client = peer_new(fd, &ops, console, console->enclave);
  produce(console);
}

static void add_text(struct console *console, const char *text, size_t size) {
  console->text = realloc(console->text, console->text_size + size);
  memcpy(console->text + console->text_size, text, size);
  console->text_size += size;
}

static void add_file(struct console *console, const char *path) {
  char data[65536];
  FILE *file = fopen(path, "re");
  if (!file) return;
  for (size_t n; (n = fread(data, 1, sizeof data, file)) > 0;) add_text(console, data, n);
  fclose(file);
}

static void set_available(struct console *console, bool available) {
  console->available = available;
  if (available || !console->client) return;
  struct peer *client = console->client;
  console->client = NULL;
  peer_close(client);
}

void console_command(struct enclave *enclave, const struct json *command) {
  struct console *console = enclave->console;
  if (!console) return;
  const char *text = json_string(command, "text", ""), *file = json_string(command, "file", NULL);
  add_text(console, text, strlen(text));
  if (file) add_file(console, file);
  console->lines += json_int(command, "lines", 0);
  console->close = json_bool(command, "close", console->close);
  set_available(console, json_bool(command, "available", console->available));
  produce(console);
}

static void open_now(void *opaque) {
  struct console *console = opaque;
  console->opening = NULL;
  console->available = true;
}

void console_open(struct enclave *enclave) {
  const struct json *script = json_get(config, "console");
  struct console *console = calloc(1, sizeof *console);
  console->enclave = enclave;
  enclave->console = console;
  double delay = (double)json_int(script, "delayMs", 0);
  console->available = json_bool(script, "available", delay <= 0);
  if (delay > 0) console->opening = loop_after(delay, open_now, console);
  console_command(enclave, script);
}

void console_forget(struct enclave *enclave) {
  struct console *console = enclave->console;
  if (!console) return;
  enclave->console = NULL;
  loop_cancel(console->opening);
  set_available(console, false);
  free(console->text);
  free(console);
}

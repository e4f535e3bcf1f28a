#include "hypervisor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "enclave.h"
#include "peer.h"
#include "record.h"

#define HEARTBEAT_PORT 9000
#define HEARTBEAT_BYTE 0xb7
#define MAX_BYTES 64

bool hypervisor_answers(struct address to) {
  return exchange_listens(to) || (to.cid == VMADDR_CID_HYPERVISOR && console_answers(to.port));
}

void hypervisor_accept(int fd, struct address to, uint32_t from_port) {
  if (exchange_listens(to)) exchange_accept(fd, to, from_port);
  else console_accept(fd, to.port);
}

/* The bytes that the enclave's init sends; the usual one unless scripted. */
static size_t heartbeat_bytes(unsigned char bytes[MAX_BYTES]) {
  const struct json *script = json_get(json_get(config, "heartbeat"), "bytes");
  size_t count = 0;
  bytes[0] = HEARTBEAT_BYTE;
  if (!script) return 1;
  for (const struct json *byte = script->child; byte && count < MAX_BYTES; byte = byte->next)
    bytes[count++] = (unsigned char)byte->number;
  return count;
}

static void heartbeat_failed(struct enclave *enclave) {
  if (json_bool(json_get(config, "heartbeat"), "fatal", false)) enclave_end(enclave);
}

static void heartbeat_data(struct peer *peer, const void *data, size_t size) {
  (void)size;
  unsigned char reply = *(const unsigned char *)data, sent[MAX_BYTES];
  struct enclave *enclave = peer->enclave;
  bool ok = heartbeat_bytes(sent) > 0 && reply == sent[0];
  struct line line;
  record_begin(&line, "heartbeat");
  line_bool(&line, "connected", true);
  line_int(&line, "reply", reply);
  line_bool(&line, "ok", ok);
  record_end(&line);
  peer_close(peer);
  if (!ok) heartbeat_failed(enclave);
}

static void heartbeat_ended(struct peer *peer, int error) {
  struct enclave *enclave = peer->enclave;
  struct line line;
  record_begin(&line, "heartbeat");
  line_bool(&line, "connected", true);
  line_error(&line, error);
  line_bool(&line, "ok", false);
  record_end(&line);
  peer_close(peer);
  heartbeat_failed(enclave);
}

static void heartbeat(void *opaque) {
  static const struct peer_ops ops = {.data = heartbeat_data, .ended = heartbeat_ended};
  struct enclave *enclave = opaque;
  enclave->boot = NULL;
  int fd = vsock_connect_parent(enclave->cid, HEARTBEAT_PORT);
  if (fd < 0) { /* an image without AWS's init would not even try, so this has a name of its own */
    struct line line;
    record_begin(&line, "heartbeat_refused");
    line_int(&line, "errno", -fd);
    record_end(&line);
    heartbeat_failed(enclave);
    return;
  }
  unsigned char bytes[MAX_BYTES];
  struct peer *peer = peer_new(fd, &ops, NULL, enclave);
  peer_send(peer, bytes, heartbeat_bytes(bytes));
}

void hypervisor_boot(struct enclave *enclave) {
  const struct json *script = json_get(config, "heartbeat");
  if (enclave->flags & 1) console_open(enclave);
  if (!script || script->type != JSON_BOOL || script->boolean)
    enclave->boot = loop_after((double)json_int(script, "delayMs", 20), heartbeat, enclave);
}

void hypervisor_forget(struct enclave *enclave) {
  loop_cancel(enclave->boot);
  enclave->boot = NULL;
  console_forget(enclave);
  peers_close_of(enclave);
}

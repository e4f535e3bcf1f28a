/*
 * Commands of a test, one JSON object a line, each answered by one line {"id": as given, "ok": true, ...} or
 * {"id", "ok": false, "error": TEXT}. Enclaves are named by "cid" or "slot", by default the newest.
 *
 *   end                                   the enclave dies (POLLHUP)
 *   fault    call nth times errno delayMs  as in the configuration, counting from now
 *   console  text file lines close available
 *   connect  port cid echo                from the enclave (or any CID) to a port of the parent -> conn
 *   listen   cid port echo                a port of the far side; connections come as peer_accept records
 *   send     conn text | hex
 *   shutdown | close | pause | resume  conn
 *   memory   offset length                donated bytes -> hex (64 KiB at most)
 *   query                                 -> enclaves, freeCores
 */
#pragma once
#include <stdbool.h>

/* Serves a connected socket until its end, which ends the target too (SIGKILL). */
void control_serve(int fd);
/* Listens on a unix socket path; any number of clients, whose going means nothing. False after a message. */
bool control_listen(const char *path);

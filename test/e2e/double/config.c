#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loop.h"

struct fault {
  char *call;
  int64_t nth, times, seen;
  int error;
  int64_t delay_ms;
  struct fault *next;
};

const struct json *config;
const char *config_dump_image;
static struct fault *faults;

static char *read_whole(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) return NULL;
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  for (int c; (c = fgetc(file)) != EOF;) fputc(c, out);
  fclose(out);
  fclose(file);
  return text;
}

bool config_load(const char *text) {
  char *file = text[strspn(text, " \n")] == '{' ? NULL : read_whole(text);
  const char *error = "no such file";
  if (file || text[strspn(text, " \n")] == '{') config = json_parse(file ? file : text, &error);
  free(file);
  if (!config) fprintf(stderr, "ne-double: --config: %s\n", error);
  return config != NULL;
}

bool fault_add(const struct json *json) {
  const char *call = json_string(json, "call", NULL);
  if (!call) return false;
  struct fault *fault = calloc(1, sizeof *fault);
  *fault = (struct fault){
      .call = strdup(call),
      .nth = json_int(json, "nth", 1),
      .times = json_int(json, "times", 1),
      .error = (int)json_int(json, "errno", 0),
      .delay_ms = json_int(json, "delayMs", 0),
      .next = faults,
  };
  faults = fault;
  return true;
}

void fault_load(void) {
  const struct json *list = json_get(config, "faults");
  for (const struct json *fault = list ? list->child : NULL; fault; fault = fault->next) fault_add(fault);
}

static void run_again(void *opaque) {
  struct call *call = opaque;
  if (call_waits(call)) call->handler(call);
  free(call);
}

int fault_take(struct call *call, const char *name) {
  if (call && call->fault_done) {
    int error = call->fault;
    call->fault_done = false;
    call->fault = 0;
    return error;
  }
  int error = 0;
  int64_t delay = 0;
  for (struct fault *fault = faults; fault; fault = fault->next) {
    if (strcmp(fault->call, name) != 0) continue;
    int64_t seen = ++fault->seen;
    if (seen < fault->nth || seen >= fault->nth + fault->times) continue;
    if (fault->error != 0) error = fault->error;
    if (fault->delay_ms != 0) delay = fault->delay_ms;
  }
  if (delay == 0 || !call) return error;
  struct call *later = call_keep(call);
  later->fault_done = true;
  later->fault = error;
  loop_after((double)delay, run_again, later);
  return FAULT_DELAYED;
}

#include "record.h"

#include <linux/nitro_enclaves.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"

static int record_fd = -1;
static double started;

void record_to(int fd) {
  record_fd = fd;
  started = now_ms();
}

void line_begin(struct line *line) {
  line->to = open_memstream(&line->text, &line->size);
  line->first = true;
  fputc('{', line->to);
}

static void put_quoted(FILE *to, const char *text) {
  fputc('"', to);
  for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
    if (*c == '"' || *c == '\\')
      fprintf(to, "\\%c", *c);
    else if (*c < 0x20)
      fprintf(to, "\\u%04x", *c);
    else
      fputc(*c, to);
  }
  fputc('"', to);
}

static void put_key(struct line *line, const char *key) {
  if (!line->first) fputs(", ", line->to);
  line->first = false;
  put_quoted(line->to, key);
  fputs(": ", line->to);
}

void line_raw(struct line *line, const char *key, const char *json) {
  put_key(line, key);
  fputs(json, line->to);
}

void line_int(struct line *line, const char *key, int64_t value) {
  put_key(line, key);
  fprintf(line->to, "%lld", (long long)value);
}

void line_hex(struct line *line, const char *key, uint64_t value) {
  put_key(line, key);
  fprintf(line->to, "\"0x%llx\"", (unsigned long long)value);
}

void line_bool(struct line *line, const char *key, bool value) { line_raw(line, key, value ? "true" : "false"); }

void line_string(struct line *line, const char *key, const char *value) {
  put_key(line, key);
  put_quoted(line->to, value);
}

void line_bytes(struct line *line, const char *key, const void *data, size_t size) {
  put_key(line, key);
  fputc('"', line->to);
  for (size_t i = 0; i < size; i++) fprintf(line->to, "%02x", ((const unsigned char *)data)[i]);
  fputc('"', line->to);
}

char *line_end(struct line *line) {
  fputs("}\n", line->to);
  fclose(line->to);
  return line->text;
}

void record_begin(struct line *line, const char *call) {
  line_begin(line);
  line_string(line, "call", call);
}

void record_end(struct line *line) {
  put_key(line, "t");
  fprintf(line->to, "%.3f", now_ms() - started);
  char *text = line_end(line);
  for (size_t done = 0; record_fd >= 0 && done < line->size;) {
    ssize_t n = write(record_fd, text + done, line->size - done);
    if (n <= 0) record_fd = -1; /* nobody reads any more */
    else done += (size_t)n;
  }
  free(text);
}

static const char *error_name(int error) {
  static const char *const nitro[] = {
      "NE_ERR_VCPU_ALREADY_USED",      "NE_ERR_VCPU_NOT_IN_CPU_POOL",    "NE_ERR_VCPU_INVALID_CPU_CORE",
      "NE_ERR_INVALID_MEM_REGION_SIZE", "NE_ERR_INVALID_MEM_REGION_ADDR", "NE_ERR_UNALIGNED_MEM_REGION_ADDR",
      "NE_ERR_MEM_REGION_ALREADY_USED", "NE_ERR_MEM_NOT_HUGE_PAGE",       "NE_ERR_MEM_DIFFERENT_NUMA_NODE",
      "NE_ERR_MEM_MAX_REGIONS",         "NE_ERR_NO_MEM_REGIONS_ADDED",    "NE_ERR_NO_VCPUS_ADDED",
      "NE_ERR_ENCLAVE_MEM_MIN_SIZE",    "NE_ERR_FULL_CORES_NOT_USED",     "NE_ERR_NOT_IN_INIT_STATE",
      "NE_ERR_INVALID_VCPU",            "NE_ERR_NO_CPUS_AVAIL_IN_POOL",   "NE_ERR_INVALID_PAGE_SIZE",
      "NE_ERR_INVALID_FLAG_VALUE",      "NE_ERR_INVALID_ENCLAVE_CID"};
  if (error >= NE_ERR_VCPU_ALREADY_USED && error <= NE_ERR_INVALID_ENCLAVE_CID)
    return nitro[error - NE_ERR_VCPU_ALREADY_USED];
  const char *name = strerrorname_np(error);
  return name ? name : "unknown";
}

void line_error(struct line *line, int error) {
  if (error != 0) line_string(line, "error", error_name(error));
}

void line_result(struct line *line, int error) {
  line_int(line, "ret", -error);
  line_error(line, error);
}

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "digest.h"
#include "enclave.h"
#include "record.h"

/* EIF: spec/eif.md sections 1 and 2; all integers big-endian. */
#define HEADER_SIZE 548
#define SECTION_HEADER_SIZE 12
#define MAX_SECTIONS 32
#define CHUNK (1u << 20)

static uint64_t big_endian(const unsigned char *at, int bytes) {
  uint64_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | at[i];
  return value;
}

/* Walks image bytes [from, to), handing them to `take` a chunk at a time. */
static bool walk(const struct enclave *enclave, uint64_t from, uint64_t to,
                 void (*take)(void *opaque, const void *data, size_t size), void *opaque) {
  static unsigned char chunk[CHUNK];
  for (uint64_t at = from; at < to;) {
    size_t size = to - at < CHUNK ? (size_t)(to - at) : CHUNK;
    if (!enclave_read(enclave, IMAGE_OFFSET + at, chunk, size)) return false;
    take(opaque, chunk, size);
    at += size;
  }
  return true;
}

static void take_crc(void *opaque, const void *data, size_t size) {
  uint32_t *crc = opaque;
  *crc = crc32_add(*crc, data, size);
}

static void take_sha256(void *opaque, const void *data, size_t size) { sha256_add(opaque, data, size); }

static void take_file(void *opaque, const void *data, size_t size) { fwrite(data, 1, size, opaque); }

struct sections {
  int count;
  uint64_t type[MAX_SECTIONS], offset[MAX_SECTIONS], size[MAX_SECTIONS], end;
};

static bool read_sections(const struct enclave *enclave, const unsigned char *header, struct sections *sections) {
  sections->count = (int)big_endian(header + 26, 2);
  sections->end = HEADER_SIZE;
  if (sections->count > MAX_SECTIONS) return false;
  for (int i = 0; i < sections->count; i++) {
    unsigned char head[SECTION_HEADER_SIZE];
    uint64_t offset = big_endian(header + 28 + 8 * i, 8), size = big_endian(header + 284 + 8 * i, 8);
    if (offset > enclave->memory || size > enclave->memory) return false;
    if (!enclave_read(enclave, IMAGE_OFFSET + offset, head, sizeof head)) return false;
    sections->type[i] = big_endian(head, 2);
    sections->offset[i] = offset;
    sections->size[i] = size;
    uint64_t end = offset + SECTION_HEADER_SIZE + size;
    if (end > sections->end) sections->end = end;
  }
  return IMAGE_OFFSET + sections->end <= enclave->memory;
}

static void check_bytes(const struct enclave *enclave, const unsigned char *header, const struct sections *sections,
                        struct line *line) {
  uint32_t crc = crc32_add(0, header, HEADER_SIZE - 4);
  bool read = true;
  for (int i = 0; i < sections->count; i++) {
    uint64_t from = sections->offset[i];
    read = read && walk(enclave, from, from + SECTION_HEADER_SIZE + sections->size[i], take_crc, &crc);
  }
  line_bool(line, "crc_ok", read && crc == big_endian(header + 544, 4));
  struct sha256 hash;
  unsigned char digest[32];
  sha256_begin(&hash);
  walk(enclave, 0, sections->end, take_sha256, &hash);
  sha256_end(&hash, digest);
  line_bytes(line, "sha256", digest, sizeof digest);
}

static void put_sections(const struct sections *sections, struct line *line) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  for (int i = 0; i < sections->count; i++)
    fprintf(out, "%s[%llu, %llu, %llu]", i ? ", " : "[", (unsigned long long)sections->type[i],
            (unsigned long long)sections->offset[i], (unsigned long long)sections->size[i]);
  fprintf(out, sections->count ? "]" : "[]");
  fclose(out);
  line_raw(line, "sections", text);
  free(text);
}

static void dump(const struct enclave *enclave, uint64_t size) {
  FILE *out = config_dump_image ? fopen(config_dump_image, "we") : NULL;
  if (!out) return;
  walk(enclave, 0, size, take_file, out);
  fclose(out);
}

void image_check(const struct enclave *enclave) {
  const char *how = json_string(config, "image", "full");
  if (strcmp(how, "none") == 0) return;
  unsigned char header[HEADER_SIZE] = {0};
  bool eif = enclave_read(enclave, IMAGE_OFFSET, header, sizeof header) && memcmp(header, ".eif", 4) == 0;
  struct sections sections = {0};
  struct line line;
  record_begin(&line, "image");
  line_bool(&line, "eif", eif);
  if (!eif) {
    line_bytes(&line, "begins", header, 16);
  } else if (!read_sections(enclave, header, &sections)) {
    line_string(&line, "error", "sections lie outside the donated memory");
  } else {
    line_int(&line, "version", (int64_t)big_endian(header + 4, 2));
    line_int(&line, "flags", (int64_t)big_endian(header + 6, 2));
    line_int(&line, "size", (int64_t)sections.end);
    if (strcmp(how, "full") == 0) check_bytes(enclave, header, &sections, &line);
    put_sections(&sections, &line);
    dump(enclave, sections.end);
  }
  record_end(&line);
}

/* What the double saw, one JSON object a line: {"call": NAME, ...fields, "t": milliseconds since start}. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A line being written: to the records, or a control reply. */
struct line {
  FILE *to;
  char *text;
  size_t size;
  bool first;
};

void record_to(int fd); /* takes the descriptor; -1: records are dropped */

void line_begin(struct line *line);
void line_int(struct line *line, const char *key, int64_t value);
void line_hex(struct line *line, const char *key, uint64_t value); /* "0x5" */
void line_bool(struct line *line, const char *key, bool value);
void line_string(struct line *line, const char *key, const char *value);
void line_bytes(struct line *line, const char *key, const void *data, size_t size); /* hexadecimal text */
void line_raw(struct line *line, const char *key, const char *json);
char *line_end(struct line *line); /* closes the object; free() the result */

void record_begin(struct line *line, const char *call);
void record_end(struct line *line);

/* Adds "error": NAME for an errno other than 0, NE_ERR_* names included. */
void line_error(struct line *line, int error);
/* Adds "ret": 0 or -errno, and the name. */
void line_result(struct line *line, int error);

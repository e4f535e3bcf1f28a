/* A small JSON reader for the configuration and the control commands. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
  enum json_type type;
  char *key;    /* name inside an object, else NULL */
  char *string; /* UTF-8, for JSON_STRING */
  double number;
  bool boolean;
  struct json *child, *next;
};

/* Returns NULL and sets *error (a static text) when the text is not one JSON value. */
struct json *json_parse(const char *text, const char **error);
void json_free(struct json *value);

const struct json *json_get(const struct json *object, const char *key);
int64_t json_int(const struct json *object, const char *key, int64_t fallback);
bool json_bool(const struct json *object, const char *key, bool fallback);
const char *json_string(const struct json *object, const char *key, const char *fallback);

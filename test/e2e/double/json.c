#include "json.h"

#include <stdlib.h>
#include <string.h>

struct reader {
  const char *at;
  const char *error;
  int depth;
};

static struct json *read_value(struct reader *in);

static void skip_space(struct reader *in) { in->at += strspn(in->at, " \t\r\n"); }

static bool take(struct reader *in, const char *word) {
  size_t length = strlen(word);
  if (strncmp(in->at, word, length) != 0) return false;
  in->at += length;
  return true;
}

static char *put_utf8(char *out, unsigned code) {
  if (code < 0x80) {
    *out++ = (char)code;
  } else if (code < 0x800) {
    *out++ = (char)(0xc0 | code >> 6);
    *out++ = (char)(0x80 | (code & 0x3f));
  } else {
    *out++ = (char)(0xe0 | code >> 12);
    *out++ = (char)(0x80 | (code >> 6 & 0x3f));
    *out++ = (char)(0x80 | (code & 0x3f));
  }
  return out;
}

/* The output is never longer than the source text. */
static char *read_string(struct reader *in) {
  if (!take(in, "\"")) {
    in->error = "a string was expected";
    return NULL;
  }
  char *text = malloc(strlen(in->at) + 1), *out = text;
  while (*in->at != '"') {
    char c = *in->at;
    if (c == '\0') {
      in->error = "a string does not end";
      free(text);
      return NULL;
    }
    in->at++;
    if (c != '\\') {
      *out++ = c;
      continue;
    }
    char escape = *in->at++;
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    const char *known = escape ? strchr(from, escape) : NULL;
    if (escape == 'u') {
      char digits[5] = {0};
      strncpy(digits, in->at, 4);
      in->at += strlen(digits);
      out = put_utf8(out, (unsigned)strtoul(digits, NULL, 16));
    } else if (known) {
      *out++ = to[known - from];
    } else if (escape == '\0') {
      in->at--;
    } else {
      *out++ = escape;
    }
  }
  in->at++;
  *out = '\0';
  return text;
}

static void read_members(struct reader *in, struct json *into, char close) {
  struct json **tail = &into->child;
  skip_space(in);
  if (*in->at == close) {
    in->at++;
    return;
  }
  while (!in->error) {
    char *key = NULL;
    skip_space(in);
    if (close == '}') {
      key = read_string(in);
      skip_space(in);
      if (key && !take(in, ":")) in->error = "a colon was expected";
    }
    struct json *member = in->error ? NULL : read_value(in);
    if (!member) {
      free(key);
      return;
    }
    member->key = key;
    *tail = member;
    tail = &member->next;
    skip_space(in);
    if (*in->at == close) {
      in->at++;
      return;
    }
    if (!take(in, ",")) in->error = "a comma was expected";
  }
}

static struct json *read_value(struct reader *in) {
  skip_space(in);
  if (++in->depth > 32) {
    in->error = "nested too deeply";
    return NULL;
  }
  struct json *value = calloc(1, sizeof *value);
  if (*in->at == '{') {
    value->type = JSON_OBJECT;
    in->at++;
    read_members(in, value, '}');
  } else if (*in->at == '[') {
    value->type = JSON_ARRAY;
    in->at++;
    read_members(in, value, ']');
  } else if (*in->at == '"') {
    value->type = JSON_STRING;
    value->string = read_string(in);
  } else if (take(in, "true")) {
    value->type = JSON_BOOL;
    value->boolean = true;
  } else if (take(in, "false")) {
    value->type = JSON_BOOL;
  } else if (!take(in, "null")) {
    char *end;
    value->type = JSON_NUMBER;
    value->number = strtod(in->at, &end);
    if (end == in->at) in->error = "a value was expected";
    in->at = end;
  }
  in->depth--;
  if (in->error) {
    json_free(value);
    return NULL;
  }
  return value;
}

struct json *json_parse(const char *text, const char **error) {
  struct reader in = {.at = text};
  struct json *value = read_value(&in);
  skip_space(&in);
  if (value && *in.at != '\0') {
    in.error = "text follows the value";
    json_free(value);
    value = NULL;
  }
  *error = in.error;
  return value;
}

void json_free(struct json *value) {
  while (value) {
    struct json *next = value->next;
    json_free(value->child);
    free(value->key);
    free(value->string);
    free(value);
    value = next;
  }
}

const struct json *json_get(const struct json *object, const char *key) {
  if (!object || object->type != JSON_OBJECT) return NULL;
  for (const struct json *member = object->child; member; member = member->next)
    if (strcmp(member->key, key) == 0) return member;
  return NULL;
}

int64_t json_int(const struct json *object, const char *key, int64_t fallback) {
  const struct json *member = json_get(object, key);
  return member && member->type == JSON_NUMBER ? (int64_t)member->number : fallback;
}

bool json_bool(const struct json *object, const char *key, bool fallback) {
  const struct json *member = json_get(object, key);
  return member && member->type == JSON_BOOL ? member->boolean : fallback;
}

const char *json_string(const struct json *object, const char *key, const char *fallback) {
  const struct json *member = json_get(object, key);
  return member && member->type == JSON_STRING ? member->string : fallback;
}

#include "digest.h"

#include <math.h>
#include <string.h>

/* Eight bytes a step: tables[k][b] is the CRC of byte b followed by k zero bytes. */
static uint32_t tables[8][256];

static void make_tables(void) {
  for (uint32_t i = 0; i < 256; i++) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    tables[0][i] = crc;
  }
  for (int k = 1; k < 8; k++)
    for (int i = 0; i < 256; i++) tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 0xff];
}

uint32_t crc32_add(uint32_t crc, const void *data, size_t size) {
  const unsigned char *at = data;
  if (tables[0][1] == 0) make_tables();
  crc = ~crc;
  for (; size >= 8; size -= 8, at += 8) {
    uint64_t word;
    memcpy(&word, at, 8);
    word ^= crc;
    crc = 0;
    for (int k = 0; k < 8; k++) crc ^= tables[7 - k][word >> 8 * k & 0xff];
  }
  for (; size > 0; size--) crc = crc >> 8 ^ tables[0][(crc ^ *at++) & 0xff];
  return ~crc;
}

static uint32_t constants[64];

/* First 32 bits of the fraction of a root; long double holds the 35 bits that are needed. */
static uint32_t fraction(long double root) { return (uint32_t)((root - floorl(root)) * 4294967296.0L); }

static void make_constants(uint32_t state[8]) {
  int found = 0;
  for (int n = 2; found < 64; n++) {
    int prime = 1;
    for (int d = 2; d * d <= n; d++) prime &= n % d != 0;
    if (!prime) continue;
    if (found < 8) state[found] = fraction(sqrtl(n));
    constants[found++] = fraction(cbrtl(n));
  }
}

void sha256_begin(struct sha256 *hash) {
  *hash = (struct sha256){0};
  make_constants(hash->state);
}

static uint32_t rotate(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void compress(uint32_t state[8], const unsigned char *block) {
  uint32_t w[64] = {0};
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 4; j++) w[i] = w[i] << 8 | block[4 * i + j];
  for (int i = 16; i < 64; i++) {
    uint32_t x = w[i - 15], y = w[i - 2];
    w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] + (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (int i = 0; i < 64; i++) {
    uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + constants[i] + w[i];
    uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const uint32_t sum[8] = {a, b, c, d, e, f, g, h};
  for (int i = 0; i < 8; i++) state[i] += sum[i];
}

void sha256_add(struct sha256 *hash, const void *data, size_t size) {
  const unsigned char *at = data;
  while (size > 0) {
    size_t used = hash->length % 64, part = size < 64 - used ? size : 64 - used;
    hash->length += part;
    if (part == 64) {
      compress(hash->state, at);
    } else {
      memcpy(hash->block + used, at, part);
      if (used + part == 64) compress(hash->state, hash->block);
    }
    at += part;
    size -= part;
  }
}

void sha256_end(struct sha256 *hash, unsigned char digest[32]) {
  uint64_t bits = hash->length * 8;
  unsigned char pad[64] = {0x80}, length[8];
  for (int i = 0; i < 8; i++) length[i] = (unsigned char)(bits >> (56 - 8 * i));
  sha256_add(hash, pad, 1 + (119 - hash->length % 64) % 64);
  sha256_add(hash, length, 8);
  for (int i = 0; i < 32; i++) digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
}

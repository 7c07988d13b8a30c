#include "below.h"

#include <string.h>

typedef struct rd_kafka_headers_s rd_kafka_headers_t;

int rd_kafka_produce(rd_kafka_topic_t *topic, int32_t partition, int flags, void *value, size_t value_len, const void *key,
                     size_t key_len, void *opaque);
int rd_kafka_producev(rd_kafka_t *rk, ...);
rd_kafka_headers_t *rd_kafka_headers_new(size_t count);
void rd_kafka_headers_destroy(rd_kafka_headers_t *headers);
int rd_kafka_header_add(rd_kafka_headers_t *headers, const char *name, ssize_t name_len, const void *value, ssize_t value_len);

// rd_kafka_vtype_t: what the next arguments of rd_kafka_producev are.
enum { V_END = 0, V_RKT = 2, V_PARTITION = 3, V_VALUE = 4, V_KEY = 5, V_FLAGS = 7, V_TIMESTAMP = 8, V_HEADERS = 10 };

enum { F_COPY = 2 }; // RD_KAFKA_MSG_F_COPY

static int32_t take_length(const char **at) {
  int32_t n;
  memcpy(&n, *at, sizeof n);
  *at += sizeof n;
  return n;
}

static rd_kafka_headers_t *unpack(const char *at, size_t count) {
  rd_kafka_headers_t *headers = rd_kafka_headers_new(count);
  for (size_t i = 0; i < count; i++) {
    int32_t name_len = take_length(&at);
    const char *name = at;
    at += name_len;
    int32_t len = take_length(&at);
    rd_kafka_header_add(headers, name, name_len, len < 0 ? NULL : at, len < 0 ? 0 : len);
    at += len < 0 ? 0 : len;
  }
  return headers;
}

int avl_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition, uintptr_t key, size_t key_len, uintptr_t value,
                size_t value_len, int64_t timestamp, uintptr_t headers, size_t header_count) {
  if (timestamp == 0 && header_count == 0) {
    int failed = rd_kafka_produce(topic, partition, F_COPY, (void *)value, value_len, (void *)key, key_len, NULL);
    return failed ? rd_kafka_last_error() : 0;
  }
  rd_kafka_headers_t *unpacked = header_count ? unpack((const char *)headers, header_count) : NULL;
  int err = rd_kafka_producev(rk, V_RKT, topic, V_PARTITION, partition, V_FLAGS, F_COPY, V_VALUE, (void *)value, value_len,
                              V_KEY, (void *)key, key_len, V_TIMESTAMP, timestamp, V_HEADERS, unpacked, V_END);
  if (err && unpacked)
    rd_kafka_headers_destroy(unpacked);
  return err;
}

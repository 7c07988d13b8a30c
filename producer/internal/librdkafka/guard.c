#include "below.h"
#include "_cgo_export.h"

#include <string.h>

enum { LOG_DEBUG = 7 }; // of syslog

typedef struct rd_kafka_conf_s rd_kafka_conf_t;

void rd_kafka_set_logger(rd_kafka_t *rk, void (*log)(const rd_kafka_t *rk, int level, const char *tag, const char *line));
const rd_kafka_conf_t *rd_kafka_conf(rd_kafka_t *rk);
int rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error, size_t error_size);

static void log_all(const rd_kafka_t *rk, int level, const char *tag, const char *line) {
  avrolineLog((uintptr_t)rk, level, (char *)tag, (char *)line);
}

// The library logs some lines while other threads wait for it, so those that nobody reads must cost next to nothing.
static void log_terse(const rd_kafka_t *rk, int level, const char *tag, const char *line) {
  if (level < LOG_DEBUG || strcmp(tag, AVL_SKIPPED) == 0)
    log_all(rk, level, tag, line);
}

int avl_guard(rd_kafka_t *rk, int debug) {
  char error[256];
  rd_kafka_set_logger(rk, debug ? log_all : log_terse);
  // Lines go to the logger on the thread that logs them, and not through a queue, in which they would come too late.
  // The configuration of a running client is read-only, says librdkafka; this flag alone is set, before the first message.
  return rd_kafka_conf_set((rd_kafka_conf_t *)rd_kafka_conf(rk), "log.queue", "false", error, sizeof error) == 0 ? 0 : -1;
}

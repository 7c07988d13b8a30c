#include "below.h"
#include "_cgo_export.h"

typedef struct rd_kafka_conf_s rd_kafka_conf_t;

void rd_kafka_set_logger(rd_kafka_t *rk, void (*log)(const rd_kafka_t *rk, int level, const char *tag, const char *line));
const rd_kafka_conf_t *rd_kafka_conf(rd_kafka_t *rk);
int rd_kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error, size_t error_size);

static void on_log(const rd_kafka_t *rk, int level, const char *tag, const char *line) {
  avrolineLog((uintptr_t)rk, level, (char *)tag, (char *)line);
}

int avl_guard(rd_kafka_t *rk) {
  char error[256];
  rd_kafka_set_logger(rk, on_log);
  // Lines go to on_log on the thread that logs them, and not through a queue, in which they would come too late.
  return rd_kafka_conf_set((rd_kafka_conf_t *)rd_kafka_conf(rk), "log.queue", "false", error, sizeof error) == 0 ? 0 : -1;
}

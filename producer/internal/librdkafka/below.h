// What this package calls of librdkafka's C interface (rdkafka.h). The library itself comes with confluent-kafka-go,
// which links it into the program.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;

// avl_produce copies a message into the client's queue: librdkafka's error code, 0 for none. A key or value at 0 is null.
// The timestamp is in Unix milliseconds, 0 for now. Headers are packed as Headers.Add packs them.
int avl_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition, uintptr_t key, size_t key_len, uintptr_t value,
                size_t value_len, int64_t timestamp, uintptr_t headers, size_t header_count);

// AVL_SKIPPED is the tag of the line that says that a batch was refused for its sequence number while one before it was not
// written yet. It is logged in the debug context "eos".
#define AVL_SKIPPED "ERRSEQ"

// avl_guard has log lines told to Go as they are logged, with or without those of debugging: 0, or -1 where the library
// refuses.
int avl_guard(rd_kafka_t *rk, int debug);

const char *rd_kafka_name(const rd_kafka_t *rk);
rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *topic, void *conf);
void rd_kafka_topic_destroy(rd_kafka_topic_t *topic);
int rd_kafka_last_error(void);

// What this package calls of librdkafka's C interface (rdkafka.h). The library
// itself comes with confluent-kafka-go, which links it into the program.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;

// avl_outcome is the end of one message.
typedef struct {
  uint64_t token;
  int64_t offset;
  int64_t timestamp; // the broker's, or -1
  int32_t partition;
  int16_t err;
  uint8_t status; // rd_kafka_msg_status_t
  uint8_t blame;  // avl_blame
  char *text;     // what the broker says of this record, malloc'ed, or NULL
  // The message itself, malloc'ed, of a message that was not persisted: key, value
  // and headers as avl_pack lays them out. Otherwise NULL.
  char *copy;
  int64_t copy_timestamp;
  int64_t key_len, value_len; // -1: null
  uint32_t header_count;
} avl_outcome;

// avl_blame says whether the broker named the record that it refused.
enum { AVL_BLAME_NONE, AVL_BLAME_THIS, AVL_BLAME_OTHER };

// avl_line is a line of the library's log.
typedef struct {
  int level;
  char *tag, *text; // malloc'ed
} avl_line;

// avl_hub is the C side of one client. The library's threads put outcomes and
// log lines into it, and one goroutine takes them out.
typedef struct avl_hub avl_hub;

avl_hub *avl_hub_new(int copy_failed, int guard, int max_level);
void avl_hub_free(avl_hub *hub);
// avl_hub_expect names the hub of the next client that this process makes. The
// caller holds a lock until that client is made, or not.
void avl_hub_expect(avl_hub *hub);
// avl_hub_rk is the instance that the hub was attached to, or NULL.
rd_kafka_t *avl_hub_rk(avl_hub *hub);
// avl_hub_wait waits for outcomes, lines, or the end, and hands out all that is
// there. The arrays are valid until the next call. It returns 0 once the hub is
// closed and empty.
int avl_hub_wait(avl_hub *hub, avl_outcome **outcomes, size_t *outcome_count, avl_line **lines, size_t *line_count);
void avl_hub_close(avl_hub *hub);

// avl_hub_added is the number of outcomes that the library has ever reported.
uint64_t avl_hub_added(avl_hub *hub);

// avl_plug is what conf_init does: it adds the interceptors of the hub that was
// expected to a configuration.
int avl_plug(rd_kafka_conf_t *conf);

// avl_produce gives a message to the library, which copies it: librdkafka's error
// code, 0 for none. data is memory of C: key, value and packed headers, one after
// the other. A length of -1 is null.
int avl_produce(rd_kafka_t *rk, rd_kafka_topic_t *topic, int32_t partition, uintptr_t data, int64_t key_len, int64_t value_len,
                int64_t timestamp, int has_timestamp, uint32_t header_count, uint64_t token);

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *topic, void *conf);
void rd_kafka_topic_destroy(rd_kafka_topic_t *topic);
int rd_kafka_last_error(void);

// This file declares the functions of librdkafka's C interface (rdkafka.h) that
// the package calls. confluent-kafka-go links the library into the program.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;

// avl_failure says why a message is not delivered.
typedef struct {
  int16_t err;
  uint8_t status; // rd_kafka_msg_status_t
  uint8_t blame;  // avl_blame
  char *text;     // the broker's text for this record, malloc'ed, or NULL
  // copy is a malloc'ed copy of a message that was not persisted, or NULL. The
  // copy has the key, the value and the headers, as the function pack in plug.go
  // packs them.
  char *copy;
  int64_t key_len, value_len; // -1 means null
  uint32_t header_count;
} avl_failure;

// avl_outcome is the final result of one message. The struct is small, because
// the reader often takes thousands of outcomes at once.
typedef struct {
  uint64_t token;
  int64_t offset;
  int64_t timestamp;    // the message's timestamp in the log, or -1
  uint32_t on_wire;     // microseconds from the request to its answer, 0: not known
  int32_t partition;
  avl_failure *failure; // malloc'ed, or NULL for a delivered message
} avl_outcome;

// avl_blame says whether the broker refused a batch for its content
// (AVL_BLAME_BATCH), and whether the broker named this record or another record
// of the batch as the reason.
enum { AVL_BLAME_NONE, AVL_BLAME_BATCH, AVL_BLAME_THIS, AVL_BLAME_OTHER };

// AVL_BROKER_STATE marks the new state of a broker. The tag is the library's
// name of the state. The text is the broker's number and its host:port.
enum { AVL_BROKER_STATE = -1 };

// AVL_DRAIN and AVL_DRAIN_AGAIN mark a line about a partition that waits for its
// requests. AVL_DRAIN_AGAIN says that no message of the partition has been
// delivered since the last such line.
enum { AVL_DRAIN = -2, AVL_DRAIN_AGAIN = -3 };

// AVL_REFUSED marks a line about a failed batch, or about a producer id that the
// library did not get.
enum { AVL_REFUSED = -4 };

// avl_line is a line of the library's log. level is a syslog level or one of
// the marks above.
typedef struct {
  int level;
  char *tag, *text; // malloc'ed
} avl_line;

// avl_hub is the C side of one client. The library's threads add outcomes and
// log lines to the hub, and one goroutine takes them out.
typedef struct avl_hub avl_hub;

// avl_hub_new makes a hub. wake_fd is the write end of a pipe that does not
// block.
avl_hub *avl_hub_new(int wake_fd, int copy_failed, int guard, int max_level);
void avl_hub_free(avl_hub *hub);
// avl_hub_expect sets the hub of the next client of this process. The caller
// holds a lock until the client is made or has failed.
void avl_hub_expect(avl_hub *hub);
// avl_hub_rk returns the client instance of the hub, or NULL.
rd_kafka_t *avl_hub_rk(avl_hub *hub);
// avl_hub_take returns all outcomes and lines that are there. The arrays are
// valid until the next call. If there are none, the hub writes one byte to
// wake_fd when something comes, and wait is the time in microseconds after which
// avl_hub_take must be called anyway, or -1. avl_hub_take returns 0 after the
// hub is closed and empty.
int avl_hub_take(avl_hub *hub, avl_outcome **outcomes, size_t *outcome_count, avl_line **lines, size_t *line_count, int64_t *wait);
void avl_hub_close(avl_hub *hub);

// avl_hub_added returns the total number of outcomes that the library has
// reported.
uint64_t avl_hub_added(avl_hub *hub);

// avl_registration says when the partitions of a transaction were registered
// with its coordinator (AddPartitionsToTxn). The times are microseconds of the
// monotonic clock.
typedef struct {
  int64_t begun;    // the begin of the transaction
  int64_t answered; // the newest answer, of this or an earlier transaction, or 0
  int asked;        // the library has sent a request in this transaction
} avl_registration;

// avl_hub_begin notes the begin of a transaction.
void avl_hub_begin(avl_hub *hub);
avl_registration avl_hub_registration(avl_hub *hub);

int64_t avl_now(void); // microseconds of the monotonic clock
// avl_sleep sleeps less than a second. Go's time.Sleep may take a whole
// millisecond more.
void avl_sleep(int64_t micros);

// avl_plug does the work of conf_init. avl_plug adds the interceptors of the
// expected hub to a configuration.
int avl_plug(rd_kafka_conf_t *conf);

// avl_produce gives a message to the library, and the library copies the
// message. avl_produce returns librdkafka's error code, or 0. A length of -1 is
// null. The function pack in plug.go packs the headers.
//
// rk and topic are pointers to librdkafka's objects. Their type is uintptr_t,
// because cgo checks every argument of a pointer type at run time.
int avl_produce(uintptr_t rk, uintptr_t topic, int32_t partition, char *key, int64_t key_len, char *value, int64_t value_len,
                int64_t timestamp, int has_timestamp, char *headers, uint32_t header_count, uint64_t token);

// AVL_GROUP is the largest number of messages of a group.
enum { AVL_GROUP = 32 };

// avl_entry is a message of a group. key and value are lengths, and -1 is null.
// avl_produce_group sets err, librdkafka's error code, if the library has
// refused a message of the group.
typedef struct {
  uint64_t token;
  int64_t key, value;
  int32_t err;
} avl_entry;

// avl_produce_group gives messages of a partition to the library, and the
// library copies them. data has the keys and values, one after the other.
// avl_produce_group returns the number of refused messages.
int avl_produce_group(uintptr_t topic, int32_t partition, char *data, avl_entry *entries, int count);

rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *rk, const char *topic, void *conf);
void rd_kafka_topic_destroy(rd_kafka_topic_t *topic);
int rd_kafka_last_error(void);
int rd_kafka_outq_len(rd_kafka_t *rk);
int rd_kafka_flush(rd_kafka_t *rk, int timeout_ms);

#include "plug.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// message_t has the layout of rd_kafka_message_t.
typedef struct {
  int err;
  rd_kafka_topic_t *topic;
  int32_t partition;
  void *payload;
  size_t len;
  void *key;
  size_t key_len;
  int64_t offset;
  void *opaque;
} message_t;

typedef struct rd_kafka_headers_s headers_t;

const char *rd_kafka_err2str(int);
const char *rd_kafka_message_produce_errstr(const message_t *);
int rd_kafka_message_status(const message_t *);
int64_t rd_kafka_message_latency(const message_t *);
const char *rd_kafka_topic_name(const rd_kafka_topic_t *);
int64_t rd_kafka_message_timestamp(const message_t *, int *type);
int rd_kafka_message_headers(const message_t *, headers_t **);
size_t rd_kafka_header_cnt(const headers_t *);
int rd_kafka_header_get_all(const headers_t *, size_t, const char **, const void **, size_t *);
headers_t *rd_kafka_headers_new(size_t);
void rd_kafka_headers_destroy(headers_t *);
int rd_kafka_header_add(headers_t *, const char *, ssize_t, const void *, ssize_t);
int rd_kafka_produce(rd_kafka_topic_t *, int32_t, int, void *, size_t, const void *, size_t, void *);
int rd_kafka_produce_batch(rd_kafka_topic_t *, int32_t, int, message_t *, int);
int rd_kafka_producev(rd_kafka_t *, ...);
int rd_kafka_test_fatal_error(rd_kafka_t *, int, const char *);
void *rd_kafka_opaque(const rd_kafka_t *);
void rd_kafka_conf_set_opaque(rd_kafka_conf_t *, void *);
int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
void rd_kafka_conf_set_log_cb(rd_kafka_conf_t *, void (*)(const rd_kafka_t *, int, const char *, const char *));
int rd_kafka_conf_interceptor_add_on_new(rd_kafka_conf_t *, const char *,
                                         int (*)(rd_kafka_t *, const rd_kafka_conf_t *, void *, char *, size_t), void *);
int rd_kafka_interceptor_add_on_acknowledgement(rd_kafka_t *, const char *, int (*)(rd_kafka_t *, message_t *, void *), void *);
int rd_kafka_interceptor_add_on_broker_state_change(rd_kafka_t *, const char *,
                                                    int (*)(rd_kafka_t *, int32_t, const char *, const char *, int, const char *, void *), void *);
int rd_kafka_interceptor_add_on_send(rd_kafka_t *, const char *, int (*)(rd_kafka_t *, message_t *, void *), void *);
int rd_kafka_interceptor_add_on_request_sent(rd_kafka_t *, const char *,
                                             int (*)(rd_kafka_t *, int, const char *, int32_t, int16_t, int16_t, int32_t, size_t, void *), void *);
int rd_kafka_interceptor_add_on_response_received(rd_kafka_t *, const char *,
                                                  int (*)(rd_kafka_t *, int, const char *, int32_t, int16_t, int16_t, int32_t, size_t, int64_t, int,
                                                          void *),
                                                  void *);

enum { LOG_DEBUG = 7 };                     // syslog level
enum { STATUS_NOT_PERSISTED, STATUS_POSSIBLY_PERSISTED }; // rd_kafka_msg_status_t
// These are values of rd_kafka_resp_err_t.
enum { RETRY = -153, INVALID_DIFFERENT_RECORD = -138, OUT_OF_ORDER_SEQUENCE_NUMBER = 45 };
enum { BLAME_WAIT = 50000 };                // microseconds, see refusal
enum { BLAME_KEPT = 1000000 };              // microseconds, see refusal
enum { BLAME_MOST = 10000000 };             // microseconds, if the log line is known
enum { MOST_LINES = 1000 };                 // further lines are dropped
enum { MOST_STATES = 1000 };                // states of brokers, beside the lines

// batch is a batch of a partition that the library has made. last is the number
// of its last message. The library numbers the messages of a partition from 1.
// made is the time, in microseconds of the monotonic clock.
typedef struct {
  uint64_t last;
  int64_t made;
} batch;

enum { BATCHES = 6 }; // the library makes at most five batches of a partition ahead

// partition is what the library's log says of the requests of a partition.
typedef struct partition {
  char *topic;
  int32_t number;
  struct partition *next; // of the same bucket
  batch batches[BATCHES]; // the newest batches, a ring
  uint32_t made;          // the number of batches
  int told;               // the log has named a failed batch
  // refused is the time when the newest batch was made that has failed. Messages
  // from before that time may be in a request.
  int64_t refused;
  int pending; // sends a request again, and no message was delivered since
} partition;

enum { BUCKETS = 4096 }; // of partitions

// refusal is a run of refused messages of one partition.
//
// If the broker names one record as the reason, the library reports this record
// with the broker's code and all others with another code. So the record is
// known to be guilty when the report of another record comes, before or after
// the record's own report. Until then the outcome waits in held. The library
// reports a whole batch in one go on one thread. The log line of the fatal error
// comes before the reports and says how many there are. Without that line, the
// wait ends after BLAME_WAIT, and a named record is forgotten after BLAME_KEPT.
typedef struct refusal {
  char *topic;
  int32_t partition;
  long left;     // reports of the batch that are still to come; 0: not known
  int64_t named; // when another record of the run was reported; 0: not yet
  int64_t until; // the end of the wait of held
  avl_outcome *held;
  size_t len, cap;
  struct refusal *next;
} refusal;

struct avl_hub {
  rd_kafka_t *rk;
  partition *partitions[BUCKETS]; // guarded by lock
  size_t pending;                 // the number of partitions with pending set, guarded by lock
  refusal *refusals;              // guarded by lock
  int copy_failed, guard, max_level;

  pthread_mutex_t lock;
  int wake_fd;         // the write end of the reader's pipe
  int waiting, closed; // waiting: the reader reads from the pipe, or is about to
  uint64_t added; // total number of outcomes
  avl_registration registration; // guarded by lock
  avl_outcome *in, *out; // in gets new outcomes; the reader has out
  size_t in_len, in_cap, out_len, out_cap;
  avl_line *lines_in, *lines_out;
  size_t lines_len, lines_out_len;
};

avl_hub *avl_hub_new(int wake_fd, int copy_failed, int guard, int max_level) {
  avl_hub *hub = calloc(1, sizeof *hub);
  pthread_mutex_init(&hub->lock, NULL);
  hub->wake_fd = wake_fd;
  hub->lines_in = calloc(MOST_LINES + MOST_STATES, sizeof *hub->lines_in);
  hub->lines_out = calloc(MOST_LINES + MOST_STATES, sizeof *hub->lines_out);
  hub->copy_failed = copy_failed;
  hub->guard = guard;
  hub->max_level = max_level;
  return hub;
}

static void forget(avl_hub *hub) {
  for (size_t i = 0; i < hub->out_len; i++) {
    avl_failure *f = hub->out[i].failure;
    if (f) {
      free(f->copy);
      free(f->text);
      free(f);
    }
  }
  for (size_t i = 0; i < hub->lines_out_len; i++) {
    free(hub->lines_out[i].tag);
    free(hub->lines_out[i].text);
  }
  hub->out_len = hub->lines_out_len = 0;
}

static void free_refusal(refusal *r) {
  free(r->topic);
  free(r->held);
  free(r);
}

void avl_hub_free(avl_hub *hub) {
  forget(hub);
  for (size_t i = 0; i < BUCKETS; i++)
    for (partition *p = hub->partitions[i], *next; p; p = next) {
      next = p->next;
      free(p->topic);
      free(p);
    }
  for (refusal *r = hub->refusals, *next; r; r = next) {
    next = r->next;
    free_refusal(r);
  }
  free(hub->in);
  free(hub->out);
  free(hub->lines_in);
  free(hub->lines_out);
  pthread_mutex_destroy(&hub->lock);
  free(hub);
}

rd_kafka_t *avl_hub_rk(avl_hub *hub) { return hub->rk; }

// wake writes one byte for a waiting reader. The pipe does not block and never
// fills up, because a wait gets one byte. Under lock.
static void wake(avl_hub *hub) {
  if (!hub->waiting)
    return;
  hub->waiting = 0;
  while (write(hub->wake_fd, "", 1) < 0 && errno == EINTR)
    ;
}

int64_t avl_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

// append adds an outcome for the reader. Under lock.
static void append(avl_hub *hub, const avl_outcome *o) {
  if (hub->in_len == hub->in_cap) {
    hub->in_cap = hub->in_cap ? 2 * hub->in_cap : 256;
    hub->in = realloc(hub->in, hub->in_cap * sizeof *hub->in);
  }
  hub->in[hub->in_len++] = *o;
}

// let_go ends the wait of a run's outcomes. Under lock.
static void let_go(avl_hub *hub, refusal *r) {
  for (size_t i = 0; i < r->len; i++) {
    if (r->named)
      r->held[i].failure->blame = AVL_BLAME_THIS;
    append(hub, &r->held[i]);
  }
  r->len = 0;
}

// let_go_due ends the waits that are over, or all waits. Under lock. let_go_due
// returns the end of the next wait, or 0.
static int64_t let_go_due(avl_hub *hub, int all) {
  int64_t next = 0, now = hub->refusals ? avl_now() : 0;
  for (refusal *r = hub->refusals; r; r = r->next) {
    if (r->len && (all || r->until <= now))
      let_go(hub, r);
    if (r->len && (!next || r->until < next))
      next = r->until;
  }
  return next;
}

// place_of returns where the run of a partition is in the list, or the end of
// the list. Under lock.
static refusal **place_of(avl_hub *hub, const char *topic, size_t len, int32_t partition) {
  refusal **at = &hub->refusals;
  while (*at && ((*at)->partition != partition || strlen((*at)->topic) != len || strncmp((*at)->topic, topic, len) != 0))
    at = &(*at)->next;
  return at;
}

// refusal_of returns the run of a partition, and makes it if needed. Under lock.
static refusal *refusal_of(avl_hub *hub, const char *topic, size_t len, int32_t partition) {
  refusal **at = place_of(hub, topic, len, partition);
  if (!*at) {
    *at = calloc(1, sizeof **at);
    (*at)->topic = strndup(topic, len);
    (*at)->partition = partition;
  }
  return *at;
}

// refused adds the outcome of a refused message. Under lock.
static void refused(avl_hub *hub, const char *topic, const avl_outcome *o) {
  refusal *r = refusal_of(hub, topic, strlen(topic), o->partition);
  if (r->len == r->cap) {
    r->cap = r->cap ? 2 * r->cap : 64;
    r->held = realloc(r->held, r->cap * sizeof *r->held);
  }
  int64_t now = avl_now();
  if (o->failure->blame == AVL_BLAME_OTHER)
    r->named = now;
  else if (now - r->named > BLAME_KEPT && !r->left)
    r->named = 0;
  if (r->len == 0)
    r->until = now + (r->left ? BLAME_MOST : BLAME_WAIT);
  if (o->failure->blame == AVL_BLAME_BATCH)
    r->held[r->len++] = *o;
  int last = r->left && --r->left == 0;
  if (r->named || last)
    let_go(hub, r);
  if (o->failure->blame == AVL_BLAME_OTHER)
    append(hub, o);
}

// delivered ends the run of a partition. Under lock.
static void delivered(avl_hub *hub, const char *topic, int32_t partition) {
  refusal **at = place_of(hub, topic, strlen(topic), partition), *r = *at;
  if (r) {
    let_go(hub, r);
    *at = r->next;
    free_refusal(r);
  }
}

// name_before finds the name of a partition in a log line, "TOPIC [PARTITION]",
// whose bracket closes at end. name_before returns the topic, which has len
// bytes, or NULL.
static const char *name_before(const char *text, const char *end, size_t *len, int32_t *number) {
  const char *open = end;
  while (open > text && *open != '[')
    open--;
  if (open - text < 2)
    return NULL;
  const char *name = open - 1;
  while (name > text && name[-1] != ' ')
    name--;
  *len = (size_t)(open - 1 - name);
  *number = (int32_t)strtol(open + 1, NULL, 10);
  return name;
}

// note_refusal notes the size of the batch that the library could not write. The
// text is "Fatal error: ... ProduceRequest for TOPIC [PARTITION] with N
// message(s) failed: ...".
static void note_refusal(avl_hub *hub, const char *text) {
  static const char with[] = "] with ";
  size_t len;
  int32_t number;
  const char *begin = strstr(text, "ProduceRequest for "), *end = begin ? strstr(begin, with) : NULL;
  const char *name = end ? name_before(begin, end, &len, &number) : NULL;
  if (!name)
    return;
  pthread_mutex_lock(&hub->lock);
  refusal *r = refusal_of(hub, name, len, number);
  r->left = strtol(end + sizeof with - 1, NULL, 10);
  r->named = 0;
  pthread_mutex_unlock(&hub->lock);
}

int avl_hub_take(avl_hub *hub, avl_outcome **outcomes, size_t *outcome_count, avl_line **lines, size_t *line_count, int64_t *wait) {
  forget(hub);
  pthread_mutex_lock(&hub->lock);
  int64_t next = let_go_due(hub, hub->closed);
  *wait = -1;
  hub->waiting = !hub->in_len && !hub->lines_len && !hub->closed;
  if (hub->waiting && next) {
    int64_t left = next - avl_now();
    *wait = left > 0 ? left : 0;
  }
  avl_outcome *filled = hub->in;
  size_t cap = hub->in_cap;
  hub->in = hub->out, hub->in_cap = hub->out_cap;
  hub->out = filled, hub->out_cap = cap, hub->out_len = hub->in_len;
  hub->in_len = 0;
  avl_line *said = hub->lines_in;
  hub->lines_in = hub->lines_out;
  hub->lines_out = said, hub->lines_out_len = hub->lines_len;
  hub->lines_len = 0;
  int more = hub->out_len > 0 || hub->lines_out_len > 0 || !hub->closed;
  pthread_mutex_unlock(&hub->lock);
  *outcomes = hub->out, *outcome_count = hub->out_len;
  *lines = hub->lines_out, *line_count = hub->lines_out_len;
  return more;
}

void avl_hub_close(avl_hub *hub) {
  pthread_mutex_lock(&hub->lock);
  hub->closed = 1;
  wake(hub);
  pthread_mutex_unlock(&hub->lock);
}

uint64_t avl_hub_added(avl_hub *hub) {
  pthread_mutex_lock(&hub->lock);
  uint64_t added = hub->added;
  pthread_mutex_unlock(&hub->lock);
  return added;
}

void avl_hub_begin(avl_hub *hub) {
  pthread_mutex_lock(&hub->lock);
  hub->registration.begun = avl_now();
  hub->registration.asked = 0;
  pthread_mutex_unlock(&hub->lock);
}

avl_registration avl_hub_registration(avl_hub *hub) {
  pthread_mutex_lock(&hub->lock);
  avl_registration r = hub->registration;
  pthread_mutex_unlock(&hub->lock);
  return r;
}

void avl_sleep(int64_t micros) { nanosleep(&(struct timespec){.tv_nsec = micros * 1000}, NULL); }

static char *put_length(char *at, int32_t n) {
  memcpy(at, &n, sizeof n);
  return at + sizeof n;
}

static char *put(char *at, const void *bytes, size_t n) {
  if (n)
    memcpy(at, bytes, n);
  return at + n;
}

// copy copies a message that is not in the log, so that the engine can send the
// message again.
static void copy(const message_t *m, avl_failure *f) {
  headers_t *headers = NULL;
  size_t count = 0, size = m->key_len + m->len;
  const char *name;
  const void *value;
  size_t len;
  if (rd_kafka_message_headers(m, &headers) == 0) {
    count = rd_kafka_header_cnt(headers);
    for (size_t i = 0; i < count && rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++)
      size += 8 + strlen(name) + len;
  }
  char *at = f->copy = malloc(size ? size : 1);
  at = put(at, m->key, m->key ? m->key_len : 0);
  at = put(at, m->payload, m->payload ? m->len : 0);
  for (size_t i = 0; i < count && rd_kafka_header_get_all(headers, i, &name, &value, &len) == 0; i++) {
    at = put_length(at, (int32_t)strlen(name));
    at = put(at, name, strlen(name));
    at = put_length(at, value ? (int32_t)len : -1);
    at = put(at, value, value ? len : 0);
  }
  f->key_len = m->key ? (int64_t)m->key_len : -1;
  f->value_len = m->payload ? (int64_t)m->len : -1;
  f->header_count = (uint32_t)count;
}

// other_record is the text of an innocent record in a refused batch. If the
// broker names only one record, the library gives the same code to the whole
// batch.
static const char other_record[] = "Failed to append record because it was part of a batch";

// partition_of returns what is known of a partition, and makes it if needed.
// Under lock.
static partition *partition_of(avl_hub *hub, const char *topic, size_t len, int32_t number, int make) {
  uint32_t hash = 2166136261u ^ (uint32_t)number; // FNV-1a
  for (size_t i = 0; i < len; i++)
    hash = (hash ^ (unsigned char)topic[i]) * 16777619u;
  partition **bucket = &hub->partitions[hash % BUCKETS], *p = *bucket;
  while (p && (p->number != number || strlen(p->topic) != len || strncmp(p->topic, topic, len) != 0))
    p = p->next;
  if (!p && make) {
    p = calloc(1, sizeof *p);
    p->topic = strndup(topic, len);
    p->number = number;
    p->next = *bucket;
    *bucket = p;
  }
  return p;
}

// named_partition returns the partition of a log line, see name_before, or NULL.
// Under lock.
static partition *named_partition(avl_hub *hub, const char *text, const char *end) {
  size_t len;
  int32_t number;
  const char *name = name_before(text, end, &len, &number);
  return name ? partition_of(hub, name, len, number, 1) : NULL;
}

// note_drain notes the drain of a log line. The line is "[thrd:...]: TOPIC
// [PARTITION] beginning partition drain: REASON". In a drain, the library waits
// for the partition's requests, because a request has failed or because the
// leader has moved.
//
// Before a drain for a failed request, the log names the failed batch, see
// note_failure. Without such a line, every earlier message may be in the batch.
//
// note_drain returns AVL_DRAIN or AVL_DRAIN_AGAIN.
static int note_drain(avl_hub *hub, const char *text) {
  static const char drain[] = "] beginning partition drain: ";
  const char *end = strstr(text, drain);
  int mark = AVL_DRAIN;
  if (!end || strcmp(end + sizeof drain - 1, "drain before retrying") != 0)
    return mark;
  pthread_mutex_lock(&hub->lock);
  partition *p = named_partition(hub, text, end);
  if (p && !p->told)
    p->refused = avl_now();
  if (p && p->pending)
    mark = AVL_DRAIN_AGAIN;
  else if (p) {
    p->pending = 1;
    hub->pending++;
  }
  pthread_mutex_unlock(&hub->lock);
  return mark;
}

// batch_of_line finds the batch of a log line. The line has "TOPIC [PARTITION]",
// then what is in with, then "COUNT message(s) (... MsgId FIRST, ...".
// batch_of_line returns the partition, or NULL, and the numbers of the first and
// the last message. The caller holds lock.
static partition *batch_of_line(avl_hub *hub, const char *text, const char *with, uint64_t *first, uint64_t *last) {
  static const char id[] = "MsgId ";
  const char *end = strstr(text, with), *at = end ? strstr(end, id) : NULL;
  partition *p = at ? named_partition(hub, text, end) : NULL;
  if (!p)
    return NULL;
  *first = strtoull(at + sizeof id - 1, NULL, 10);
  *last = *first + strtoull(end + strlen(with), NULL, 10) - 1;
  return p;
}

// note_batch notes the batch of a log line, which has "Produce MessageSet with".
// The library logs the line when it makes the batch, before it sends the batch.
// A batch that is sent again has the same messages and the same numbers. If the
// numbers begin at 1 again, the library has forgotten the partition.
static void note_batch(avl_hub *hub, const char *text) {
  uint64_t first, last;
  pthread_mutex_lock(&hub->lock);
  partition *p = batch_of_line(hub, text, "]: Produce MessageSet with ", &first, &last);
  if (p && (first <= 1 || !p->made || last > p->batches[(p->made - 1) % BATCHES].last))
    p->batches[p->made++ % BATCHES] = (batch){last, avl_now()};
  pthread_mutex_unlock(&hub->lock);
}

// may_be_written reports whether a failed batch may be in the log. The line ends
// with "ERROR (actions ACTION,...". RETRY is the error of a batch that no
// connection has sent. If the library does not send the batch again, the error
// itself says whether the batch is in the log, see certainlyNotPersisted. This
// holds for a wrong sequence number too: the broker has not written the batch,
// and the guard ends the client.
static int may_be_written(const char *error) {
  const char *unsent = rd_kafka_err2str(RETRY), *actions = strstr(error, " (actions ");
  return strncmp(error, unsent, strlen(unsent)) != 0 && (!actions || !strstr(actions, "Permanent"));
}

// note_failure notes the failed batch of a log line, which has "MessageSet with"
// and the error. The line comes before the line about the drain, and before the
// outcomes of the messages.
static void note_failure(avl_hub *hub, const char *text) {
  static const char with[] = " encountered error: ";
  const char *error = strstr(text, with);
  if (!error || !may_be_written(error + sizeof with - 1))
    return;
  uint64_t first, last;
  pthread_mutex_lock(&hub->lock);
  partition *p = batch_of_line(hub, text, "]: MessageSet with ", &first, &last);
  if (p) {
    int64_t made = avl_now();
    for (uint32_t i = p->made; i > 0 && i + BATCHES > p->made; i--)
      if (p->batches[(i - 1) % BATCHES].last == last) {
        made = p->batches[(i - 1) % BATCHES].made;
        break;
      }
    if (made > p->refused)
      p->refused = made;
    p->told = 1;
  }
  pthread_mutex_unlock(&hub->lock);
}

// note_delivery notes that a message of a partition was delivered. The caller
// holds lock.
static void note_delivery(avl_hub *hub, const message_t *m) {
  const char *topic = rd_kafka_topic_name(m->topic);
  partition *p = partition_of(hub, topic, strlen(topic), m->partition, 0);
  if (p && p->pending) {
    p->pending = 0;
    hub->pending--;
  }
}

// was_refused reports whether a message may be in a request that has failed. If
// the broker answered "not leader", the library calls such a message "not
// persisted". But a resigning leader also answers "not leader" for a batch that
// the leader has written but not yet replicated. Such a batch may stay in the
// log.
//
// A message that came after the failed batch was made is not in the batch.
static int was_refused(avl_hub *hub, const message_t *m) {
  int64_t now = avl_now(); // before the latency, so that produced is not too late
  int64_t produced = now - rd_kafka_message_latency(m);
  const char *topic = rd_kafka_topic_name(m->topic);
  pthread_mutex_lock(&hub->lock);
  partition *p = partition_of(hub, topic, strlen(topic), m->partition, 0);
  int maybe = p && produced <= p->refused;
  pthread_mutex_unlock(&hub->lock);
  return maybe;
}

// is_content reports whether a broker's code is about the content of a record.
static int is_content(int err) {
  switch (err) {
  case 2:  // CORRUPT_MESSAGE
  case 32: // INVALID_TIMESTAMP
  case 43: // UNSUPPORTED_FOR_MESSAGE_FORMAT
  case 44: // POLICY_VIOLATION
  case 76: // UNSUPPORTED_COMPRESSION_TYPE
  case 87: // INVALID_RECORD
    return 1;
  }
  return 0;
}

// One thread of the library writes all requests to a broker and handles the
// answers, and the broker answers in the order of the requests. So the thread
// itself keeps the times of its produce requests:
//
//  1. on_request_sent appends the time of a written request.
//  2. on_response_received takes the oldest time and sets on_wire.
//  3. The library handles the answer and calls on_acknowledgement for each
//     message of the request.
//
// The library does not say which request an answer belongs to. After a request
// that timed out in the library's own queue, on_wire may be too small until no
// request is in flight.
enum { PRODUCE = 0, ADD_PARTITIONS_TO_TXN = 24 }; // API keys of requests
enum { MOST_WRITTEN = 64 }; // further requests in flight have no known time

static __thread int64_t written[MOST_WRITTEN]; // microseconds of the monotonic clock
static __thread uint32_t written_from, written_to;
static __thread uint32_t on_wire; // of the answer that the thread handles

static int on_request_sent(rd_kafka_t *rk, int socket, const char *broker, int32_t id, int16_t key, int16_t version, int32_t correlation, size_t size,
                           void *opaque) {
  (void)rk, (void)socket, (void)broker, (void)id, (void)version, (void)correlation, (void)size;
  if (key == PRODUCE)
    written[written_to++ % MOST_WRITTEN] = avl_now();
  if (key == ADD_PARTITIONS_TO_TXN) {
    avl_hub *hub = opaque;
    pthread_mutex_lock(&hub->lock);
    hub->registration.asked = 1;
    pthread_mutex_unlock(&hub->lock);
  }
  return 0;
}

static int on_response_received(rd_kafka_t *rk, int socket, const char *broker, int32_t id, int16_t key, int16_t version, int32_t correlation,
                                size_t size, int64_t round_trip, int err, void *opaque) {
  (void)rk, (void)socket, (void)broker, (void)id, (void)version, (void)correlation, (void)size, (void)round_trip;
  if (key == ADD_PARTITIONS_TO_TXN) {
    avl_hub *hub = opaque;
    pthread_mutex_lock(&hub->lock);
    hub->registration.answered = avl_now();
    pthread_mutex_unlock(&hub->lock);
  }
  if (key != PRODUCE)
    return 0;
  on_wire = 0;
  if (written_from == written_to)
    return 0;
  if (!err && written_to - written_from <= MOST_WRITTEN)
    on_wire = (uint32_t)(avl_now() - written[written_from % MOST_WRITTEN]);
  written_from++;
  return 0;
}

// failure_of describes the failure of a message.
static avl_failure *failure_of(avl_hub *hub, const message_t *m) {
  avl_failure *f = calloc(1, sizeof *f);
  f->err = (int16_t)m->err;
  f->status = (uint8_t)rd_kafka_message_status(m);
  const char *text = rd_kafka_message_produce_errstr(m);
  if (m->err == INVALID_DIFFERENT_RECORD || (text && strncmp(text, other_record, sizeof other_record - 1) == 0))
    f->blame = AVL_BLAME_OTHER;
  else if (m->err > 0) {
    f->text = text ? strdup(text) : NULL;
    if (is_content(m->err))
      f->blame = AVL_BLAME_BATCH;
  }
  if (f->status == STATUS_NOT_PERSISTED && was_refused(hub, m))
    f->status = STATUS_POSSIBLY_PERSISTED;
  if (hub->copy_failed && f->status == STATUS_NOT_PERSISTED)
    copy(m, f);
  return f;
}

// producing is set while the thread is in rd_kafka_produce or rd_kafka_producev.
// If the library does not know the partition, it calls on_acknowledgement and
// then returns the error. The caller of avl_produce gets the error, so the
// message must have no outcome.
static __thread int producing;

static int on_acknowledgement(rd_kafka_t *rk, message_t *m, void *opaque) {
  (void)rk;
  if (producing)
    return 0;
  avl_hub *hub = opaque;
  avl_outcome o = {.token = (uint64_t)(uintptr_t)m->opaque, .offset = m->offset, .partition = m->partition};
  int type;
  o.timestamp = rd_kafka_message_timestamp(m, &type);
  if (m->err)
    o.failure = failure_of(hub, m);
  else
    o.on_wire = on_wire;
  pthread_mutex_lock(&hub->lock);
  if (hub->pending && !m->err)
    note_delivery(hub, m);
  if (o.failure && o.failure->blame != AVL_BLAME_NONE) {
    refused(hub, rd_kafka_topic_name(m->topic), &o);
  } else {
    if (hub->refusals && !m->err) // another thread may purge messages meanwhile
      delivered(hub, rd_kafka_topic_name(m->topic), m->partition);
    append(hub, &o);
  }
  hub->added++;
  wake(hub);
  pthread_mutex_unlock(&hub->lock);
  return 0;
}

// is_epoch marks a message with the timestamp 0, the Unix epoch. The library
// treats the timestamp 0 as "now". Therefore avl_produce sends the timestamp 1,
// and on_send changes the 1 to 0. on_send runs before any other thread sees the
// message.
//
// on_send must find the word with the timestamp. on_send sets a word of
// value 1 to 0 and asks the library for the timestamp. If the library returns
// 0, on_send has found the word. Otherwise on_send restores the word.
static __thread int is_epoch;

static int on_send(rd_kafka_t *rk, message_t *m, void *opaque) {
  (void)rk, (void)opaque;
  if (!is_epoch)
    return 0;
  int64_t *words = (int64_t *)(m + 1);
  for (int i = 0, type; i < 8; i++) {
    if (words[i] != 1)
      continue;
    words[i] = 0;
    if (rd_kafka_message_timestamp(m, &type) == 0)
      break;
    words[i] = 1;
  }
  return 0;
}

// on_broker_state runs on a thread of the library that holds the broker's lock.
static int on_broker_state(rd_kafka_t *rk, int32_t id, const char *protocol, const char *host, int port, const char *state, void *opaque) {
  (void)rk, (void)protocol;
  avl_hub *hub = opaque;
  char address[512];
  // A logical broker, for example the transaction coordinator, has port 0.
  if (port == 0 || snprintf(address, sizeof address, "%d %s:%d", (int)id, host, port) >= (int)sizeof address)
    return 0;
  pthread_mutex_lock(&hub->lock);
  if (hub->lines_len < MOST_LINES + MOST_STATES) {
    hub->lines_in[hub->lines_len++] = (avl_line){AVL_BROKER_STATE, strdup(state), strdup(address)};
    wake(hub);
  }
  pthread_mutex_unlock(&hub->lock);
  return 0;
}

static avl_hub *expected;

static int on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *opaque, char *error, size_t size) {
  (void)conf, (void)error, (void)size;
  avl_hub *hub = opaque;
  hub->rk = rk;
  rd_kafka_interceptor_add_on_send(rk, "avroline", on_send, hub);
  rd_kafka_interceptor_add_on_request_sent(rk, "avroline", on_request_sent, hub);
  rd_kafka_interceptor_add_on_response_received(rk, "avroline", on_response_received, hub);
  rd_kafka_interceptor_add_on_broker_state_change(rk, "avroline", on_broker_state, hub);
  return rd_kafka_interceptor_add_on_acknowledgement(rk, "avroline", on_acknowledgement, hub);
}

static void add_line(avl_hub *hub, int level, const char *tag, const char *text) {
  pthread_mutex_lock(&hub->lock);
  if (hub->lines_len < MOST_LINES) {
    hub->lines_in[hub->lines_len++] = (avl_line){level, strdup(tag), strdup(text)};
    wake(hub);
  }
  pthread_mutex_unlock(&hub->lock);
}

// on_log runs on the thread that logs, and other threads may wait for this
// thread.
//
// A broker may refuse a batch for its sequence number while an earlier batch is
// not written. The library then raises its epoch and may write other batches
// twice (its issue 4953). The library logs a line before it raises the epoch.
// At this line on_log causes a fatal error, and the fatal error stops the
// library.
static void on_log(const rd_kafka_t *rk, int level, const char *tag, const char *text) {
  avl_hub *hub = rk ? rd_kafka_opaque(rk) : NULL;
  if (!hub)
    return;
  if (level == LOG_DEBUG && hub->guard) {
    if (strcmp(tag, "PRODUCE") == 0)
      note_batch(hub, text);
    if (strcmp(tag, "MSGSET") == 0) {
      note_failure(hub, text);
      add_line(hub, AVL_REFUSED, tag, text);
    }
    if (strcmp(tag, "ERRSEQ") == 0)
      rd_kafka_test_fatal_error((rd_kafka_t *)rk, OUT_OF_ORDER_SEQUENCE_NUMBER, text);
  }
  if (level == LOG_DEBUG && strcmp(tag, "DRAIN") == 0)
    add_line(hub, note_drain(hub, text), tag, text);
  if (level < LOG_DEBUG && strcmp(tag, "GETPID") == 0)
    add_line(hub, AVL_REFUSED, tag, text);
  if (strcmp(tag, "FATAL") == 0)
    note_refusal(hub, text);
  if (level <= hub->max_level)
    add_line(hub, level, tag, text);
}

void avl_hub_expect(avl_hub *hub) { expected = hub; }

int avl_plug(rd_kafka_conf_t *conf) {
  char error[256];
  if (!expected)
    return -1;
  // Outcomes come through on_acknowledgement. Without this setting, the
  // Go client would make an event for each message.
  if (rd_kafka_conf_set(conf, "delivery.report.only.error", "true", error, sizeof error) != 0)
    return -1;
  rd_kafka_conf_set_opaque(conf, expected);
  rd_kafka_conf_set_log_cb(conf, on_log);
  return rd_kafka_conf_interceptor_add_on_new(conf, "avroline", on_new, expected);
}

static int32_t take_length(const char **at) {
  int32_t n;
  memcpy(&n, *at, sizeof n);
  *at += sizeof n;
  return n;
}

static headers_t *unpack(const char *at, uint32_t count) {
  headers_t *headers = rd_kafka_headers_new(count);
  for (uint32_t i = 0; i < count; i++) {
    int32_t name_len = take_length(&at);
    const char *name = at;
    at += name_len;
    int32_t len = take_length(&at);
    rd_kafka_header_add(headers, name, name_len, len < 0 ? NULL : at, len < 0 ? 0 : len);
    at += len < 0 ? 0 : len;
  }
  return headers;
}

// These are the values of rd_kafka_vtype_t. Each value is the type of the next
// arguments of rd_kafka_producev.
enum { V_END = 0, V_RKT = 2, V_PARTITION = 3, V_VALUE = 4, V_KEY = 5, V_OPAQUE = 6, V_FLAGS = 7, V_TIMESTAMP = 8, V_HEADERS = 10 };
enum { F_COPY = 2 }; // RD_KAFKA_MSG_F_COPY

int avl_produce(uintptr_t client, uintptr_t handle, int32_t partition, char *key, int64_t key_len, char *value, int64_t value_len,
                int64_t timestamp, int has_timestamp, char *packed, uint32_t header_count, uint64_t token) {
  rd_kafka_t *rk = (rd_kafka_t *)client;
  rd_kafka_topic_t *topic = (rd_kafka_topic_t *)handle;
  if (key_len < 0)
    key = NULL, key_len = 0;
  if (value_len < 0)
    value = NULL, value_len = 0;
  size_t key_size = (size_t)key_len, value_size = (size_t)value_len;
  void *opaque = (void *)(uintptr_t)token;
  producing = 1;
  if (!has_timestamp && header_count == 0) {
    int failed = rd_kafka_produce(topic, partition, F_COPY, value, value_size, key, key_size, opaque);
    producing = 0;
    return failed ? rd_kafka_last_error() : 0;
  }
  if (has_timestamp && timestamp == 0)
    timestamp = 1, is_epoch = 1;
  headers_t *headers = header_count ? unpack(packed, header_count) : NULL;
  int err = rd_kafka_producev(rk, V_RKT, topic, V_PARTITION, partition, V_FLAGS, F_COPY, V_VALUE, value, value_size, V_KEY, key, key_size,
                              V_TIMESTAMP, has_timestamp ? timestamp : (int64_t)0, V_HEADERS, headers, V_OPAQUE, opaque, V_END);
  is_epoch = producing = 0;
  if (err && headers)
    rd_kafka_headers_destroy(headers);
  return err;
}

int avl_produce_group(uintptr_t handle, int32_t partition, char *data, avl_entry *entries, int count) {
  message_t messages[AVL_GROUP];
  memset(messages, 0, (size_t)count * sizeof *messages);
  char *at = data ? data : "";
  for (int i = 0; i < count; i++) {
    if (entries[i].key >= 0) {
      messages[i].key = at;
      at += messages[i].key_len = (size_t)entries[i].key;
    }
    if (entries[i].value >= 0) {
      messages[i].payload = at;
      at += messages[i].len = (size_t)entries[i].value;
    }
    messages[i].opaque = (void *)(uintptr_t)entries[i].token;
  }
  int taken = rd_kafka_produce_batch((rd_kafka_topic_t *)handle, partition, F_COPY, messages, count);
  if (taken < count)
    for (int i = 0; i < count; i++)
      entries[i].err = messages[i].err;
  return count - taken;
}

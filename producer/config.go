package producer

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/librdkafka"
)

// constructor says who is asking, since not every option can be honoured by each.
type constructor string

const (
	forProducer      constructor = "New"
	forTransactional constructor = "NewTransactional"
	forProcessor     constructor = "NewProcessor"
	forSource        constructor = "NewSource"
)

// config is everything that options can say. It is made by newConfig, checked, and not changed afterwards.
type config struct {
	forWhom         constructor
	brokers         []string
	transactionalID string

	clientID, rack string
	weak           bool // WithWeakAcks: no idempotence
	acks           Acks

	linger             time.Duration
	batchBytes         int
	batchMessages      int
	maxMessageBytes    int
	compression        Compression
	compressionLevel   int // -1: the codec's own
	maxMessages        int // our bound on what is in flight
	maxBytes           int64
	maxBlock           time.Duration // 0: only the context bounds it
	inFlightRequests   int
	retries            int // -1: without end
	retryBackoff       time.Duration
	retryBackoffMax    time.Duration
	requestTimeout     time.Duration
	deliveryTimeout    time.Duration // 0: never; in a transaction, its timeout
	transactionTimeout time.Duration
	metadataMaxAge     time.Duration
	groupMessages      int // 0: no group commit
	groupWait          time.Duration
	create             createTopics
	recovery           bool
	tls                *TLS
	sasl               *SASL
	logger             *slog.Logger
	hooks              []Hooks
	onFailure          func(Delivery, error)
	codecLevels        map[Compression]int // Java's compression.gzip.level and the like
	protocol           string              // security.protocol where a file said it, else ""
	extra              map[string]string   // librdkafka's settings that we have no opinion on
	consumerExtra      map[string]string   // those of a consumer, for a processor
	said               map[string]string   // who set it, by librdkafka's name: "WithLinger", "app.properties:3: linger.ms"
}

type createTopics struct {
	on                      bool
	partitions, replication int
	settings                map[string]string
}

// newConfig applies the options in order and checks the whole. All mistakes are in the error, each a [*ConfigError].
// Brokers given as the constructor's parameter win over a file's bootstrap.servers.
func newConfig(who constructor, brokers []string, transactionalID string, opts []Option) (*config, error) {
	c := &config{
		forWhom: who, transactionalID: transactionalID,
		clientID:           "avroline",
		acks:               AcksAll,
		maxMessageBytes:    1_000_000,
		inFlightRequests:   5,
		retries:            -1,
		retryBackoff:       100 * time.Millisecond,
		retryBackoffMax:    time.Second,
		requestTimeout:     30 * time.Second,
		transactionTimeout: time.Minute,
		metadataMaxAge:     time.Minute,
		logger:             slog.New(slog.DiscardHandler),
		extra:              map[string]string{},
		consumerExtra:      map[string]string{},
		said:               map[string]string{},
	}
	if who == forProducer { // see WithInFlightRequests
		c.inFlightRequests = 1
	}
	_ = Balanced().apply(c)
	var errs []error
	for _, o := range opts {
		if o.apply == nil { // the zero Option
			continue
		}
		if err := o.apply(c); err != nil {
			errs = append(errs, err)
		}
	}
	if len(brokers) > 0 {
		c.brokers = brokers
		c.said["bootstrap.servers"] = "brokers"
	}
	if n, ok := c.codecLevels[c.compression]; ok && c.compressionLevel == -1 {
		c.compressionLevel = n
		c.said["compression.level"] = c.name("compression." + string(c.compression) + ".level")
	}
	c.settleSecurity()
	errs = append(errs, c.check()...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.brokers = slices.Clone(c.brokers)
	return c, nil
}

// ConfigError is one setting that cannot be. Secrets are not in it.
type ConfigError struct {
	// Setting is the option's name, or file, line and key.
	Setting string
	// Value is what was given, empty for a secret.
	Value string
	// Reason says why not, and what is allowed.
	Reason string
}

func (e *ConfigError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("producer: %s: %s", e.Setting, e.Reason)
	}
	return fmt.Sprintf("producer: %s: %q: %s", e.Setting, e.Value, e.Reason)
}

// name is how the user called a setting: by an option, a line of a file, or not at all.
func (c *config) name(key string) string {
	if who, ok := c.said[key]; ok {
		return who
	}
	return key
}

func (c *config) check() []error {
	var errs []error
	bad := func(key string, value any, format string, args ...any) {
		errs = append(errs, &ConfigError{c.name(key), fmt.Sprint(value), fmt.Sprintf(format, args...)})
	}
	between := func(key string, v, least, most int) {
		if v < least || v > most {
			bad(key, v, "must be from %d to %d", least, most)
		}
	}
	span := func(key string, d, least, most time.Duration) {
		if d < least || d > most {
			bad(key, d, "must be from %v to %v", least, most)
		}
	}
	if len(c.brokers) == 0 {
		errs = append(errs, &ConfigError{c.name("bootstrap.servers"), "", "no broker given: name at least one host:port"})
	}
	for _, b := range c.brokers {
		if reason := badBroker(b); reason != "" {
			bad("bootstrap.servers", b, "%s", reason)
		}
	}
	if c.forWhom != forProducer && c.transactionalID == "" {
		errs = append(errs, &ConfigError{"transactionalID", "", "must not be empty: one per running process, kept across restarts"})
	}
	for _, key := range c.refusedKeys() {
		if who, ok := c.said[key]; ok {
			errs = append(errs, &ConfigError{who, "", "cannot be honoured by " + string(c.forWhom)})
		}
	}
	if strings.ContainsFunc(c.clientID, func(r rune) bool { return r < ' ' || r == 0x7f }) || c.clientID == "" {
		bad("client.id", c.clientID, "must be text without control characters")
	}
	if c.acks < AcksAll || c.acks > AcksLeader {
		bad("acks", c.acks, "must be AcksNone, AcksLeader or AcksAll")
	}
	span("linger.ms", c.linger, 0, 15*time.Minute)
	between("batch.size", c.batchBytes, 1, math.MaxInt32)
	between("batch.num.messages", c.batchMessages, 1, 1_000_000)
	between("message.max.bytes", c.maxMessageBytes, 1000, 1_000_000_000)
	between("max.in.flight.requests.per.connection", c.inFlightRequests, 1, 1_000_000)
	between("queue.buffering.max.messages", c.maxMessages, 1, 100_000_000)
	if c.maxBytes < 1 {
		bad("buffer.memory", c.maxBytes, "must be at least 1 byte")
	}
	span("max.block.ms", c.maxBlock, 0, math.MaxInt32*time.Millisecond)
	span("retry.backoff.ms", c.retryBackoff, time.Millisecond, 5*time.Minute)
	span("retry.backoff.max.ms", c.retryBackoffMax, time.Millisecond, 5*time.Minute)
	span("request.timeout.ms", c.requestTimeout, time.Millisecond, 15*time.Minute)
	span("delivery.timeout.ms", c.deliveryTimeout, 0, math.MaxInt32*time.Millisecond)
	span("transaction.timeout.ms", c.transactionTimeout, time.Second, math.MaxInt32*time.Millisecond)
	span("topic.metadata.refresh.interval.ms", c.metadataMaxAge, 10*time.Millisecond, time.Hour)
	if _, said := c.said["group.commit"]; said && (c.groupMessages < 1 || c.groupWait < 0 || c.groupWait >= c.transactionTimeout) {
		bad("group.commit", fmt.Sprintf("%d, %v", c.groupMessages, c.groupWait), "must be at least 1 message, and a wait from 0 to less than %s, %v",
			c.name("transaction.timeout.ms"), c.transactionTimeout)
	}
	c.checkCompression(bad)
	c.checkTogether(bad)
	if c.create.on {
		for _, n := range []int{c.create.partitions, c.create.replication} {
			if n != -1 && (n < 1 || n > 100_000) {
				bad("create.topics", n, "must be at least 1, or -1 for the broker's own number")
			}
		}
	} else if len(c.create.settings) > 0 {
		bad("topic.settings", "", "goes only with WithCreateTopics")
	}
	return append(errs, c.checkSecurity()...)
}

func (c *config) checkCompression(bad func(key string, value any, format string, args ...any)) {
	most := map[Compression]int{NoCompression: 0, Gzip: 9, Snappy: 0, LZ4: 12, Zstd: 12}
	top, ok := most[c.compression]
	switch {
	case !ok:
		bad("compression.type", c.compression, "must be one of none, gzip, snappy, lz4, zstd")
	case c.compressionLevel == -1:
	case top == 0:
		bad("compression.level", c.compressionLevel, "%s %s has no levels", c.name("compression.type"), c.compression)
	case c.compressionLevel < 0 || c.compressionLevel > top:
		bad("compression.level", c.compressionLevel, "must be from 0 to %d for %s %s, or -1 for its own",
			top, c.name("compression.type"), c.compression)
	}
}

// checkTogether refuses values that are fine alone.
func (c *config) checkTogether(bad func(key string, value any, format string, args ...any)) {
	if c.retryBackoffMax < c.retryBackoff {
		bad("retry.backoff.max.ms", c.retryBackoffMax, "is below %s, %v", c.name("retry.backoff.ms"), c.retryBackoff)
	}
	if c.deliveryTimeout > 0 && c.deliveryTimeout <= c.linger {
		bad("delivery.timeout.ms", c.deliveryTimeout, "must be above %s, %v", c.name("linger.ms"), c.linger)
	}
	if c.maxBytes < int64(c.maxMessageBytes) {
		bad("buffer.memory", c.maxBytes, "one message of %s, %d, would not fit", c.name("message.max.bytes"), c.maxMessageBytes)
	}
	if !c.weak {
		if c.inFlightRequests > 5 {
			bad("max.in.flight.requests.per.connection", c.inFlightRequests, "idempotence allows 5 at most; WithWeakAcks would give it up")
		}
		if c.retries >= 0 {
			bad("retries", c.retries, "idempotence rests on retrying without end; only WithWeakAcks would give it up")
		}
	}
	if c.transactionalID == "" {
		return
	}
	if c.weak {
		bad("acks", c.acks, "a transaction needs acks=all and idempotence")
	}
	if c.deliveryTimeout > c.transactionTimeout {
		bad("delivery.timeout.ms", c.deliveryTimeout, "is above %s, %v", c.name("transaction.timeout.ms"), c.transactionTimeout)
	}
}

// refusedKeys are the settings that mean nothing to the constructor.
func (c *config) refusedKeys() []string {
	switch c.forWhom {
	case forTransactional:
		return []string{"recovery"}
	case forProcessor, forSource:
		return []string{"recovery", "group.commit"}
	default:
		return []string{"transaction.timeout.ms", "group.commit"}
	}
}

func badBroker(b string) string {
	if strings.TrimSpace(b) == "" {
		return "is empty: host:port is wanted (is an environment variable unset?)"
	}
	if i := strings.Index(b, "://"); i >= 0 {
		return "has a scheme: host:port is wanted, security goes into WithTLS and WithSASL"
	}
	if strings.ContainsAny(b, ", \t\r\n") {
		return "host:port is wanted, one broker an element"
	}
	host, port, err := net.SplitHostPort(b)
	if err != nil {
		host, port = b, "9092" // librdkafka's default
		if strings.Contains(b, ":") {
			return "host:port is wanted ([host]:port for IPv6)"
		}
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return "the port must be from 1 to 65535"
	}
	if host == "" {
		return "the host is empty"
	}
	return ""
}

// clientMap is what producer, consumer and admin clients have in common.
func (c *config) clientMap() kafka.ConfigMap {
	m := kafka.ConfigMap{
		"bootstrap.servers":                  strings.Join(c.brokers, ","),
		"client.id":                          c.clientID,
		"client.software.name":               "avroline",
		"topic.metadata.refresh.interval.ms": millis(c.metadataMaxAge),
		"enable.metrics.push":                false,
		"go.logs.channel.enable":             true, // else librdkafka writes to stderr
	}
	if c.rack != "" {
		m["client.rack"] = c.rack
	}
	for k, v := range c.extra {
		m[k] = v
	}
	c.addSecurity(m)
	return m
}

// producerMap is the configuration of the producing client. Bounds on the buffer are ours, in Go: the client's own are
// put out of the way, so that it never answers "queue full".
func (c *config) producerMap() kafka.ConfigMap {
	m := c.clientMap()
	m["enable.idempotence"] = !c.weak
	m["acks"] = int(c.acks)
	m["linger.ms"] = strconv.FormatFloat(float64(c.linger)/1e6, 'f', -1, 64)
	m["batch.size"] = c.batchBytes
	m["batch.num.messages"] = c.batchMessages
	m["message.max.bytes"] = c.maxMessageBytes
	m["compression.type"] = string(c.compression)
	m["compression.level"] = c.compressionLevel
	m["queue.buffering.max.messages"] = 0
	m["queue.buffering.max.kbytes"] = math.MaxInt32
	m["max.in.flight.requests.per.connection"] = c.inFlightRequests
	m["retry.backoff.ms"] = millis(c.retryBackoff)
	m["retry.backoff.max.ms"] = millis(c.retryBackoffMax)
	m["request.timeout.ms"] = millis(c.requestTimeout)
	m["go.delivery.report.fields"] = "none"
	m["go.events.channel.size"] = 8192
	m["go.produce.channel.size"] = 0
	if c.retries >= 0 {
		m["retries"] = c.retries
	}
	if c.guarded() {
		m["debug"] = strings.Trim(c.extra["debug"]+","+librdkafka.GuardDebug, ",")
	}
	if c.transactionalID == "" {
		m["delivery.timeout.ms"] = millis(c.deliveryTimeout)
		return m
	}
	m["transactional.id"] = c.transactionalID
	m["transaction.timeout.ms"] = millis(c.transactionTimeout)
	if c.deliveryTimeout > 0 { // unset, messages expire with their transaction, which aborts cleanly
		m["delivery.timeout.ms"] = millis(c.deliveryTimeout)
	}
	return m
}

// guarded says that a skipped sequence number must end the client: a transaction aborts of it.
func (c *config) guarded() bool { return !c.weak && c.transactionalID == "" }

// The levels of syslog that the client's log has.
const (
	logError   = 3
	logWarning = 4
	logInfo    = 6
	logDebug   = 7
)

// logLevel is what of the client's log is told: as the client has it, were there no guard, which makes it log all.
func (c *config) logLevel() int {
	if c.extra["debug"] != "" {
		return logDebug
	}
	if level, err := strconv.Atoi(c.extra["log_level"]); err == nil {
		return level
	}
	return logInfo
}

// millis rounds up, so that a positive duration never becomes the 0 that means something else.
func millis(d time.Duration) int { return int((d + time.Millisecond - 1) / time.Millisecond) }

// String tells the settings without secrets, so that a config may be logged.
func (c *config) String() string {
	return fmt.Sprintf("config{%s brokers=%v client.id=%s acks=%v linger=%v}", c.forWhom, c.brokers, c.clientID, c.acks, c.linger)
}

// GoString is String, so that %#v prints no secret either.
func (c *config) GoString() string { return c.String() }

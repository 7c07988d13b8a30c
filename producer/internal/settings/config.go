package settings

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/avroline/avroline/internal/logsum"
)

// Purpose is the constructor that reads the settings. Some settings are only
// for some constructors.
type Purpose string

// The values of [Purpose] are the names of the constructors.
const (
	ForProducer      Purpose = "New"
	ForTransactional Purpose = "NewTransactional"
	ForProcessor     Purpose = "processor.New"
	ForSource        Purpose = "source.New"
	ForConnection    Purpose = "ConnectionOf" // takes the settings of all constructors
)

// Config holds the value of every setting. [New] makes and checks a Config. No
// code changes a Config afterwards, so a Config is safe for concurrent use.
type Config struct {
	Purpose         Purpose
	Brokers         []string
	TransactionalID string // empty without transactions

	Transport      Transports // Confluent or Franz
	ClientID, Rack string
	WeakAcks       bool // set by WithWeakAcks; the client is then not idempotent
	Acks           Acks

	Linger              time.Duration
	BatchBytes          int
	BatchMessages       int
	MaxMessageBytes     int
	Compression         Compression
	CompressionLevel    int // -1 means the codec's own level
	MaxInFlightMessages int // accepted messages without an outcome
	MaxInFlightBytes    int64
	MaxBlock            time.Duration // 0 means that only the context limits the wait
	MaxWaitingCallbacks int           // -1 means no limit
	InFlightRequests    int
	Retries             int // -1 means no limit
	RetryBackoff        time.Duration
	RetryBackoffMax     time.Duration
	RequestTimeout      time.Duration
	DeliveryTimeout     time.Duration // 0 means no timeout; a transaction uses its own timeout
	TransactionTimeout  time.Duration
	MetadataMaxAge      time.Duration
	GroupCommitMessages int // 0 means no group commit
	GroupCommitWait     time.Duration
	CreateTopics        CreateTopics
	CompactedTopic      string // the name of a topic whose messages must not expire, or empty
	Recovery            bool
	StrictPrepare       bool
	TLS                 *TLS
	SASL                *Credentials
	Logger              *slog.Logger // sums up lines that repeat, see CloseLog

	// Passed has librdkafka's settings without a field in Config.
	Passed map[string]string
	// ConsumerPassed has the same for the consumer of a processor.
	ConsumerPassed map[string]string

	codecLevels map[Compression]int          // for example Java's compression.gzip.level
	twoLevels   map[Compression]*ConfigError // two levels of a codec in one source
	protocol    string                       // security.protocol of a file, or ""
	origins     map[string]string            // origin of each setting, for example "WithLinger" or "app.properties:3: linger.ms"
	carried     []any
	rows        []Setting
	names       map[string]*Setting // the rows by every name in files
	unknown     []*ConfigError      // unknown keys of files
	logUnknown  bool
	unread      unread

	// These fields are the answers of files about the check of the broker's
	// certificate. verifyOn and hostnameOff come from names of librdkafka and
	// Java. An answer "off" under these names is an error, unless skipVerify or
	// skipHostname agrees. skipVerify and skipHostname come from names of this
	// package.
	verifyOn, hostnameOff    bool
	skipVerify, skipHostname bool
	clearTextAllowed         bool // set by AllowClearTextPassword
	secrets                  *secrets

	fileRetries    *int            // retries, if a file limits them
	idempotenceOff bool            // a file has enable.idempotence=false
	sums           *logsum.Handler // nil if nothing is logged
}

// CreateTopics says whether the client creates missing topics, and with which
// values.
type CreateTopics struct {
	Allowed                 bool
	Partitions, Replication int
	Settings                map[string]string
}

// New applies the options in their order and checks the result. The error holds
// every mistake, each as a [*ConfigError]. If brokers is given, brokers
// overrides the bootstrap.servers of a file.
func New(purpose Purpose, brokers []string, transactionalID string, opts []Option) (*Config, error) {
	c, err := Read(purpose, brokers, transactionalID, opts)
	if err == nil {
		c.logNotes()
	}
	return c, err
}

// Read is like New but does not log. A processor reads the options before its
// producer, and two equal warnings would be too many.
func Read(purpose Purpose, brokers []string, transactionalID string, opts []Option) (*Config, error) {
	c := newDefaults(purpose)
	c.TransactionalID = transactionalID
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
		c.Brokers = brokers
		c.origins["bootstrap.servers"] = "brokers"
	}
	if err, ok := c.twoLevels[c.Compression]; ok {
		errs = append(errs, err)
	}
	if n, ok := c.codecLevels[c.Compression]; ok && c.CompressionLevel == -1 {
		c.CompressionLevel = n
		c.origins["compression.level"] = c.Origin("compression." + string(c.Compression) + ".level")
	}
	c.resolveSecurity()
	c.resolveRetries()
	errs = append(errs, c.unknownKeys())
	errs = append(errs, c.check()...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Brokers = slices.Clone(c.Brokers)
	c.secrets = newSecrets(c)
	if c.Logger.Enabled(context.Background(), slog.LevelError) {
		var never []string
		if c.Passed["debug"] != "" { // the user has asked for all lines of the library
			never = []string{"client_log"}
		}
		c.sums = logsum.New(c.Logger.Handler(), never...)
		c.Logger = slog.New(c.sums)
	}
	return c, nil
}

// LogAgain logs that work is done again after a pause. The first time in a row
// is normal, so its level is info. Later times have a longer pause and the
// level warn.
func (c *Config) LogAgain(ctx context.Context, pause time.Duration, message string, args ...any) {
	level := slog.LevelInfo
	if pause > c.RetryBackoff {
		level = slog.LevelWarn
	}
	c.Logger.Log(ctx, level, message, args...)
}

// CloseLog logs how often the last lines were repeated. The owner of a Config
// calls CloseLog at the end of its work.
func (c *Config) CloseLog() {
	if c.sums != nil {
		c.sums.Close()
	}
}

// resolveRetries applies a file's limit of retries. The limit has an effect
// only with weak acks. Otherwise retries have no limit, and New logs this fact.
func (c *Config) resolveRetries() {
	if c.fileRetries != nil && c.Retries == -1 && (c.WeakAcks || *c.fileRetries < 1) { // without weak acks, check refuses a value less than 1
		c.Retries, c.fileRetries = *c.fileRetries, nil
	}
}

// logNotes logs notes for the user that are no errors.
func (c *Config) logNotes() {
	if len(c.unknown) > 0 {
		keys := make([]string, len(c.unknown))
		for i, err := range c.unknown {
			keys[i] = err.Setting
		}
		c.Logger.Warn("unknown_settings", "settings", keys)
	}
	if c.fileRetries != nil && c.Retries == -1 {
		c.Logger.Info("setting_without_effect", "setting", c.Origin("retries"), "reason", "messages are retried without end")
	}
	if origin := c.Origin("delivery.timeout.ms"); c.DeliveryTimeout > 0 && c.Guarded() && origin != "WithDeliveryTimeout" {
		c.Logger.Warn("delivery_may_expire", "setting", origin, "after", c.DeliveryTimeout, "reason", "an expired message may be lost or written twice")
	}
	c.logInsecure()
}

// newDefaults returns a Config with the default of every setting.
func newDefaults(purpose Purpose) *Config {
	c := &Config{
		Purpose:        purpose,
		Transport:      linked()[0],
		Acks:           AcksAll,
		Logger:         slog.New(slog.DiscardHandler),
		Passed:         map[string]string{},
		ConsumerPassed: map[string]string{},
		origins:        map[string]string{},
		rows:           Table(),
	}
	c.names = byName(c.rows)
	for i := range c.rows {
		if s := &c.rows[i]; s.Default != "" {
			_ = s.set(c, s.Default) // a test reads every default
		}
	}
	if purpose == ForProducer { // see WithInFlightRequests
		c.InFlightRequests = 1
	}
	return c
}

// ConfigError is one wrong setting. A ConfigError contains no secret.
type ConfigError struct {
	// Setting is the option's name, or the file, line and key.
	Setting string
	// Value is the given value. Value is empty for a secret.
	Value string
	// Reason says why the value is wrong, and lists the allowed values.
	Reason string
}

func (e *ConfigError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("producer: %s: %s", e.Setting, e.Reason)
	}
	return fmt.Sprintf("producer: %s: %q: %s", e.Setting, e.Value, e.Reason)
}

// Origin returns the place where the user set a setting. The place is an
// option, or a line of a file. If the user did not set the key, Origin returns
// the key.
func (c *Config) Origin(key string) string { return c.OriginOr(key, key) }

// OriginOr is [Config.Origin] with another name for a setting that the user did
// not set.
func (c *Config) OriginOr(key, unset string) string {
	if who, ok := c.origins[key]; ok {
		return who
	}
	return unset
}

// check returns every mistake in the settings, each as a [*ConfigError].
func (c *Config) check() []error {
	var errs []error
	if len(c.Brokers) == 0 && !c.unread.brokers {
		errs = append(errs, &ConfigError{c.Origin("bootstrap.servers"), "", "no broker given: name at least one host:port"})
	}
	for _, b := range c.Brokers {
		if reason := badBroker(b); reason != "" {
			if strings.ContainsRune(b, '@') { // user:password@host
				b = ""
			}
			b = b[:min(len(b), mostHost)]
			errs = append(errs, &ConfigError{c.Origin("bootstrap.servers"), b, reason})
		}
	}
	if c.Purpose != ForProducer && c.Purpose != ForConnection && c.TransactionalID == "" {
		errs = append(errs, &ConfigError{"transactionalID", "", "must not be empty: one per running process, kept across restarts"})
	}
	switch n := len(c.TransactionalID); {
	case n > mostTransactionalID:
		errs = append(errs, &ConfigError{"transactionalID", "", fmt.Sprintf("has %d bytes: at most %d are allowed", n, mostTransactionalID)})
	case !utf8.ValidString(c.TransactionalID):
		errs = append(errs, &ConfigError{"transactionalID", c.TransactionalID, "must be UTF-8: a broker replaces other bytes, so two ids would become the same id"})
	}
	for i := range c.rows {
		s := &c.rows[i]
		origin, set := c.origins[s.Key]
		switch {
		case set && !s.In.has(c.Purpose) && s.passed != toConsumer:
			errs = append(errs, &ConfigError{origin, "", fmt.Sprintf("%s does not have this setting, only %s: remove the setting", c.Purpose, s.In)})
		case set && !s.Transports.Has(c.Transport):
			errs = append(errs, &ConfigError{origin, "", fmt.Sprintf("the transport %s does not have this setting", c.Transport)})
		case s.check != nil:
			if reason := s.check(c); reason != "" {
				errs = append(errs, &ConfigError{c.Origin(s.Key), c.shown(s), reason})
			}
		}
	}
	c.checkTogether(func(key string, value any, format string, args ...any) {
		errs = append(errs, &ConfigError{c.Origin(key), fmt.Sprint(value), fmt.Sprintf(format, args...)})
	})
	return slices.Concat(errs, c.checkSecurity(), c.checkText())
}

// mostTransactionalID is the limit for a transactional id, in bytes. Kafka's
// own limit is 32,767, and a request has more than the id.
const mostTransactionalID = 16_382

// shown returns the value of a setting if an error may show the value, or "".
func (c *Config) shown(s *Setting) string {
	if s.Show != Harmless || s.value == nil {
		return ""
	}
	return fmt.Sprint(s.value(c))
}

// checkTogether refuses values that do not fit together.
func (c *Config) checkTogether(bad func(key string, value any, format string, args ...any)) {
	if c.RetryBackoffMax < c.RetryBackoff {
		bad("retry.backoff.max.ms", c.RetryBackoffMax, "is below %s, %v", c.Origin("retry.backoff.ms"), c.RetryBackoff)
	}
	if c.DeliveryTimeout > 0 && c.DeliveryTimeout <= c.Linger {
		bad("delivery.timeout.ms", c.DeliveryTimeout, "must be above %s, %v", c.Origin("linger.ms"), c.Linger)
	}
	if c.MaxInFlightBytes < int64(c.MaxMessageBytes) {
		bad("buffer.memory", fmt.Sprintf("%d bytes", c.MaxInFlightBytes), "one message of %s, %d, would not fit", c.Origin("message.max.bytes"), c.MaxMessageBytes)
	}
	if !c.WeakAcks {
		if c.InFlightRequests > 5 {
			bad("max.in.flight.requests.per.connection", c.InFlightRequests, "idempotence allows 5 at most; WithWeakAcks would give it up")
		}
		if c.Retries >= 0 {
			bad("retries", c.Retries, "idempotence rests on retrying without end; only WithWeakAcks would give it up")
		}
	}
	if c.TransactionalID == "" {
		return
	}
	if c.WeakAcks {
		key := "acks" // the key of WithWeakAcks
		if _, inFile := c.origins["avroline.weak.acks"]; inFile {
			key = "avroline.weak.acks"
		}
		bad(key, c.Acks, "a transaction needs acks=all and idempotence")
	}
	if c.DeliveryTimeout > c.TransactionTimeout {
		bad("delivery.timeout.ms", c.DeliveryTimeout, "is above %s, %v", c.Origin("transaction.timeout.ms"), c.TransactionTimeout)
	}
}

// mostHost is the largest number of bytes of a host name in DNS.
const mostHost = 255

func badBroker(b string) string {
	if strings.TrimSpace(b) == "" {
		return "is empty: host:port is wanted (is an environment variable unset?)"
	}
	if strings.ContainsRune(b, '@') {
		return "host:port is wanted, without user and password: they go into WithSASL"
	}
	if strings.Contains(b, "://") {
		return "has a scheme: host:port is wanted, security goes into WithTLS and WithSASL"
	}
	if strings.ContainsAny(b, ",\x00"+cSpace) {
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
	if len(host) > mostHost {
		return fmt.Sprintf("the host has %d bytes: a host name has at most %d", len(host), mostHost)
	}
	return ""
}

// String describes the settings without secrets, so that a program can log a
// Config.
func (c *Config) String() string {
	return fmt.Sprintf("config{%s brokers=%v client.id=%s acks=%v linger=%v}", c.Purpose, c.Brokers, c.ClientID, c.Acks, c.Linger)
}

// Format prints [Config.String] for every verb.
func (c *Config) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

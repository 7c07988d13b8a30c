package settings

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Purpose is the constructor that reads the settings. Not every constructor
// can honour every setting.
type Purpose string

// The values of [Purpose] are the names of the constructors.
const (
	ForProducer      Purpose = "New"
	ForTransactional Purpose = "NewTransactional"
	ForProcessor     Purpose = "processor.New"
	ForSource        Purpose = "source.New"
)

// Config holds the value of every setting. [New] makes it and checks it.
// Nobody changes it afterwards, so it is safe for concurrent use.
type Config struct {
	Purpose         Purpose
	Brokers         []string
	TransactionalID string // empty without transactions

	Transport      Transports // Confluent or Franz
	ClientID, Rack string
	WeakAcks       bool // WithWeakAcks: no idempotence
	Acks           Acks

	Linger              time.Duration
	BatchBytes          int
	BatchMessages       int
	MaxMessageBytes     int
	Compression         Compression
	CompressionLevel    int // -1: the codec's own level
	MaxInFlightMessages int // accepted messages without an outcome
	MaxInFlightBytes    int64
	MaxBlock            time.Duration // 0: only the context bounds the wait
	InFlightRequests    int
	Retries             int // -1: without end
	RetryBackoff        time.Duration
	RetryBackoffMax     time.Duration
	RequestTimeout      time.Duration
	DeliveryTimeout     time.Duration // 0: never; in a transaction, its timeout
	TransactionTimeout  time.Duration
	MetadataMaxAge      time.Duration
	GroupCommitMessages int // 0: no group commit
	GroupCommitWait     time.Duration
	CreateTopics        CreateTopics
	Recovery            bool
	TLS                 *TLS
	SASL                *Credentials
	Logger              *slog.Logger

	// Passed has librdkafka's settings that have no field here.
	Passed map[string]string
	// ConsumerPassed has those of a consumer, for a processor.
	ConsumerPassed map[string]string

	codecLevels map[Compression]int // Java's compression.gzip.level and the like
	protocol    string              // security.protocol where a file said it, else ""
	origins     map[string]string   // by setting: "WithLinger", "app.properties:3: linger.ms"
	carried     []any
	rows        []Setting
	names       map[string]*Setting // rows by every name in files
	unknown     []*ConfigError      // keys of files that nobody knows
	logUnknown  bool

	// What files say about the check of the broker's certificate: whether it is
	// on (in librdkafka's and Java's words), and whether off is meant (in
	// ours).
	verifyOn, hostnameOff    bool
	skipVerify, skipHostname bool
	clearTextMeant           bool // AllowClearTextPassword
	secrets                  *secrets

	fileRetries *int // retries if a file bounds them
}

// CreateTopics says whether and how missing topics are created.
type CreateTopics struct {
	Allowed                 bool
	Partitions, Replication int
	Settings                map[string]string
}

// New applies the options in their order and checks the result. The error
// holds every mistake, each as a [*ConfigError]. The parameter brokers wins
// over the bootstrap.servers of a file.
func New(purpose Purpose, brokers []string, transactionalID string, opts []Option) (*Config, error) {
	c, err := Read(purpose, brokers, transactionalID, opts)
	if err == nil {
		c.logNotes()
	}
	return c, err
}

// Read is New without its lines in the log. A processor reads the options
// before its producer does, and one warning is enough.
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
	if n, ok := c.codecLevels[c.Compression]; ok && c.CompressionLevel == -1 {
		c.CompressionLevel = n
		c.origins["compression.level"] = c.Origin("compression." + string(c.Compression) + ".level")
	}
	c.settleSecurity()
	c.settleRetries()
	errs = append(errs, c.unknownKeys())
	errs = append(errs, c.check()...)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.Brokers = slices.Clone(c.Brokers)
	c.secrets = newSecrets(c)
	return c, nil
}

// settleRetries gives a file's bound on the retries its effect. With weak acks
// the bound holds. Without them there is none, and New logs that.
func (c *Config) settleRetries() {
	if c.fileRetries != nil && c.Retries == -1 && (c.WeakAcks || *c.fileRetries < 1) { // check refuses less than 1 without weak acks
		c.Retries, c.fileRetries = *c.fileRetries, nil
	}
}

// logNotes logs what is no error and what the user should know.
func (c *Config) logNotes() {
	if len(c.unknown) > 0 {
		keys := make([]string, len(c.unknown))
		for i, err := range c.unknown {
			keys[i] = err.Setting
		}
		c.Logger.Warn("unknown_settings", "settings", keys)
	}
	if c.fileRetries != nil && c.Retries == -1 {
		c.Logger.Info("setting_without_effect", "setting", c.Origin("retries"), "reason", "a message is retried until its context ends")
	}
	c.logInsecure()
}

// newDefaults makes a Config in which every setting has its default.
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

// Origin tells where the user set a setting: by an option, or on a line of a
// file. It returns the key itself if nobody set it.
func (c *Config) Origin(key string) string {
	if who, ok := c.origins[key]; ok {
		return who
	}
	return key
}

// check returns every mistake in the settings, each as a [*ConfigError].
func (c *Config) check() []error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(errs, &ConfigError{c.Origin("bootstrap.servers"), "", "no broker given: name at least one host:port"})
	}
	for _, b := range c.Brokers {
		if reason := badBroker(b); reason != "" {
			if strings.ContainsRune(b, '@') { // user:password@host
				b = ""
			}
			errs = append(errs, &ConfigError{c.Origin("bootstrap.servers"), b, reason})
		}
	}
	if c.Purpose != ForProducer && c.TransactionalID == "" {
		errs = append(errs, &ConfigError{"transactionalID", "", "must not be empty: one per running process, kept across restarts"})
	}
	for i := range c.rows {
		s := &c.rows[i]
		origin, set := c.origins[s.Key]
		switch {
		case set && !s.In.has(c.Purpose) && s.passed != toConsumer:
			errs = append(errs, &ConfigError{origin, "", "cannot be honoured by " + string(c.Purpose)})
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
	return append(errs, c.checkSecurity()...)
}

// shown is the value of a setting as an error may show it.
func (c *Config) shown(s *Setting) string {
	if s.Show != Harmless || s.value == nil {
		return ""
	}
	return fmt.Sprint(s.value(c))
}

// checkTogether refuses values that are fine alone.
func (c *Config) checkTogether(bad func(key string, value any, format string, args ...any)) {
	if c.RetryBackoffMax < c.RetryBackoff {
		bad("retry.backoff.max.ms", c.RetryBackoffMax, "is below %s, %v", c.Origin("retry.backoff.ms"), c.RetryBackoff)
	}
	if c.DeliveryTimeout > 0 && c.DeliveryTimeout <= c.Linger {
		bad("delivery.timeout.ms", c.DeliveryTimeout, "must be above %s, %v", c.Origin("linger.ms"), c.Linger)
	}
	if c.MaxInFlightBytes < int64(c.MaxMessageBytes) {
		bad("buffer.memory", c.MaxInFlightBytes, "one message of %s, %d, would not fit", c.Origin("message.max.bytes"), c.MaxMessageBytes)
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
		bad("acks", c.Acks, "a transaction needs acks=all and idempotence")
	}
	if c.DeliveryTimeout > c.TransactionTimeout {
		bad("delivery.timeout.ms", c.DeliveryTimeout, "is above %s, %v", c.Origin("transaction.timeout.ms"), c.TransactionTimeout)
	}
}

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

// String tells the settings without secrets, so that a config may be logged.
func (c *Config) String() string {
	return fmt.Sprintf("config{%s brokers=%v client.id=%s acks=%v linger=%v}", c.Purpose, c.Brokers, c.ClientID, c.Acks, c.Linger)
}

// Format prints [Config.String] for every verb.
func (c *Config) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, c.String()) }

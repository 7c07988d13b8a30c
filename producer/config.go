package producer

import (
	"os"

	"github.com/avroline/avroline/producer/internal/settings"
)

// WithConfig sets settings by librdkafka's or Java's names. A key that has an
// option means the same as that option. Keys that the guarantee rests on are
// refused with the reason, by each of their names. A key that is unknown is
// refused with the nearest name.
func WithConfig(m map[string]string) Option { return settings.FromMap(m) }

// WithProperties reads a properties file, with Java's or librdkafka's names:
// see docs/configuration.md. A Spring Boot application.properties and a Kafka
// Connect worker file load as they are. Keys of the registry client, of the
// serializer and of a consumer are left to them. A key that nobody knows, or
// that is given twice, is an error with file and line: see [LogUnknownKeys]. A
// secret may be given as KEY.file, which names a file that holds the value.
func WithProperties(path string) Option { return settings.FromProperties(path) }

// WithYAML reads the same keys from YAML or JSON, nested or with dots:
// "linger: {ms: 5}" is "linger.ms: 5". A Spring Boot application.yaml loads as
// it is.
func WithYAML(path string) Option { return settings.FromYAML(path) }

// WithConfigFile is [WithYAML] for names that end in .yaml, .yml or .json, and
// [WithProperties] for all others. It suits a program's --config flag.
func WithConfigFile(path string) Option { return settings.FromFile(path) }

// WithEnviron reads the same keys from environment variables: the prefix, then
// the key in capitals with _ for its dots. With the prefix AVROLINE_, which ""
// stands for, AVROLINE_LINGER_MS is linger.ms and AVROLINE_SASL_PASSWORD_FILE
// names the file that holds the password. A variable with the prefix that is no
// setting is an error, except AVROLINE_REGISTRY, AVROLINE_SHARED and those that
// begin with AVROLINE_TEST_, which belong to programs and tests.
func WithEnviron(prefix string) Option { return settings.FromEnviron(prefix, os.Environ) }

// LogUnknownKeys accepts keys of files and of the environment that nobody
// knows. One line of the log, "unknown_settings" at level WARN, names them all.
// Default: such a key is an error that names the nearest key.
func LogUnknownKeys() Option { return settings.LogUnknownKeys() }

// Connection is how a set of options reaches its cluster, for a client beside
// the producer: an admin client, or a consumer of another library. No text form
// of a Connection shows the password.
type Connection = settings.Connection

// ConnectionOf resolves brokers and security as [New] does, from files and the
// environment too. It reads files and makes no connection. Its errors are those
// of New.
func ConnectionOf(brokers []string, opts ...Option) (Connection, error) {
	return settings.ConnectionOf(brokers, opts...)
}

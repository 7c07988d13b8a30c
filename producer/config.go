package producer

import (
	"os"

	"github.com/avroline/avroline/producer/internal/settings"
)

// WithConfig hands settings to librdkafka by its own names, or Java's. Those that have an option here mean the same as
// that option. Keys that the guarantee rests on are refused with the reason, by every alias they have; so are keys that
// nobody knows, with the nearest name.
func WithConfig(m map[string]string) Option { return settings.FromMap(m) }

// WithProperties reads a Java-style properties file, with Java's or librdkafka's names: see docs/configuration.md.
// Keys that are unknown, said twice, or that only another producer could honour are errors with file and line.
// The password keys may be said as KEY.file, naming a file that holds the value.
func WithProperties(path string) Option { return settings.FromProperties(path) }

// WithYAML reads the same keys from YAML (or JSON), nested or with dots: "linger: {ms: 5}" is "linger.ms: 5".
func WithYAML(path string) Option { return settings.FromYAML(path) }

// WithConfigFile is [WithYAML] for names that end in .yaml, .yml or .json, and [WithProperties] for all others: what a
// program's --config flag wants.
func WithConfigFile(path string) Option { return settings.FromFile(path) }

// WithEnviron reads the same keys from environment variables: prefix, then the key in capitals with _ for its dots.
// With the prefix AVROLINE_ (which "" stands for) AVROLINE_LINGER_MS is linger.ms and AVROLINE_SASL_PASSWORD_FILE
// names the file that holds the password. A variable with the prefix that is no setting is an error, except
// AVROLINE_REGISTRY, AVROLINE_SHARED and those that begin with AVROLINE_TEST_, which belong to programs and tests.
func WithEnviron(prefix string) Option { return settings.FromEnviron(prefix, os.Environ) }

// Connection is how a set of options reaches its cluster, for a client beside the producer: an admin client, a reader of
// another make. It prints without its secrets.
type Connection = settings.Connection

// ConnectionOf resolves brokers and security as [New] would, from files and the environment too. It does no I/O beyond
// reading those; its errors are those of New.
func ConnectionOf(brokers []string, opts ...Option) (Connection, error) {
	return settings.ConnectionOf(brokers, opts...)
}

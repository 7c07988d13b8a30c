package producer

import (
	"os"

	"github.com/avroline/avroline/producer/internal/settings"
)

// WithConfig sets settings by the names of librdkafka or Java. If a key has an
// option, the key means the same as the option. The guarantee depends on some
// keys. WithConfig refuses these keys by any of their names, and gives the
// reason. For an unknown key the error has the nearest known name.
func WithConfig(m map[string]string) Option { return settings.FromMap(m) }

// WithProperties reads a properties file with the names of Java or librdkafka
// (see docs/configuration.md). A Spring Boot application.properties and a Kafka
// Connect worker file load unchanged. WithProperties ignores keys of the
// registry client, of the serializer and of a consumer. An unknown or repeated
// key is an error with file and line (see [LogUnknownKeys]). A secret may be
// given as KEY.file with the name of a file that holds the value.
func WithProperties(path string) Option { return settings.FromProperties(path) }

// WithYAML reads the same keys from YAML or JSON, nested or with dots. For
// example, "linger: {ms: 5}" is "linger.ms: 5". A Spring Boot application.yaml
// loads unchanged.
func WithYAML(path string) Option { return settings.FromYAML(path) }

// WithConfigFile is [WithYAML] for names that end in .yaml, .yml or .json, and
// [WithProperties] for all others. WithConfigFile suits a program's --config
// flag.
func WithConfigFile(path string) Option { return settings.FromFile(path) }

// WithEnviron reads the same keys from environment variables. The name of a
// variable is the prefix and the key in capitals, with _ for each dot. The
// prefix "" means AVROLINE_. So AVROLINE_LINGER_MS is linger.ms, and
// AVROLINE_SASL_PASSWORD_FILE names the file of the password. An unknown
// variable with the prefix is an error. Exceptions are AVROLINE_REGISTRY,
// AVROLINE_SHARED and names that begin with AVROLINE_TEST_, because programs
// and tests use them.
func WithEnviron(prefix string) Option { return settings.FromEnviron(prefix, os.Environ) }

// LogUnknownKeys accepts unknown keys of files and of the environment. A log
// line "unknown_settings" at level WARN names all unknown keys. Default: an
// unknown key is an error that has the nearest known name.
func LogUnknownKeys() Option { return settings.LogUnknownKeys() }

// Connection holds the resolved brokers and security of a set of options. It is
// for a client beside the producer, for example an admin client or a consumer
// of another library. No text form of a Connection shows the password.
//
//	Brokers []string
//	TLS     *tls.Config // with the client certificate; nil for plain text
//	// Mechanism is the SASL mechanism, or empty. PLAIN and SCRAM use User and
//	// Password. OAUTHBEARER uses Token.
//	Mechanism, User string
//	Password        string
//	// Token is also nil with OIDC, because the client library gets these tokens.
//	Token TokenSource
type Connection = settings.Connection

// ConnectionOf resolves brokers and security as [New] does, also from files and
// the environment. ConnectionOf reads files and makes no connection. It takes
// the settings of all constructors, for example transaction.timeout.ms. The
// other errors are the same as the errors of New.
func ConnectionOf(brokers []string, opts ...Option) (Connection, error) {
	return settings.ConnectionOf(brokers, opts...)
}

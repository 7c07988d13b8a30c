// Package configfile reads the configuration files of Kafka's clients. The
// formats are Java properties, the properties of librdkafka and Confluent
// Cloud, YAML and JSON, a Spring Boot application.yaml or
// application.properties, and a Kafka Connect worker file. Package configfile
// also reads environment variables.
//
// Several readers can share a file. Each reader takes its own keys with
// [File.For] and ignores the keys of the other readers. If no reader owns a
// key, the key is in [File.Unknown].
package configfile

import (
	"errors"
	"fmt"
)

// Entry is a setting under the name that Kafka's clients use.
type Entry struct {
	// Key is Kafka's name. For example, the key for
	// spring.kafka.producer.properties.linger.ms is also "linger.ms".
	Key string
	// Value is the text without surrounding white space.
	Value string
	// Origin is the place of the value, for errors. Examples are
	// "app.properties:3: linger.ms" and the name of an environment variable.
	Origin string
	// Hint names a similar key, in the words of an error, if no owner knows
	// Key.
	Hint string

	owner  Owner
	client client
}

// String returns the key and its origin. The value may be a secret, so String
// does not show the value.
func (e Entry) String() string { return fmt.Sprintf("%s (%s)", e.Key, e.Origin) }

// GoString returns [Entry.String].
func (e Entry) GoString() string { return e.String() }

// client is the section of a Spring Boot or Connect file that holds an entry.
type client uint8

const (
	anyClient client = iota // for all clients
	producerClient
	consumerClient
	otherClient // for example an admin client or a listener
)

// Error is a mistake in a file or in the environment. An Error never holds a
// value.
type Error struct {
	Origin string // file, line and key, or a variable
	Reason string
}

func (e *Error) Error() string { return e.Origin + ": " + e.Reason }

// File holds the settings from a file or from the environment.
type File struct {
	entries []Entry
	hints   int // number of hints so far
}

// For returns the entries of an owner. Entries for all clients come before
// entries for the owner's own client, so a reader should let the later entry
// win. If a secret is given as KEY.file, its value is the content of the file.
// If such a file cannot be read, For returns the other entries and an error.
// The error joins an [*Error] for each such file.
func (f File) For(owner Owner) ([]Entry, error) {
	var common, special []Entry
	var errs []error
	for _, e := range f.entries {
		if e.owner != owner || !owner.readsClient(e.client) {
			continue
		}
		var err error
		if e.Key, e.Value, err = ReadSecret(e.Key, e.Value); err != nil {
			errs = append(errs, &Error{e.Origin, err.Error()})
			continue
		}
		if e.client == owner.ownClient() {
			special = append(special, e)
		} else {
			common = append(common, e)
		}
	}
	return append(common, special...), errors.Join(errs...)
}

// Common reports whether the entry is for all clients. A later entry for a
// certain client may replace a common entry.
func (e Entry) Common() bool { return e.client == anyClient }

// Unknown returns the entries that no owner knows, in the order of the file.
func (f File) Unknown() []Entry {
	var unknown []Entry
	for _, e := range f.entries {
		if e.owner == Nobody {
			unknown = append(unknown, e)
		}
	}
	return unknown
}

// readsClient reports whether an owner reads the entries of a client.
func (o Owner) readsClient(c client) bool {
	switch o {
	case Consumer:
		return c == anyClient || c == consumerClient
	case Registry, Serde:
		return c != otherClient
	default:
		return c == anyClient || c == producerClient
	}
}

// ownClient returns the client whose entries override the common entries.
func (o Owner) ownClient() client {
	if o == Consumer {
		return consumerClient
	}
	return producerClient
}

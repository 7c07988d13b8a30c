// Package configfile reads the files that Kafka's clients are configured with:
// Java properties, librdkafka's and Confluent Cloud's form of them, YAML and
// JSON, a Spring Boot application.yaml or application.properties, a Kafka
// Connect worker file, and environment variables.
//
// One file may serve several readers. Each reader takes the keys that it owns
// with [File.For] and leaves the keys of the others alone. A key that nobody
// owns is in [File.Unknown].
package configfile

import "fmt"

// Entry is one setting, under the name that Kafka's clients give it.
type Entry struct {
	// Key is Kafka's name, for example "linger.ms" also for
	// spring.kafka.producer.properties.linger.ms.
	Key string
	// Value is the text without the white space around it.
	Value string
	// Origin is where the value was given, for errors: "app.properties:3:
	// linger.ms", or the name of an environment variable.
	Origin string
	// Hint names a similar key, in the words of an error, if nobody knows Key.
	Hint string

	owner  Owner
	client client
}

// String is the key and its origin. The value may be a secret and is not shown.
func (e Entry) String() string { return fmt.Sprintf("%s (%s)", e.Key, e.Origin) }

// GoString is [Entry.String].
func (e Entry) GoString() string { return e.String() }

// client is the part of a Spring Boot or Connect file that an entry is in.
type client uint8

const (
	anyClient client = iota // for all clients
	producerClient
	consumerClient
	otherClient // of an admin client, of listeners and the like
)

// Error is a mistake in a file or in the environment. It never holds a value.
type Error struct {
	Origin string // file, line and key, or a variable
	Reason string
}

func (e *Error) Error() string { return e.Origin + ": " + e.Reason }

// File is what a file or the environment gives.
type File struct {
	entries []Entry
	hints   int // made so far
}

// For returns the entries of one owner. Entries for a certain client come after
// those for all clients, so a reader that lets the later entry win is right. A
// secret that is given as KEY.file has the content of that file as its value.
func (f File) For(owner Owner) ([]Entry, error) {
	var common, special []Entry
	for _, e := range f.entries {
		if e.owner != owner || !owner.takes(e.client) {
			continue
		}
		if name, ok := secretFile(e.Key); ok {
			b, err := ReadSmall(e.Value)
			if err != nil {
				return nil, &Error{e.Origin, err.Error()}
			}
			e.Key, e.Value = name, trimNewline(b)
		}
		if e.client == owner.own() {
			special = append(special, e)
		} else {
			common = append(common, e)
		}
	}
	return append(common, special...), nil
}

// Common tells whether the entry is for all clients. A later entry for a
// certain client may replace it.
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

// takes tells whether an owner reads entries of a client.
func (o Owner) takes(c client) bool {
	switch o {
	case Consumer:
		return c == anyClient || c == consumerClient
	case Registry, Serde:
		return c != otherClient
	default:
		return c == anyClient || c == producerClient
	}
}

// own is the client whose entries win over the common ones.
func (o Owner) own() client {
	if o == Consumer {
		return consumerClient
	}
	return producerClient
}

package serde

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

var (
	// ErrTombstone says that there is no record. Either the record to write is
	// nil, or the payload to read is nil. A tombstone is sent as a null without
	// a prefix.
	ErrTombstone = errors.New("serde: tombstone")
	// ErrNotFramed says that the message has no schema id in a form that the
	// Deserializer reads.
	ErrNotFramed = errors.New("serde: no schema id")
	// ErrSchemaChanged says that the registered schema gives the record's bytes
	// another meaning than the record's own schema. The error is a
	// [*SchemaChangedError]. With [LookupOnly] no version has the meaning of
	// the record's own schema. Then the differences are those of the latest
	// version, and the error is also [ErrUnknownSchema].
	ErrSchemaChanged = errors.New("serde: changed schema")
	// ErrRegistry says that the registry was not reachable, denied access, or
	// gave an unusable answer. The call may succeed later. The error is a
	// [*RegistryError]. A [*RuleError] is also ErrRegistry if package encrypt
	// could not ask the registry or the KMS for a key.
	ErrRegistry = errors.New("serde: registry failure")
	// ErrRefused says that the registry refused to register the schema, because
	// the schema is incompatible or invalid. Another call fails in the same
	// way. The error is a [*RegistryError].
	ErrRefused = errors.New("serde: refused schema")
	// ErrUnknownSchema says that the registry answered and has no such schema,
	// version or subject. The error is a [*RegistryError]. A fingerprint that
	// is not in [WithSchemas], and an id that no registry can give, are also
	// ErrUnknownSchema, without a RegistryError.
	ErrUnknownSchema = errors.New("serde: unknown schema")
)

// RegistryError is a failed call to the registry. It matches exactly one of
// [ErrUnknownSchema], [ErrRefused] and [ErrRegistry].
type RegistryError struct {
	Op  string // the call: "register shop.orders.OrderCreated on subject orders-value"
	Err error  // from the registry client
}

// Error names the call and its cause.
func (e *RegistryError) Error() string { return "serde: " + e.Op + ": " + e.Err.Error() }

// Unwrap returns the error of the registry client.
func (e *RegistryError) Unwrap() error { return e.Err }

// Is reports whether target is the sentinel of this error.
func (e *RegistryError) Is(target error) bool {
	switch target {
	case ErrUnknownSchema:
		return isNotFound(e.Err)
	case ErrRefused:
		return isRefused(e.Err)
	case ErrRegistry:
		return !isNotFound(e.Err) && !isRefused(e.Err)
	}
	return false
}

func isNotFound(err error) bool {
	var e interface{ NotFound() bool }
	return errors.As(err, &e) && e.NotFound()
}

// notAvroError says that the schema of a message is not an Avro schema. It is
// no [*RegistryError], because another call gets the same answer.
type notAvroError struct{ err error }

func (e *notAvroError) Error() string { return e.err.Error() }
func (e *notAvroError) Unwrap() error { return e.err }

func isNotAvro(err error) bool {
	var e interface{ NotAvro() bool }
	return errors.As(err, &e) && e.NotAvro()
}

func isRefused(err error) bool {
	var e interface{ Refused() bool }
	return errors.As(err, &e) && e.Refused()
}

// SchemaChangedError is [ErrSchemaChanged] with the differences.
type SchemaChangedError struct {
	Record  string   // full name of the record's schema
	Subject string   // of the registered schema; empty if the registry was asked for an id alone
	ID      int      // of the registered schema
	Differs []string // the first differences, each with its path and both sides
}

// Error names the subject and the differences.
func (e *SchemaChangedError) Error() string {
	return fmt.Sprintf("serde: schema %d%s is not the schema of %s: %s: generate the type from the registered schema, or register the type's own schema",
		e.ID, subjectSuffix(e.Subject), e.Record, strings.Join(e.Differs, "; "))
}

// Is reports whether target is [ErrSchemaChanged].
func (e *SchemaChangedError) Is(target error) bool { return target == ErrSchemaChanged }

// notInSubjectError is a [SchemaChangedError] with another text. No version of
// the subject has the record's schema. The differences are the differences from
// the latest version.
type notInSubjectError struct{ changed SchemaChangedError }

func (e *notInSubjectError) Error() string {
	return fmt.Sprintf("the latest version, schema %d, differs: %s", e.changed.ID, strings.Join(e.changed.Differs, "; "))
}

func (e *notInSubjectError) Unwrap() error { return &e.changed }

// DecodeError says that the bytes of a message do not fit its schema, that the
// reader's type cannot hold a value, or that the schema of the message is not
// an Avro schema. Another call fails in the same way.
type DecodeError struct {
	Topic  string // of the Input; may be empty
	Part   Part
	Record string    // full name of the type to read; empty if the schema is not Avro
	ID     int       // of the schema; 0 if the message has another form of id
	GUID   uuid.UUID // of the schema; zero if the message has another form of id
	Path   string    // of the value: "lines[3].price"; empty for the whole record
	Offset int       // of the value in bytes after the schema id; -1 if not known
	Err    error     // the cause; of package avrobin if the data is at fault

	id schemaID
}

// Error names the type, the schema, the place and the cause.
func (e *DecodeError) Error() string {
	var s strings.Builder
	s.WriteString("serde: ")
	if e.Record != "" {
		s.WriteString(e.Record + ", ")
	}
	fmt.Fprintf(&s, "schema %s", e.id)
	if e.Topic != "" {
		fmt.Fprintf(&s, ", %s of topic %s", e.Part, e.Topic)
	}
	if e.Path != "" {
		s.WriteString(": " + e.Path)
	}
	s.WriteString(": " + e.Err.Error())
	if e.Offset >= 0 {
		fmt.Fprintf(&s, " (offset %d)", e.Offset)
	}
	return s.String()
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

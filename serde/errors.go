package serde

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
)

var (
	// ErrTombstone says that there is no record: a nil record was given to
	// write, or a nil payload to read. What goes on the wire is a null, without
	// prefix.
	ErrTombstone = errors.New("serde: tombstone: there is no record")
	// ErrNotFramed says that the bytes carry no schema id in a form that the
	// Deserializer reads.
	ErrNotFramed = errors.New("serde: no schema id")
	// ErrSchemaChanged says that the registered schema which [UseLatest],
	// [UseLatestWithMetadata] or [UseID] named is not the one that the record
	// writes. The error is a [*SchemaChangedError].
	ErrSchemaChanged = errors.New("serde: the registered schema is not the record's own")
	// ErrRegistry says that the registry could not be asked, refused, or
	// answered nonsense: nothing is known of the data, and trying again later
	// may help. The error is a [*RegistryError].
	ErrRegistry = errors.New("serde: registry")
	// ErrUnknownSchema says that the registry answered, and knows no such
	// schema. The error is a [*RegistryError], which is then not ErrRegistry.
	ErrUnknownSchema = errors.New("serde: the registry has no such schema")
)

// RegistryError is a call of the registry that failed. It is [ErrUnknownSchema]
// when the registry answered that it has no such schema, else [ErrRegistry].
type RegistryError struct {
	Op  string // what was asked: "register shop.orders.OrderCreated on subject orders-value"
	Err error
}

// Error says what was asked and what the registry's client said.
func (e *RegistryError) Error() string { return "serde: " + e.Op + ": " + e.Err.Error() }

// Unwrap is the error of the registry's client.
func (e *RegistryError) Unwrap() error { return e.Err }

// Is tells ErrUnknownSchema and ErrRegistry apart.
func (e *RegistryError) Is(target error) bool {
	switch target {
	case ErrUnknownSchema:
		return isNotFound(e.Err)
	case ErrRegistry:
		return !isNotFound(e.Err)
	}
	return false
}

func isNotFound(err error) bool {
	var nf interface{ NotFound() bool }
	return errors.As(err, &nf) && nf.NotFound()
}

// SchemaChangedError is [ErrSchemaChanged] with what differs.
type SchemaChangedError struct {
	Record  string   // full name of the record's schema
	Subject string   // where the registered schema was found
	ID      int      // the registered schema's id
	Differs []string // what differs, each with its path; some, when there is much
}

// Error names the subject and what differs.
func (e *SchemaChangedError) Error() string {
	return fmt.Sprintf("serde: schema %d%s is not what %s writes: %s: generate the type anew from the registered schema, or register the type's own",
		e.ID, ofSubject(e.Subject), e.Record, strings.Join(e.Differs, "; "))
}

// Is makes it ErrSchemaChanged.
func (e *SchemaChangedError) Is(target error) bool { return target == ErrSchemaChanged }

// interrupted makes a failure to ask of the error of a caller whose context ended
// while another was asking.
func interrupted(ctx context.Context, op string, err error) error {
	if err == nil || ctx.Err() == nil || errors.Is(err, ErrRegistry) {
		return err
	}
	return &RegistryError{op, err}
}

// DecodeError is a message whose bytes are not what its schema says, or a value
// that the reader's type cannot hold.
type DecodeError struct {
	Topic  string // of the Input; may be empty
	Part   Part
	Record string    // full name of the type that was to be read
	ID     int       // the schema's id; 0 also where the message gave it otherwise
	GUID   uuid.UUID // the schema's GUID where the message gave that
	Path   string    // to the value in the datum: "lines[3].price"; empty for the whole
	Offset int       // of the value in the datum, which begins after the schema's id; -1 where no place is to blame
	Err    error     // the reason; of package avrobin, where the data is at fault

	wire wireID
}

// Error tells the type, the schema, the place and the reason.
func (e *DecodeError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "serde: %s, schema %s", e.Record, e.wire)
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

// Unwrap is the reason.
func (e *DecodeError) Unwrap() error { return e.Err }

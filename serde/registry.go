package serde

import (
	"context"
	"reflect"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/contract"
)

// Registry contains the methods of a schema registry client that this package
// needs. *registry.Client is a Registry. An implementation must be safe for
// concurrent use. It should cache answers that cannot change, and share one
// request among concurrent callers, because this package does neither. A call
// must end when its context ends.
//
// An error may have the methods NotFound() bool, Refused() bool and NotAvro()
// bool anywhere in its chain. NotFound means that the registry answered and has
// no such schema, version or subject ([ErrUnknownSchema]). Refused means that
// the registry does not accept the schema ([ErrRefused]). NotAvro means that
// the schema has another type, such as Protobuf. A message with such a schema
// is a [*DecodeError]. Every other error is [ErrRegistry].
type Registry interface {
	// Register registers the schema on subject, unless subject already has the
	// schema. The result may contain only the ids. If the RuleSet of the result
	// is nil, this package takes the rules of Latest. An empty RuleSet means
	// that there are no rules. A schema with another RuleSet or Metadata is
	// another version, with an id of its own.
	Register(ctx context.Context, subject string, s contract.Schema) (contract.Version, error)
	// Lookup is like Register, but subject must already have the schema.
	Lookup(ctx context.Context, subject string, s contract.Schema) (contract.Version, error)
	// Latest returns the newest version of subject.
	Latest(ctx context.Context, subject string) (contract.Version, error)
	// SchemaByID returns the schema of an id. subject selects the registry's
	// context and may be empty.
	SchemaByID(ctx context.Context, subject string, id int) (contract.Version, error)
	// SchemaByGUID returns the schema of a GUID.
	SchemaByGUID(ctx context.Context, guid uuid.UUID) (contract.Version, error)
}

// VersionFinder is a [Registry] that finds a version by the meaning of its
// schema. With a VersionFinder, [LookupOnly] also finds a schema that was
// registered with another text, such as a schema with references. And with a
// VersionFinder, [AutoRegister] and LookupOnly compare the rules with the rules
// of the subject's latest version.
type VersionFinder interface {
	// FindVersion returns the newest version of subject that gives bytes the
	// same meaning as schema.
	FindVersion(ctx context.Context, subject, schema string) (contract.Version, error)
}

// MetadataFinder is a [Registry] that can look up versions by their metadata.
// [UseLatestWithMetadata] needs a MetadataFinder.
type MetadataFinder interface {
	// LatestWithMetadata returns the newest version of subject whose metadata
	// has all the given properties.
	LatestWithMetadata(ctx context.Context, subject string, metadata map[string]string) (contract.Version, error)
}

// AssociationFinder is a [Registry] that associates subjects with topics.
// [WithAssociatedSubject] needs an AssociationFinder.
type AssociationFinder interface {
	// AssociatedSubjects returns the subjects that are associated with a part
	// ("key" or "value") of a topic. It returns no subject if the registry has
	// no associations. An empty cluster id means any cluster.
	AssociatedSubjects(ctx context.Context, topic, clusterID, part string) ([]string, error)
}

// isNilRegistry reports whether reg is nil or holds a nil pointer.
func isNilRegistry(reg Registry) bool {
	if reg == nil {
		return true
	}
	v := reflect.ValueOf(reg)
	return v.Kind() == reflect.Pointer && v.IsNil()
}

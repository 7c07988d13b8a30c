package serde

import (
	"context"

	"github.com/google/uuid"

	"github.com/avroline/avroline/registry/contract"
)

// Registry is what this package needs of a schema registry; *registry.Client
// implements it. Each returned [contract.Version] has a Schema that stands on
// its own: the types of its references are in the text. A Registry must be safe
// for concurrent use and should cache what is immutable, because each Binding
// and each Deserializer asks for itself. A call must end when its ctx ends.
//
// An error says that the registry answered and has no such thing by a method
// NotFound() bool, anywhere in its chain. Every other error is taken for a
// failure to ask.
type Registry interface {
	// Register gives the id of s on subject, and registers s if need be.
	Register(ctx context.Context, subject string, s contract.Schema) (contract.Version, error)
	// Lookup gives the id of s on subject and registers nothing.
	Lookup(ctx context.Context, subject string, s contract.Schema) (contract.Version, error)
	// Latest gives the newest version of subject.
	Latest(ctx context.Context, subject string) (contract.Version, error)
	// SchemaByID gives the schema of an id; subject may be empty.
	SchemaByID(ctx context.Context, subject string, id int) (contract.Version, error)
	// SchemaByGUID gives the schema of a GUID.
	SchemaByGUID(ctx context.Context, guid uuid.UUID) (contract.Version, error)
}

// VersionRegistry is what a [Registry] may have besides, so that [LookupOnly]
// finds a schema that was registered in parts, through references, or with other
// docs: its text is then no version's own text, and Lookup does not find it.
type VersionRegistry interface {
	// FindVersion gives the newest version of subject that means the same as
	// schema: the same structure and the same logical types.
	FindVersion(ctx context.Context, subject, schema string) (contract.Version, error)
}

// MetadataRegistry is what a [Registry] must have besides for
// [UseLatestWithMetadata].
type MetadataRegistry interface {
	// LatestWithMetadata gives the newest version of subject whose metadata
	// has all the given properties.
	LatestWithMetadata(ctx context.Context, subject string, metadata map[string]string) (contract.Version, error)
}

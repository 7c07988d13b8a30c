package serde

import (
	"context"

	"github.com/google/uuid"
)

// Registry is what this package needs of a schema registry; *registry.Client
// has it. Every schema that it returns is self-contained: references are
// resolved into the text. It must be safe for concurrent use and should cache
// what is immutable, since each Binding and each Deserializer asks for itself. A
// call must end when its ctx does.
//
// An error may say that the registry answered and has no such thing by a method
// NotFound() bool, anywhere in its chain. What does not say so is taken for a
// failure to ask.
type Registry interface {
	// Register gives the id of schema on subject, registering it if need be.
	Register(ctx context.Context, subject, schema string, normalize bool) (id int, guid uuid.UUID, err error)
	// Lookup gives the id of schema on subject and registers nothing.
	Lookup(ctx context.Context, subject, schema string, normalize bool) (id int, guid uuid.UUID, err error)
	// Latest gives the newest version of subject.
	Latest(ctx context.Context, subject string) (schema string, id int, guid uuid.UUID, err error)
	// SchemaByID gives the schema of an id; subject may be empty.
	SchemaByID(ctx context.Context, subject string, id int) (schema string, err error)
	// SchemaByGUID gives the schema of a GUID.
	SchemaByGUID(ctx context.Context, guid uuid.UUID) (schema string, err error)
}

// VersionRegistry is what a [Registry] may have besides, so that [LookupOnly]
// finds a schema that was registered in parts, through references: its text is
// then no version's own text, and Lookup does not find it.
type VersionRegistry interface {
	// Versions lists the versions of subject, in ascending order.
	Versions(ctx context.Context, subject string) ([]int, error)
	// SchemaByVersion gives one version, its references resolved into the text.
	SchemaByVersion(ctx context.Context, subject string, version int) (schema string, id int, guid uuid.UUID, err error)
}

// MetadataRegistry is what a [Registry] must have besides for
// [UseLatestWithMetadata].
type MetadataRegistry interface {
	// LatestWithMetadata gives the newest version of subject whose metadata
	// has all the given properties.
	LatestWithMetadata(ctx context.Context, subject string, metadata map[string]string) (schema string, id int, guid uuid.UUID, err error)
}

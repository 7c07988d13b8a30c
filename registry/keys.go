package registry

import (
	"encoding/json"
	"strconv"

	"github.com/avroline/avroline/registry/internal/cache"
)

// idKey names a schema by its id. Each context has ids of its own.
type idKey struct {
	context string
	id      int
}

// partKey names a version of a subject.
type partKey struct {
	subject string
	version int
}

// schemaKey names a schema on a subject. rest holds references, metadata and
// rules as JSON. If the schema has no such parts, rest is "".
type schemaKey struct {
	subject, text, rest string
	normalize           bool
}

func newSchemaKey(subject string, s Schema) schemaKey {
	key := schemaKey{subject: subject, text: s.Text, normalize: s.Normalize}
	if len(s.References) > 0 || s.Metadata != nil || s.RuleSet != nil {
		rest, _ := json.Marshal([]any{s.References, s.Metadata, s.RuleSet}) // plain data cannot fail
		key.rest = string(rest)
	}
	return key
}

// findKey names a schema that is searched among the versions of a subject.
type findKey struct{ subject, text string }

// metadataKey names a search for a version by its metadata. query has the
// properties.
type metadataKey struct{ subject, query string }

func (k idKey) fact() cache.Fact { return cache.Fact{Kind: "id", Name: k.context + strconv.Itoa(k.id)} }

func (k schemaKey) fact() cache.Fact {
	return cache.Fact{Kind: "text", Name: strconv.Quote(k.subject) + strconv.FormatBool(k.normalize) + k.rest + k.text}
}

func latestFact(subject string) cache.Fact { return cache.Fact{Kind: "latest", Name: subject} }

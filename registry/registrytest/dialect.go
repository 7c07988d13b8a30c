package registrytest

import (
	"net/http"

	"github.com/avroline/avroline/registry/compat"
)

// Dialect is the way in which one maker's registry answers. docs/registry.md
// has the table of what differs. The zero Dialect is [Confluent8].
type Dialect struct{ traits *traits }

// The dialects. They answer as the products do where a client can see it; they
// are not these products.
var (
	// Confluent8 is Confluent Schema Registry 8.2 and later.
	Confluent8 = Dialect{&confluent8} //nolint:gochecknoglobals // a constant
	// Confluent7 is Confluent Schema Registry 7.x: registering answers with the
	// id alone, there are no GUIDs, and a refusal has code 409.
	Confluent7 = Dialect{&confluent7} //nolint:gochecknoglobals // a constant
	// Karapace is Aiven's registry.
	Karapace = Dialect{&karapace} //nolint:gochecknoglobals // a constant
	// Redpanda is the registry inside Redpanda.
	Redpanda = Dialect{&redpanda} //nolint:gochecknoglobals // a constant
	// Apicurio is the API of Apicurio Registry 3 that is like Confluent's. Its
	// URL has the path /apis/ccompat/v7, and its default level is NONE.
	Apicurio = Dialect{&apicurio} //nolint:gochecknoglobals // a constant
)

// Dialects returns all dialects, for a test that runs against each.
func Dialects() []Dialect { return []Dialect{Confluent8, Confluent7, Karapace, Redpanda, Apicurio} }

// String returns the dialect's name, such as "Confluent 7".
func (d Dialect) String() string { return d.of().name }

func (d Dialect) of() *traits {
	if d.traits == nil {
		return &confluent8
	}
	return d.traits
}

// WithDialect makes the server answer as another maker's registry. The default
// is [Confluent8].
func WithDialect(d Dialect) Option { return Option{func(c *config) { c.dialect = d.of() }} }

// traits are the differences between the dialects that a client can see.
type traits struct {
	name  string
	base  string       // path before the API
	level compat.Level // the global level at the start

	tellsAll     bool // POST answers the whole version, and not its id alone
	guids        bool
	contexts     bool
	contracts    bool // metadata and rules are kept
	modes        modes
	incompatible int  // the error code of a refusal for compatibility
	findings     bool // refusals and verbose checks list the findings
	prefixes     bool // subjects can be listed by prefix

	// checksAll says that the check without a version exists. checksByLevel
	// says that the check against a version looks at every version where the
	// level is transitive.
	checksAll     bool
	checksByLevel bool
	// newSubject is the answer to the check against the latest version of a
	// subject without versions; nil for "compatible".
	newSubject *problem
	// checksReferences says that a check may involve references.
	checksReferences bool

	levelOfNone    bool     // a subject that is not there has the global level
	lookupInvalid  *problem // the answer to the look-up of a text that is no schema; nil for 42201
	lookupDeleted  *problem // the answer to a look-up on a deleted subject; nil for 40401
	keys           bool     // there is a DEK registry
	associations   bool     // topics can be associated with subjects
	docsCount      bool     // another doc or alias makes another version
	keepsIDs       bool     // an id stays readable after a permanent deletion
	noMetadata     int      // the status where no version has the metadata
	badReference   *problem // the answer to a reference to version 0; nil for 42201
	comparesInline bool     // a text with its references put in place is the same schema
}

// modes says what the modes of a dialect do.
type modes int

const (
	modesEnforced modes = iota
	modesStored         // they are kept and without effect
	modesFixed          // READWRITE, and nothing can be set
)

//nolint:gochecknoglobals // constants
var (
	confluent8 = traits{
		name: "Confluent 8", level: compat.Backward,
		keys: true, associations: true,
		tellsAll: true, guids: true, contexts: true, contracts: true, incompatible: 40901, findings: true, prefixes: true,
		checksAll: true, checksReferences: true, levelOfNone: true, docsCount: true, comparesInline: true, noMetadata: http.StatusNotFound,
	}
	confluent7 = traits{
		name: "Confluent 7", level: compat.Backward, keys: true,
		contexts: true, contracts: true, incompatible: 409, findings: true, prefixes: true,
		checksAll: true, checksReferences: true, levelOfNone: true, docsCount: true, comparesInline: true, noMetadata: http.StatusNotFound,
	}
	karapace = traits{
		name: "Karapace", level: compat.Backward,
		modes: modesFixed, incompatible: 409,
		checksByLevel: true, checksReferences: true, levelOfNone: true, docsCount: true,
		newSubject:   &problem{http.StatusNotFound, 40402, "Version -1 not found."},
		badReference: &problem{http.StatusInternalServerError, 50001, "Internal server error"},
	}
	redpanda = traits{
		name: "Redpanda", level: compat.Backward,
		incompatible: 409, findings: true, prefixes: true,
		checksReferences: true, levelOfNone: true, docsCount: true,
		newSubject: &problem{http.StatusNotFound, 40401, "Subject not found."},
	}
	apicurio = traits{
		name: "Apicurio", base: "/apis/ccompat/v7", level: compat.None,
		modes: modesStored, incompatible: 409, noMetadata: http.StatusNoContent,
		checksAll: true, checksByLevel: true, keepsIDs: true,
		newSubject:    &problem{http.StatusNotFound, 40401, "No content exists for the subject."},
		lookupInvalid: &problem{http.StatusNotFound, 40403, "Schema not found"},
		lookupDeleted: &problem{http.StatusNotFound, 40403, "Schema not found"},
	}
)

// noRoute is the answer to a path that the registry does not know.
func noRoute(t *traits) *problem {
	if t.name == confluent8.name || t.name == confluent7.name {
		return &problem{http.StatusNotFound, http.StatusNotFound, "HTTP 404 Not Found"}
	}
	return &problem{status: http.StatusNotFound}
}

package registrytest

import (
	"net/http"

	"github.com/avroline/avroline/registry/compat"
)

// Dialect is the behavior of a vendor's registry. docs/registry.md has a table
// of the differences. The zero Dialect is [Confluent8].
type Dialect struct{ traits *traits }

// The dialects answer as the products do, as far as a client can see. They are
// not the products themselves.
var (
	// Confluent8 is Confluent Schema Registry 8.2 and later.
	Confluent8 = Dialect{&confluent8} //nolint:gochecknoglobals // a constant
	// Confluent7 is Confluent Schema Registry 7.x. A registration returns the
	// id alone, there are no GUIDs, and a refusal has code 409.
	Confluent7 = Dialect{&confluent7} //nolint:gochecknoglobals // a constant
	// Karapace is Aiven's registry.
	Karapace = Dialect{&karapace} //nolint:gochecknoglobals // a constant
	// Redpanda is the registry inside Redpanda.
	Redpanda = Dialect{&redpanda} //nolint:gochecknoglobals // a constant
	// Apicurio is the API of Apicurio Registry 3 that is compatible with
	// Confluent's API. Its URL has the path /apis/ccompat/v7, and its default
	// level is NONE.
	Apicurio = Dialect{&apicurio} //nolint:gochecknoglobals // a constant
)

// Dialects returns all dialects, for a test that runs against each dialect.
func Dialects() []Dialect { return []Dialect{Confluent8, Confluent7, Karapace, Redpanda, Apicurio} }

// String returns the dialect's name, such as "Confluent 7".
func (d Dialect) String() string { return d.traitsOrDefault().name }

func (d Dialect) traitsOrDefault() *traits {
	if d.traits == nil {
		return &confluent8
	}
	return d.traits
}

// traits are the differences between the dialects that a client can see.
type traits struct {
	name  string
	base  string       // path of the API
	level compat.Level // initial global level

	returnsVersion bool // POST returns the whole version, and not only the id
	guids          bool
	contexts       bool
	contracts      bool // the registry stores metadata and rules
	modes          modes
	incompatible   int  // error code for an incompatible schema
	findings       bool // refusals and verbose checks list the findings
	prefixes       bool // subjects can be listed by prefix
	lists          lists

	// checksAll says that the check without a version exists. checksByLevel
	// says that the check against a version uses every version if the level is
	// transitive.
	checksAll     bool
	checksByLevel bool
	// newSubject is the answer to a check against the latest version if the
	// subject has no versions. Nil means "compatible".
	newSubject *problem
	// checksReferences says that a check may use references.
	checksReferences bool

	levelOfNone    bool     // an unknown subject has the global level
	lookupInvalid  *problem // answer to the look-up of a text that is not a schema; nil means 42201
	lookupDeleted  *problem // answer to a look-up on a deleted subject; nil means 40401
	keys           bool     // the registry includes a DEK registry
	associations   bool     // topics can be associated with subjects
	docsCount      bool     // a different doc or alias makes a new version
	keepsIDs       bool     // an id is readable after a permanent deletion
	noMetadata     int      // status if no version has the metadata
	badReference   *problem // answer to a reference to version 0; nil means 42201
	comparesInline bool     // a text that includes its references is the same schema
}

// lists is the support for the list of all schemas in a dialect.
type lists int

const (
	listsNone     lists = iota
	listsWhole          // without pages
	listsNameless       // the entries do not name their subject
	listsPages
)

// modes is the support for modes in a dialect.
type modes int

const (
	modesEnforced modes = iota
	modesStored         // stored, but without effect
	modesFixed          // always READWRITE, and cannot be set
)

//nolint:gochecknoglobals // constants
var (
	confluent8 = traits{
		name: "Confluent 8", level: compat.Backward,
		keys: true, associations: true,
		lists: listsPages, returnsVersion: true, guids: true, contexts: true, contracts: true, incompatible: 40901, findings: true, prefixes: true,
		checksAll: true, checksReferences: true, levelOfNone: true, docsCount: true, comparesInline: true, noMetadata: http.StatusNotFound,
	}
	confluent7 = traits{
		name: "Confluent 7", level: compat.Backward, keys: true,
		lists: listsPages, contexts: true, contracts: true, incompatible: 409, findings: true, prefixes: true,
		checksAll: true, checksReferences: true, levelOfNone: true, docsCount: true, comparesInline: true, noMetadata: http.StatusNotFound,
	}
	karapace = traits{
		name: "Karapace", level: compat.Backward,
		lists: listsWhole, modes: modesFixed, incompatible: 409,
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
		lists: listsNameless, modes: modesStored, incompatible: 409, noMetadata: http.StatusNoContent,
		checksAll: true, checksByLevel: true, keepsIDs: true, comparesInline: true,
		newSubject:    &problem{http.StatusNotFound, 40401, "No content exists for the subject."},
		lookupInvalid: &problem{http.StatusNotFound, 40403, "Schema not found"},
		lookupDeleted: &problem{http.StatusNotFound, 40403, "Schema not found"},
	}
)

// noRoute returns the answer to an unknown path.
func noRoute(t *traits) *problem {
	if t.name == confluent8.name || t.name == confluent7.name {
		return &problem{http.StatusNotFound, http.StatusNotFound, "HTTP 404 Not Found"}
	}
	return &problem{status: http.StatusNotFound}
}

package registrytest

import (
	"crypto/md5" //nolint:gosec // the registry's GUIDs are MD5 sums, no secret hangs on them
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/registry/compat"
)

// store is the registry's state, with Confluent's rules.
type store struct {
	mu       sync.Mutex
	global   compat.Level
	groups   string // the global compatibility group
	initial  compat.Level
	mode     string
	contexts map[string]*namespace
	dialect  *traits
}

// namespace is a context. Each context has ids of its own.
type namespace struct {
	subjects map[string]*subject // by full name, including the context
	schemas  map[int]*schema
	nextID   int
}

type subject struct {
	versions []*version // ascending
	level    *compat.Level
	group    string // the metadata property of the compatibility groups
	mode     string
}

type version struct {
	number  int
	schema  *schema
	deleted bool // softly deleted
}

// schema is a text with its references. A schema has a single id in its
// context.
type schema struct {
	id        int
	guid      uuid.UUID
	text      string // compact, otherwise as written
	canonical string
	whole     string // with references resolved
	refs      []reference
	metadata  json.RawMessage
	rules     json.RawMessage
}

type reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// posted is the body of a request that gives a schema.
type posted struct {
	Schema     string          `json:"schema"`
	SchemaType string          `json:"schemaType"`
	References []reference     `json:"references"`
	Metadata   json.RawMessage `json:"metadata"`
	RuleSet    json.RawMessage `json:"ruleSet"`
	ID         int             `json:"id"`
	Version    int             `json:"version"`
}

func newStore(l compat.Level, d *traits) *store {
	return &store{global: l, initial: l, mode: modeReadWrite, contexts: map[string]*namespace{}, dialect: d}
}

const (
	modeReadWrite = "READWRITE"
	modeReadOnly  = "READONLY"
	modeOverride  = "READONLY_OVERRIDE"
	modeImport    = "IMPORT"
)

// contextOf returns the context of a subject's name. The default context is "".
// If the dialect has no contexts, the result is also "".
func (t *traits) contextOf(name string) string {
	if !t.contexts {
		return ""
	}
	return contextOf(name)
}

func contextOf(name string) string {
	if !strings.HasPrefix(name, ":.") {
		return ""
	}
	end := strings.IndexByte(name[1:], ':')
	if end < 0 || name[:end+2] == ":.:" {
		return ""
	}
	return name[:end+2]
}

// plainName removes the name of the default context.
func plainName(name string) string { return strings.TrimPrefix(name, ":.:") }

func (s *store) namespace(context string) *namespace {
	n := s.contexts[context]
	if n == nil {
		n = &namespace{subjects: map[string]*subject{}, schemas: map[int]*schema{}, nextID: 1}
		s.contexts[context] = n
	}
	return n
}

// everywhere returns the name of a subject and, for a subject of the default
// context, the same name in every other context. Confluent's registry tries
// these names for a look-up and for a version.
func (s *store) everywhere(name string) []string {
	names := []string{name}
	if s.dialect.contexts && contextOf(name) == "" {
		for _, context := range slices.Sorted(maps.Keys(s.contexts)) {
			if context != "" {
				names = append(names, context+plainName(name))
			}
		}
	}
	return names
}

// subject returns a subject that has versions, or nil if there is none.
func (s *store) subject(name string) *subject {
	sub := s.namespace(s.dialect.contextOf(name)).subjects[plainName(name)]
	if sub == nil || len(sub.versions) == 0 {
		return nil
	}
	return sub
}

func (s *store) makeSubject(name string) *subject {
	n := s.namespace(s.dialect.contextOf(name))
	sub := n.subjects[plainName(name)]
	if sub == nil {
		sub = new(subject)
		n.subjects[plainName(name)] = sub
	}
	return sub
}

// versionsFor returns the versions that are not deleted. If deleted is true,
// live returns all versions.
func (sub *subject) versionsFor(deleted bool) []*version {
	if sub == nil {
		return nil
	}
	var vs []*version
	for _, v := range sub.versions {
		if deleted || !v.deleted {
			vs = append(vs, v)
		}
	}
	return vs
}

// version finds a version. Version -1 is the latest.
func (s *store) version(name string, number int, deleted bool) (*version, *problem) {
	vs := s.subject(name).versionsFor(deleted)
	if len(vs) == 0 {
		return nil, noSubject(name)
	}
	if number == -1 {
		return vs[len(vs)-1], nil
	}
	for _, v := range vs {
		if v.number == number {
			return v, nil
		}
	}
	return nil, noVersion(number)
}

// parse reads a posted schema with its references.
func (s *store) parse(name string, p posted) (*schema, error) {
	if !s.dialect.contracts {
		p.Metadata, p.RuleSet = nil, nil // dropped silently
	}
	if p.SchemaType != "" && p.SchemaType != "AVRO" {
		return nil, invalidRequest("no provider for the schema type %s", p.SchemaType)
	}
	if p.Schema == "" {
		return nil, invalidRequest("empty schema")
	}
	sources, err := s.sources(s.dialect.contextOf(name), p.References, nil, map[*schema]bool{})
	if err != nil {
		return nil, err
	}
	set, err := avsc.ParseSet(append(sources, avsc.Source{Name: "schema", Text: []byte(p.Schema)})...)
	if err != nil {
		return nil, invalidRequest("%v", err)
	}
	root := set.Files[len(set.Files)-1].Root
	if root == nil {
		return nil, invalidRequest("this is a protocol, not a schema")
	}
	sc := &schema{
		text:      string(root.JSON.AppendCompact(nil)),
		canonical: root.Canonical(), whole: root.Text(),
		refs: p.References, metadata: p.Metadata, rules: p.RuleSet,
	}
	sum := md5.New() //nolint:gosec // see above
	sum.Write([]byte(sc.text))
	for _, r := range sc.refs {
		sum.Write([]byte(r.Name + r.Subject))
		_ = binary.Write(sum, binary.BigEndian, int32(r.Version)) //nolint:gosec // versions are small
	}
	sum.Write(sc.metadata)
	sum.Write(sc.rules)
	if s.dialect.guids {
		sc.guid = uuid.UUID(sum.Sum(nil))
	}
	return sc, nil
}

// sources collects the schemas that refs refer to, directly or through
// references. It collects each schema once and adds it to seen.
func (s *store) sources(context string, refs []reference, above []*schema, seen map[*schema]bool) ([]avsc.Source, error) {
	var sources []avsc.Source
	for _, r := range refs {
		name := r.Subject
		if s.dialect.contextOf(name) == "" {
			name = context + name
		}
		if r.Version == 0 && s.dialect.badReference != nil {
			return nil, s.dialect.badReference
		}
		v, p := s.version(name, r.Version, false)
		if p != nil {
			return nil, invalidRequest("no reference %s in version %d of subject %s", r.Name, r.Version, name)
		}
		if slices.Contains(above, v.schema) {
			return nil, invalidRequest("references go in a circle")
		}
		if seen[v.schema] {
			continue
		}
		seen[v.schema] = true
		below, err := s.sources(s.dialect.contextOf(name), v.schema.refs, append(above, v.schema), seen)
		if err != nil {
			return nil, err
		}
		sources = append(append(sources, below...), avsc.Source{Name: name, Text: []byte(v.schema.text)})
	}
	return sources, nil
}

// sameSchema reports whether the registry treats two schemas as the same
// schema. White space, key order and the form of names do not matter.
// References, docs, aliases, defaults and properties do matter. In some
// dialects the posted text may include the types of its references. In some
// dialects docs and aliases do not matter.
func (t *traits) sameSchema(stored, given *schema) bool {
	a, b := stored, given
	inline := t.comparesInline && len(b.refs) == 0
	if a.canonical != b.canonical || !inline && !slices.Equal(a.refs, b.refs) ||
		string(a.metadata) != string(b.metadata) || string(a.rules) != string(b.rules) {
		return false
	}
	if !t.docsCount {
		return true
	}
	if a.whole == b.whole {
		return true
	}
	set, err := avsc.ParseSet(avsc.Source{Name: "a", Text: []byte(a.whole)}, avsc.Source{Name: "b", Text: []byte(b.whole)})
	return err == nil && set.Files[0].Root.Logical == set.Files[1].Root.Logical
}

// register stores a schema. check is false for Seed.
func (s *store) register(name string, p posted, check bool) (*version, *schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if plainName(name) == "" {
		return nil, nil, &problem{http.StatusUnprocessableEntity, 42208, "The specified subject is not a valid subject."}
	}
	mode := s.effectiveMode(name)
	if s.dialect.modes != modesEnforced {
		mode = modeReadWrite
	}
	if check && p.ID == 0 && mode != modeReadWrite && s.dialect.contexts {
		// Confluent's registry looks for the schema before it reads the mode.
		if v, err := s.lookupIn(name, p, false); err == nil {
			return v, v.schema, nil
		}
	}
	if check && (mode == modeReadOnly || mode == modeOverride) {
		return nil, nil, &problem{http.StatusUnprocessableEntity, 42205, fmt.Sprintf("Subject %s is in read-only mode", name)}
	}
	if p.ID > 0 && mode != modeImport {
		return nil, nil, &problem{http.StatusUnprocessableEntity, 42205, fmt.Sprintf("Subject %s is not in import mode", name)}
	}
	if check && p.ID == 0 && mode == modeImport {
		return nil, nil, &problem{http.StatusUnprocessableEntity, 42205, fmt.Sprintf("Subject %s is not in read-write mode", name)}
	}
	sc, err := s.parse(name, p)
	if err != nil {
		return nil, nil, err
	}
	live := s.subject(name).versionsFor(false)
	if s.dialect.contracts && len(live) > 0 && p.Metadata == nil && p.RuleSet == nil {
		if sc, err = s.inheritContract(name, p, live[len(live)-1].schema, sc); err != nil {
			return nil, nil, err
		}
	}
	for _, v := range live {
		if s.dialect.sameSchema(v.schema, sc) {
			return v, v.schema, nil
		}
	}
	if check && mode != modeImport {
		if msgs, err := s.conflicts(s.effectiveLevel(name), sc, s.sameGroup(name, sc, live)); err != nil || len(msgs) > 0 {
			if err != nil {
				return nil, nil, err
			}
			if !s.dialect.findings {
				msgs = []string{"no reason is given"}
			}
			return nil, nil, &problem{http.StatusConflict, s.dialect.incompatible, fmt.Sprintf(
				"Schema being registered is incompatible with an earlier schema for subject \"%s\", details: [%s]", name, strings.Join(msgs, ", "))}
		}
	}
	n := s.namespace(s.dialect.contextOf(name))
	if sc, err = n.identify(s.dialect, sc, p.ID); err != nil {
		return nil, nil, err
	}
	sub := s.makeSubject(name)
	v := &version{number: 1, schema: sc}
	if len(sub.versions) > 0 {
		v.number = sub.versions[len(sub.versions)-1].number + 1
	}
	if p.Version > 0 && p.ID > 0 {
		v.number = max(p.Version, v.number)
	}
	sub.versions = append(sub.versions, v)
	return v, sc, nil
}

// inheritContract handles a schema that comes without metadata and rules. The
// schema then gets the metadata and the rules of the previous version, as in
// Confluent's registry.
func (s *store) inheritContract(name string, p posted, before, plain *schema) (*schema, error) {
	if before.metadata == nil && before.rules == nil {
		return plain, nil
	}
	p.Metadata, p.RuleSet = before.metadata, before.rules
	return s.parse(name, p)
}

// identify gives a schema its id in the context. A new schema gets the next id.
func (n *namespace) identify(t *traits, sc *schema, want int) (*schema, error) {
	if want > 0 {
		if known := n.schemas[want]; known != nil {
			if t.sameSchema(known, sc) {
				return known, nil
			}
			return nil, &problem{http.StatusUnprocessableEntity, 42205, fmt.Sprintf("Overwrite new schema with id %d is not permitted.", want)}
		}
		sc.id = want
	} else {
		for _, known := range n.schemas {
			if t.sameSchema(known, sc) {
				return known, nil
			}
		}
		sc.id = n.nextID
	}
	n.nextID = max(n.nextID, sc.id+1)
	n.schemas[sc.id] = sc
	return sc, nil
}

// conflicts returns the reasons, in the registry's text, why sc is incompatible
// with versions.
func (s *store) conflicts(level compat.Level, sc *schema, versions []*version) ([]string, error) {
	if len(versions) == 0 || level == compat.None {
		return nil, nil
	}
	previous := make([]string, len(versions))
	for i, v := range versions {
		previous[i] = v.schema.whole
	}
	findings, err := compat.Check(level, sc.whole, previous...)
	if err != nil {
		return nil, invalidRequest("%v", err)
	}
	// A registry looks only at the structure.
	findings = slices.DeleteFunc(findings, func(f compat.Finding) bool {
		return f.Type == compat.LogicalTypeChanged || f.Type == compat.DefaultMisfit
	})
	if len(findings) == 0 {
		return nil, nil
	}
	msgs := make([]string, 0, len(findings)+2)
	for _, f := range findings {
		reader, writer := "new", "old"
		if !f.NewIsReader {
			reader, writer = writer, reader
		}
		msgs = append(msgs, fmt.Sprintf("{errorType:'%s', description:'The %s schema cannot read data of the %s schema at path '%s'', additionalInfo:'%s'}",
			f.Type, reader, writer, f.Path, f.Message))
	}
	against := versions[findings[0].Against]
	return append(msgs, fmt.Sprintf("{oldSchemaVersion: %d}", against.number), fmt.Sprintf("{oldSchema: '%s'}", against.schema.text),
		fmt.Sprintf("{compatibility: '%s'}", level)), nil
}

// lookup finds a schema under a subject. The result has the name of the subject
// with its context. If no context has the schema, the error is that of the
// given name.
func (s *store) lookup(name string, p posted, deleted bool) (found string, v *version, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v, err = s.lookupIn(name, p, deleted); err == nil {
		return name, v, nil
	}
	for _, other := range s.everywhere(name)[1:] {
		if v, err := s.lookupIn(other, p, deleted); err == nil {
			return other, v, nil
		}
	}
	return "", nil, err
}

func (s *store) lookupIn(name string, p posted, deleted bool) (*version, error) {
	vs := s.subject(name).versionsFor(deleted)
	if len(vs) == 0 {
		if s.dialect.lookupDeleted != nil && s.subject(name) != nil {
			return nil, s.dialect.lookupDeleted
		}
		return nil, noSubject(name)
	}
	sc, err := s.parse(name, p)
	if err != nil {
		if s.dialect.lookupInvalid != nil {
			return nil, s.dialect.lookupInvalid
		}
		return nil, err
	}
	for _, v := range slices.Backward(vs) {
		given := sc
		if s.dialect.contracts && p.Metadata == nil && p.RuleSet == nil {
			if given, err = s.inheritContract(name, p, v.schema, sc); err != nil {
				return nil, err
			}
		}
		if s.dialect.sameSchema(v.schema, given) {
			return v, nil
		}
	}
	return nil, noSchema()
}

// compatible answers the compatibility endpoints. Number 0 makes the same check
// as a registration, number -1 checks against the latest version, and any other
// number checks against this version.
func (s *store) compatible(name string, number int, p posted) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	vs := s.subject(name).versionsFor(false)
	level := s.effectiveLevel(name)
	if len(vs) == 0 && s.dialect.newSubject != nil && (number == -1 || s.dialect.checksByLevel) {
		return nil, s.dialect.newSubject
	}
	if number > 0 {
		v, problem := s.version(name, number, false)
		if problem != nil {
			return nil, problem
		}
		vs = []*version{v}
	} else if number == -1 && len(vs) > 0 && s.group(name) == "" && !(s.dialect.checksByLevel && level.Transitive()) {
		vs = vs[len(vs)-1:]
	}
	if !s.dialect.checksReferences && (len(p.References) > 0 || slices.ContainsFunc(vs, func(v *version) bool { return len(v.schema.refs) > 0 })) {
		return nil, invalidRequest("references are not resolved here")
	}
	sc, err := s.parse(name, p)
	if err != nil {
		// For these errors Confluent answers with a verdict instead of an
		// error.
		var reason *problem
		if errors.As(err, &reason) {
			return []string{reason.message}, nil
		}
		return nil, err
	}
	return s.conflicts(level, sc, s.sameGroup(name, sc, vs))
}

// group returns the metadata property of a subject's compatibility groups.
func (s *store) group(name string) string {
	if sub := s.namespace(s.dialect.contextOf(name)).subjects[plainName(name)]; sub != nil && sub.group != "" {
		return sub.group
	}
	return s.groups
}

func (s *store) setGroup(name, property string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" {
		s.groups = property
	} else {
		s.makeSubject(name).group = property
	}
}

// sameGroup returns the versions in the compatibility group of a schema.
func (s *store) sameGroup(name string, sc *schema, versions []*version) []*version {
	property := s.group(name)
	if property == "" {
		return versions
	}
	value := func(sc *schema) string {
		var m struct{ Properties map[string]string }
		_ = json.Unmarshal(sc.metadata, &m)
		return m.Properties[property]
	}
	var same []*version
	for _, v := range versions {
		if value(v.schema) == value(sc) {
			same = append(same, v)
		}
	}
	return same
}

func (s *store) effectiveLevel(name string) compat.Level {
	if sub := s.namespace(s.dialect.contextOf(name)).subjects[plainName(name)]; sub != nil && sub.level != nil {
		return *sub.level
	}
	return s.global
}

func (s *store) effectiveMode(name string) string {
	if s.mode == modeOverride {
		return s.mode
	}
	if sub := s.namespace(s.dialect.contextOf(name)).subjects[plainName(name)]; sub != nil && sub.mode != "" {
		return sub.mode
	}
	return s.mode
}

// setLevel sets the level of a subject or the global level. A nil level removes
// the level.
func (s *store) setLevel(name string, l *compat.Level) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case name != "":
		s.makeSubject(name).level = l
	case l == nil:
		s.global = s.initial
	default:
		s.global = *l
	}
}

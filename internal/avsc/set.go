package avsc

import "fmt"

// Source is one schema file.
type Source struct {
	Name string // for messages and positions
	Text []byte

	// Protocol replaces Text if the reader of another format has already read
	// the source. The value has the shape of a protocol (".avpr"). If it has a
	// member "schema", this member is the source's main schema.
	Protocol *Value

	// Mistakes are the mistakes of that reader. The parse adds them to its own
	// mistakes.
	Mistakes Errors

	// Dropped holds the annotations of IDL that JSON cannot represent.
	Dropped []Dropped

	// Imported says that the source only has types for others. Its File is not
	// in Set.Files.
	Imported bool

	// Stored says that data with this schema exists, for example because a
	// registry holds the schema. Such a schema cannot be refused for mistakes
	// that some writers accept. The parser accepts names with characters that
	// the specification does not allow. The parser also accepts a repeated key
	// in a JSON object, and the last value counts. A default that does not fit
	// its type is left out, and so are an enum's default that is no string and
	// an unknown order. Equal definitions of one type are one type.
	Stored bool
}

// Set is a set of sources that one call parsed together.
type Set struct {
	// Files are the parsed sources, in the order given.
	Files []*File

	names map[string]*Schema
}

// File is the content of one source.
type File struct {
	Name string

	// Schemas holds the schemas that the file declares at its top level. For a
	// JSON array of definitions of named types, these are the types. For a
	// protocol, these are the protocol's types. For other files, Schemas holds
	// the file's only schema.
	Schemas []*Schema

	// Root is the file as one schema. A JSON array is a union. Root is nil for
	// a protocol, and for IDL without a schema statement.
	Root *Schema

	// Protocol is the full name of a protocol. Protocol is "" for other files.
	Protocol string

	// JSON is the text as read by the JSON reader.
	JSON *Value

	// Dropped is a copy of the source's Dropped.
	Dropped []Dropped
}

// Dropped is an annotation of IDL that has no effect.
type Dropped struct {
	Key string
	Pos Pos
}

// Type returns the named type with the given full name. The result is nil if
// the set does not define the type.
func (s *Set) Type(fullName string) *Schema { return s.names[fullName] }

// Rename changes the full names of the set's named types and of their aliases
// to the results of f. Only the model changes. Positions and texts stay the
// same. Call Rename before other goroutines use the set.
func (s *Set) Rename(f func(fullName string) string) {
	renamed := make(map[string]*Schema, len(s.names))
	for name, t := range s.names {
		t.Name = f(name)
		for i, a := range t.Aliases {
			t.Aliases[i].Name = f(a.Name)
		}
		renamed[t.Name] = t
	}
	s.names = renamed
}

// Parse parses one self-contained schema. The error is of type [Errors] and
// holds every mistake. Positions contain the name file.
func Parse(file string, text []byte) (*Schema, error) {
	return parseOne(Source{Name: file, Text: text})
}

// ParseStored parses the schema of existing data. It accepts the mistakes that
// [Source] lists for stored schemas. In all other respects ParseStored does the
// same as [Parse].
func ParseStored(file string, text []byte) (*Schema, error) {
	return parseOne(Source{Name: file, Text: text, Stored: true})
}

func parseOne(source Source) (*Schema, error) {
	set, err := ParseSet(source)
	if err != nil {
		return nil, err
	}
	f := set.Files[0]
	if f.Root == nil {
		return nil, Errors{{
			Pos:  f.JSON.Pos,
			What: "this is a protocol, not a schema",
			Fix:  "give the schema of one of its types",
		}}
	}
	return f.Root, nil
}

// maxMistakes limits the reported mistakes of one parse.
const maxMistakes = 1000

// ParseSet parses sources that may refer to each other's types, in any order.
// Several sources may define a type if the definitions are equal. Different
// definitions of one type are an error that shows both places. The error is of
// type [Errors] and holds the mistakes of all sources.
func ParseSet(sources ...Source) (*Set, error) {
	b := &builder{names: map[string]*Schema{}, rank: make(map[string]int, len(sources))}
	set := &Set{names: b.names}
	for i, src := range sources {
		if _, ok := b.rank[src.Name]; !ok {
			b.rank[src.Name] = i
		}
		b.source, b.stored = i, src.Stored
		b.errs = append(b.errs, src.Mistakes...)
		if f := b.file(src); f != nil {
			if src.Imported {
				continue
			}
			set.Files = append(set.Files, f)
		}
	}
	b.finish()
	for _, f := range set.Files {
		if f.Root != nil && f.Schemas == nil {
			f.Schemas = []*Schema{f.Root}
			if f.JSON.declaresTypes() {
				f.Schemas = f.Root.Branches
			}
		}
	}
	if len(b.errs) > 0 {
		b.errs.sort(b.rank)
		return nil, b.errs.firstErrors(maxMistakes)
	}
	return set, nil
}

// file reads one source into the set. The result is nil if the source's
// structure is broken.
func (b *builder) file(src Source) *File {
	root := src.Protocol
	if root == nil {
		r := newReader(src.Name, src.Text)
		r.lastWins = src.Stored
		root = r.document()
		b.errs = append(b.errs, r.errs...)
		if root == nil {
			return nil
		}
	}
	f := &File{Name: src.Name, JSON: root, Dropped: src.Dropped}
	if src.Protocol != nil || root.Member("protocol") != nil && root.Member("type") == nil {
		b.protocol(f, root)
		return f
	}
	b.schema(root, "", &f.Root)
	return f
}

// declaresTypes reports whether v is a list of definitions of named types.
func (v *Value) declaresTypes() bool {
	if v.Kind != JSONArray || len(v.Elems) == 0 {
		return false
	}
	for _, e := range v.Elems {
		if !e.definition() {
			return false
		}
	}
	return true
}

// definition reports whether v, a schema, defines a named type.
func (v *Value) definition() bool {
	t := v.Member("type")
	if t == nil || t.Kind != JSONString {
		return false
	}
	switch t.Str {
	case "record", "error", "enum", "fixed":
		return true
	}
	return false
}

// protocol reads the types of a protocol. It also checks that the messages of
// the protocol use valid schemas.
func (b *builder) protocol(f *File, root *Value) {
	ns := ""
	if v := root.Member("namespace"); v != nil && !v.bad {
		if ns = v.Str; v.Kind != JSONString || ns != "" && !ValidFullName(ns) {
			b.mistake(v.Pos, shorten(v.Text)+" is not a namespace", "join names by dots; "+nameRule)
		}
	}
	if v := root.Member("protocol"); v != nil {
		if v.Kind != JSONString || !ValidFullName(v.Str) {
			b.mistake(v.Pos, "the name of the protocol is not a name", nameRule)
		} else {
			f.Protocol = JoinName(ns, v.Str)
			ns, _ = SplitName(f.Protocol)
		}
	}
	types := root.Member("types")
	f.Schemas = []*Schema{}
	if types != nil && types.Kind != JSONArray {
		b.mistake(types.Pos, "\"types\" of a protocol is "+types.Kind.String(), "make it an array of definitions of named types")
	} else if types != nil {
		f.Schemas = make([]*Schema, len(types.Elems))
		for i, t := range types.Elems {
			if !t.bad && !t.definition() {
				b.mistake(t.Pos, "a protocol's type is not the definition of a record, enum, fixed or error", "use such types inline where they are needed")
			}
			b.schema(t, ns, &f.Schemas[i])
		}
	}
	if main := root.Member("schema"); main != nil {
		b.schema(main, ns, &f.Root)
	}
	b.messages(root.Member("messages"), ns)
}

func (b *builder) messages(v *Value, ns string) {
	if v == nil {
		return
	}
	if v.Kind != JSONObject {
		b.mistake(v.Pos, "\"messages\" of a protocol is "+v.Kind.String(), "make it an object")
		return
	}
	for _, m := range v.Members {
		if !ValidName(m.Key) {
			b.mistake(m.KeyPos, fmt.Sprintf("%s is no name of a message", quote(m.Key)), nameRule)
		}
		if req := m.Value.Member("request"); req != nil {
			params := &Schema{Kind: Record, Pos: req.Pos}
			b.fields(params, req, ns, "parameter")
		}
		for _, key := range []string{"response", "errors"} {
			if s := m.Value.Member(key); s != nil {
				b.schema(s, ns, new(*Schema))
			}
		}
	}
}

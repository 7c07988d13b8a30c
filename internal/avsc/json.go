package avsc

// JSONKind is the kind of a JSON value.
type JSONKind uint8

// The kinds of JSON values.
const (
	JSONNull JSONKind = iota
	JSONBool
	JSONNumber
	JSONString
	JSONArray
	JSONObject
)

// Value is a JSON value with its place and its exact text: numbers are never
// rounded, the order of members is kept.
type Value struct {
	Kind    JSONKind
	Pos     Pos
	Text    string // the exact source text; of a number, its literal
	Str     string // decoded, of a string
	Bool    bool
	Elems   []*Value
	Members []Member
}

// Member is one member of an object.
type Member struct {
	Key    string
	KeyPos Pos
	Value  *Value
}

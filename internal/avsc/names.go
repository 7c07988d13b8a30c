package avsc

import (
	"slices"
	"strings"
)

// ValidName reports whether s is a name by section "Names". A name is a letter
// or underscore, then letters, digits and underscores, all ASCII.
func ValidName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// ValidFullName reports whether s is a sequence of valid names joined by dots.
func ValidFullName(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if !ValidName(part) {
			return false
		}
	}
	return true
}

// validName does the check of [ValidName]. For a stored schema, every text is
// valid, because older writers did not check names.
func (b *builder) validName(s string) bool {
	return ValidName(s) || b.stored && s != ""
}

// validFullName does the check of [ValidFullName] with the same exception.
func (b *builder) validFullName(s string) bool {
	if ValidFullName(s) {
		return true
	}
	return b.stored && !slices.Contains(strings.Split(s, "."), "")
}

// SplitName splits a full name into its namespace and its last part.
func SplitName(full string) (namespace, name string) {
	if i := strings.LastIndexByte(full, '.'); i >= 0 {
		return full[:i], full[i+1:]
	}
	return "", full
}

// JoinName puts a namespace before a simple name. A name with dots is already a
// full name.
func JoinName(namespace, name string) string {
	if namespace == "" || strings.IndexByte(name, '.') >= 0 {
		return name
	}
	return namespace + "." + name
}

// Namespace returns the namespace of a named type, or "" if there is none.
func (s *Schema) Namespace() string {
	ns, _ := SplitName(s.Name)
	return ns
}

// TypeName returns the name of a type as a branch of a union has it. A named
// type has its full name, and any other type has its kind.
func (s *Schema) TypeName() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Kind.String()
}

// ShortName returns the name of a named type without its namespace.
func (s *Schema) ShortName() string {
	_, name := SplitName(s.Name)
	return name
}

func primitive(name string) (Kind, bool) {
	for k := Null; k <= String; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// misnomer returns the Avro name for a type name of another language.
func misnomer(name string) string {
	switch strings.ToLower(name) {
	case "integer", "int32", "short", "byte", "uint8", "int8", "int16", "uint16":
		return `"int"`
	case "int64", "uint32", "uint64", "bigint":
		return `"long"`
	case "bool":
		return `"boolean"`
	case "str", "text", "varchar", "char":
		return `"string"`
	case "float32":
		return `"float"`
	case "float64", "number", "real":
		return `"double"`
	case "binary", "blob", "bytearray":
		return `"bytes"`
	case "date":
		return `{"type": "int", "logicalType": "date"}`
	case "timestamp", "datetime", "timestamp-millis":
		return `{"type": "long", "logicalType": "timestamp-millis"}`
	case "timestamp-micros":
		return `{"type": "long", "logicalType": "timestamp-micros"}`
	case "uuid":
		return `{"type": "string", "logicalType": "uuid"}`
	case "decimal":
		return `{"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}`
	case "list":
		return `{"type": "array", "items": …}`
	case "object", "struct":
		return `{"type": "record", "name": …, "fields": […]}`
	}
	return ""
}

// Nearest returns up to three of the names that look like want, with the best
// first.
func Nearest(want string, names []string) []string {
	type scored struct {
		name string
		cost int
	}
	_, short := SplitName(want)
	var found []scored
	for _, n := range names {
		_, s := SplitName(n)
		cost := 0
		if s != short {
			limit := len(short) / 3
			cost = distance(strings.ToLower(short), strings.ToLower(s), limit)
			if cost > limit {
				continue
			}
			cost++
		}
		found = append(found, scored{n, cost})
	}
	slices.SortFunc(found, func(a, b scored) int {
		if a.cost != b.cost {
			return a.cost - b.cost
		}
		return strings.Compare(a.name, b.name)
	})
	var out []string
	for _, f := range found[:min(3, len(found))] {
		out = append(out, f.name)
	}
	return out
}

// distance returns the Levenshtein distance of a and b. The result is limit+1
// if the distance is above limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		best := row[0]
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
			best = min(best, row[j+1])
		}
		if best > limit {
			return limit + 1
		}
	}
	return row[len(b)]
}

package avscfile

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/avroline/avroline/internal/avsc"
)

// roots returns the folders from which IDL may import. They are the folders of
// the paths and the Roots of the Loader. The result has absolute names without
// links.
func (l Loader) roots(paths []string) []string {
	var roots []string
	all := append(append([]string{}, paths...), l.Roots...)
	for _, place := range l.SearchPath {
		all = append(all, place.Path)
	}
	for _, p := range all {
		dir := strings.TrimSuffix(filepath.ToSlash(p), "...")
		if info, err := l.stat(path.Clean(orHere(dir))); err == nil && !info.IsDir() {
			dir = path.Dir(dir)
		}
		roots = append(roots, l.real(orHere(dir)))
	}
	return roots
}

// searched reports whether a file lies in the search path, or in a module.
func (r *reading) searched(name string) bool {
	if inModule(name) {
		return true
	}
	for _, place := range r.SearchPath {
		root := r.real(trimDeep(place.Path))
		if rel, err := filepath.Rel(root, r.real(name)); err == nil && rel != ".." && !strings.HasPrefix(filepath.ToSlash(rel), "../") {
			return true
		}
	}
	return false
}

// inside reports whether a file is in a root or below a root.
func (r *reading) inside(name string) bool {
	file := r.real(name)
	for _, root := range r.roots {
		if rel, err := filepath.Rel(root, file); err == nil && rel != ".." && !strings.HasPrefix(filepath.ToSlash(rel), "../") {
			return true
		}
	}
	return false
}

// notASchema returns the reason why a text is no schema, protocol or IDL. The
// reason contains no word of the text. If the text may be a schema, the result
// is "". The parser reports mistakes in schemas.
func notASchema(kind string, text []byte) string {
	if kind != "idl" && (bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff"))) {
		return "" // UTF-16: the parser says that the file must be UTF-8
	}
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	first := firstWord(text)
	switch kind {
	case "idl":
		switch first {
		case "", "protocol", "namespace", "schema", "import", "record", "error", "enum", "fixed", "@":
			return ""
		}
		return "the file is no IDL"
	case "protocol":
		if first != "{" {
			return "the file is no protocol"
		}
		if root, _, err := avsc.ReadJSON("", text); err == nil && root.Member("protocol") == nil {
			return "the file is no protocol"
		}
	default:
		switch first {
		case "{", "[", `"`, "":
			return ""
		}
		return "the file is no schema, because it is no JSON object, array or string"
	}
	return ""
}

// notImportable returns the reason why JSON cannot be a schema. The reason
// contains no word of the JSON. The messages of the parser would quote the
// text, and the text may be a secret.
func notImportable(text []byte) string {
	root, _, err := avsc.ReadJSON("", text)
	var mistakes avsc.Errors
	if errors.As(err, &mistakes) {
		return fmt.Sprintf("the file is not valid JSON at %d:%d", mistakes[0].Pos.Line, mistakes[0].Pos.Col)
	}
	name := root
	if root.Kind == avsc.JSONObject && root.Member("protocol") == nil {
		name = root.Member("type")
	}
	switch {
	case name == nil, name.Kind == avsc.JSONString && !isTypeWord(name.Str):
		return "the file is no schema"
	}
	return ""
}

func isTypeWord(s string) bool {
	switch s {
	case "record", "error", "enum", "fixed", "array", "map":
		return true
	}
	for k := avsc.Null; k <= avsc.String; k++ {
		if s == k.String() {
			return true
		}
	}
	return false
}

// firstWord returns the first word of a text after white space and comments. If
// the text does not begin with a word, firstWord is the first character. A word
// with other characters than letters is "?".
func firstWord(text []byte) string {
	for {
		text = bytes.TrimLeft(text, " \t\r\n\f")
		switch {
		case bytes.HasPrefix(text, []byte("//")):
			_, text, _ = bytes.Cut(text, []byte("\n"))
			continue
		case bytes.HasPrefix(text, []byte("/*")):
			_, text, _ = bytes.Cut(text, []byte("*/"))
			continue
		}
		break
	}
	if len(text) == 0 {
		return ""
	}
	n := 0
	for n < len(text) && (text[n] >= 'a' && text[n] <= 'z' || text[n] >= 'A' && text[n] <= 'Z' || text[n] == '_' || text[n] >= '0' && text[n] <= '9') {
		n++
	}
	return string(text[:max(n, 1)])
}

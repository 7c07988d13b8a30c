package avscfile

import (
	"path"

	"github.com/avroline/avroline/internal/avdl"
	"github.com/avroline/avroline/internal/avsc"
)

// namesIn returns the full names of the types that a source defines, and of the
// types that the source refers to. If the text has mistakes, namesIn returns
// the names of the readable part.
func namesIn(source avsc.Source) (defined, used []string) {
	root := source.Protocol
	if root == nil {
		var err error
		if root, _, err = avsc.ReadJSON(source.Name, source.Text); err != nil {
			return nil, nil
		}
	}
	var walk func(v *avsc.Value, ns string)
	walk = func(v *avsc.Value, ns string) {
		switch v.Kind {
		case avsc.JSONString:
			if !isTypeWord(v.Str) {
				used = append(used, avsc.JoinName(ns, v.Str))
			}
		case avsc.JSONArray:
			for _, e := range v.Elems {
				walk(e, ns)
			}
		case avsc.JSONObject:
			if space := v.Member("namespace"); space != nil && space.Kind == avsc.JSONString {
				ns = space.Str
			}
			for _, key := range []string{"name", "protocol"} {
				if name := v.Member(key); name != nil && name.Kind == avsc.JSONString {
					fullName := avsc.JoinName(ns, name.Str)
					ns, _ = avsc.SplitName(fullName)
					defined = append(defined, fullName)
				}
			}
			for _, key := range []string{"type", "items", "values", "schema"} {
				if inner := v.Member(key); inner != nil {
					walk(inner, ns)
				}
			}
			for _, key := range []string{"types", "fields"} {
				if list := v.Member(key); list != nil && list.Kind == avsc.JSONArray {
					for _, e := range list.Elems {
						if key == "fields" {
							e = e.Member("type")
						}
						if e != nil {
							walk(e, ns)
						}
					}
				}
			}
		default:
		}
	}
	walk(root, "")
	return defined, used
}

// addDefiners reads files and adds their types to a map from the full name to
// the first file that defines the type. A file that cannot be read is left out.
func (l Loader) addDefiners(definers map[string]avsc.Source, names []string) {
	for _, name := range names {
		text, err := l.readFile(name)
		if err != nil {
			continue
		}
		source := avsc.Source{Name: name, Text: text}
		if path.Ext(name) == ".avdl" {
			source = avdl.Parse(name, text).Source
		}
		defined, _ := namesIn(source)
		for _, fullName := range defined {
			if _, ok := definers[fullName]; !ok {
				definers[fullName] = source
			}
		}
	}
}

// Package secrets helps tests to find the fields of a value that become visible
// when a program prints the value.
package secrets

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"text/template"
	"unsafe"
)

// module is the import path of the module with all nested modules.
const module = "github.com/avroline/avroline"

// maxDepth limits the nesting of structs, lists and maps that get marks.
const maxDepth = 5

// Field is a string or a list of bytes in a value.
type Field struct {
	Path string // the path in the value, such as "TLS.Key"; "" for the value itself
	Name string // the field's name, after the package and the name of its struct
	mark string // the text in the field
}

// Mark writes a different text into every string and every list of bytes in v,
// also into unexported fields. The argument v is a pointer. Mark makes values
// for nil pointers, empty lists and empty maps of the module's types. Mark does
// not change types of other modules, except url.URL.
func Mark(v any) []Field {
	var m marker
	value := reflect.ValueOf(v).Elem()
	m.fill(value, "", strings.TrimPrefix(value.Type().String(), "*"), 0)
	return m.fields
}

type marker struct{ fields []Field }

// nextMark returns the text for a field. No text is a part of another text.
func (m *marker) nextMark(path, name string) string {
	text := fmt.Sprintf("hUnTeR%dsEcReT", 1000+len(m.fields))
	m.fields = append(m.fields, Field{strings.TrimPrefix(path, "."), name, text})
	return text
}

func (m *marker) fill(v reflect.Value, path, name string, depth int) {
	if !v.CanSet() {
		v = reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Elem() //nolint:gosec // a test writes unexported fields
	}
	t := v.Type()
	switch {
	case depth > maxDepth:
	case t == reflect.TypeFor[url.URL]():
		v.Set(reflect.ValueOf(url.URL{Scheme: "https", Host: "host", User: url.UserPassword("u", m.nextMark(path, name+".User"))}))
	case t.Kind() == reflect.String:
		v.SetString(m.nextMark(path, name))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		v.SetBytes([]byte(m.nextMark(path, name)))
	case t.Kind() == reflect.Struct && ours(t):
		of, _, _ := strings.Cut(t.String(), "[") // without type arguments
		for i := range t.NumField() {
			field := t.Field(i).Name
			m.fill(v.Field(i), path+"."+field, of+"."+field, depth+1)
		}
	case t.Kind() == reflect.Pointer && (t.Elem().Kind() == reflect.String || t.Elem() == reflect.TypeFor[url.URL]() || ours(t.Elem())):
		v.Set(reflect.New(t.Elem()))
		m.fill(v.Elem(), path, name, depth+1)
	case t.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(t, 1, 1))
		m.fill(v.Index(0), path+"[]", name, depth+1)
	case t.Kind() == reflect.Map:
		key, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
		if key.Kind() == reflect.String {
			key.SetString("key")
		}
		m.fill(value, path+"{}", name, depth+1)
		v.Set(reflect.MakeMap(t))
		v.SetMapIndex(key, value)
	}
}

// ours reports whether a type belongs to the module, or is a struct without a
// name.
func ours(t reflect.Type) bool {
	return t.PkgPath() == module || strings.HasPrefix(t.PkgPath(), module+"/") || t.PkgPath() == "" && t.Kind() == reflect.Struct
}

// verbs returns the verbs of package fmt.
func verbs() []string {
	return []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%O", "%c", "%U", "%e", "%f", "%g", "%t", "%T", "%20v", "%.30s"}
}

// Texts prints a value in every way that a program may use. The argument v is a
// pointer. If only the pointer has a Format method, then a program must not
// copy the value, and Texts prints only the pointer. The map more adds ways by
// name. If a way panics, the result has no text for the way.
func Texts(v any, more map[string]func(v any) ([]byte, error)) map[string]string {
	all := map[string]string{}
	add := func(way string, text func() ([]byte, error)) {
		defer func() {
			if recover() != nil { // a marked value is often invalid, so a method may panic
				all[way] = "panic"
			}
		}()
		b, err := text()
		all[way] = string(b) + fmt.Sprint(err)
	}
	ways := maps.Clone(more)
	if ways == nil {
		ways = map[string]func(any) ([]byte, error){}
	}
	ways["json"], ways["xml"] = json.Marshal, xml.Marshal
	ways["gob"] = func(v any) ([]byte, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.Bytes(), err
	}
	ways["slog JSON"] = func(v any) ([]byte, error) {
		var b bytes.Buffer
		slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		return b.Bytes(), nil
	}
	ways["slog text"] = func(v any) ([]byte, error) {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("m", "v", v)
		return b.Bytes(), nil
	}
	ways["template"] = func(v any) ([]byte, error) {
		var b bytes.Buffer
		err := template.Must(template.New("t").Parse("{{.}}")).Execute(&b, v)
		return b.Bytes(), err
	}
	value := reflect.ValueOf(v).Elem().Interface()
	shapes := map[string]any{"pointer": v, "map": map[string]any{"k": v}, "field": struct{ Field any }{v}, "pointer to pointer": &struct{ P any }{v}}
	_, pointer := v.(fmt.Formatter)
	if _, ok := value.(fmt.Formatter); ok || !pointer {
		shapes["value"], shapes["list"] = value, []any{value}
		shapes["field with value"] = struct{ Field any }{value}
	}
	for shape, value := range shapes {
		for _, verb := range verbs() {
			add(verb+" of a "+shape, func() ([]byte, error) { return fmt.Appendf(nil, verb, value), nil })
		}
		for name, way := range ways {
			add(name+" of a "+shape, func() ([]byte, error) { return way(value) })
		}
	}
	return all
}

// Shows reports whether a text contains a mark in plain or encoded form.
func Shows(text, mark string) bool {
	raw := []byte(mark)
	if strings.Contains(text, mark) || strings.Contains(text, base64.StdEncoding.EncodeToString(raw)) ||
		strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("u:"+mark))) {
		return true
	}
	for _, verb := range []string{"%x", "%X", "% x", "%d", "%b", "%o", "%O", "%c", "%U", "%#v", "%e"} {
		form := strings.Trim(fmt.Sprintf(verb, raw), "[]")
		if strings.Contains(text, strings.TrimSuffix(strings.TrimPrefix(form, "[]byte{"), "}")) {
			return true
		}
	}
	return false
}

// Shown marks the value that v points to and prints the value. The result
// contains each visible field, with a way that shows the field.
func Shown(v any, more map[string]func(v any) ([]byte, error)) map[Field]string {
	fields := Mark(v)
	texts := Texts(v, more)
	ways := slices.Sorted(maps.Keys(texts))
	shown := map[Field]string{}
	for _, f := range fields {
		for _, way := range ways {
			if Shows(texts[way], f.mark) {
				shown[f] = way
				break
			}
		}
	}
	return shown
}

// Package secrets_test checks every type of the module that contains a secret.
// No way to print a value may show the secret.
package secrets_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/oauth"
	"github.com/avroline/avroline/internal/secrets"
	"github.com/avroline/avroline/producer"
	"github.com/avroline/avroline/producer/auth/awsmsk"
	"github.com/avroline/avroline/registry"
	"github.com/avroline/avroline/registry/contract"
	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde"
)

// marker is the secret in all tests of this package.
const marker = "hUnTeR2sEcReT"

// secretName matches the names of fields with a secret.
var secretName = regexp.MustCompile(`(?i)(password|secret|passphrase|^tokens?$|userinfo|apikey|credential|bearer|privatekey|keymaterial|authorization)`)

// holders returns the exported types that have a field with a secret, as
// pointers to zero values. TestEveryHolderIsListed finds missing types.
func holders() map[string]any {
	return map[string]any{
		"oauth.Token":                new(oauth.Token),
		"settings.TLS":               new(producer.TLS),
		"settings.OIDCConfig":        new(producer.OIDCConfig),
		"settings.Connection":        new(producer.Connection),
		"settings.SASL":              new(producer.SASL),
		"registry.ClientCredentials": new(registry.ClientCredentials),
		"awsmsk.Credentials":         new(awsmsk.Credentials),
		"contract.DEK":               new(contract.DEK),
	}
}

// notHolders lists types with a field that has the name of a secret. The field
// is not a secret, or the type never leaves its package.
var notHolders = map[string]string{
	"contract.DEK":         "EncryptedKeyMaterial is encrypted; KeyMaterial is hidden, and package contract tests that",
	"settings.Credentials": "internal: producer.SASL holds it behind a pointer",
	"rest.Config":          "internal: registry.Client, which hides all its fields, passes it on",
}

// secretFields lists fields with a secret whose names do not match secretName.
var secretFields = map[string]bool{"TLS.Key": true, "Token.Value": true, "Credentials.SessionToken": true}

func TestEveryHolderIsListed(t *testing.T) {
	t.Parallel()
	listed := holders()
	found := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "examples"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".avro.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || !spec.Name.IsExported() {
				return true
			}
			fields, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			name := file.Name.Name + "." + spec.Name.Name
			for _, f := range fields.Fields.List {
				for _, field := range f.Names {
					if !secretName.MatchString(field.Name) || strings.HasPrefix(field.Name, "Encrypted") || !isText(f.Type) {
						continue
					}
					found++
					if _, ok := listed[name]; !ok && notHolders[name] == "" {
						t.Errorf("%s: %s.%s may be a secret: add the type to holders, or to notHolders with a reason", path, name, field.Name)
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if found < 4 {
		t.Errorf("only %d fields were found", found)
	}
}

// isText reports whether a field's type is string, []byte, or a list or map of
// string or []byte.
func isText(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "string" || e.Name == "byte"
	case *ast.ArrayType:
		return isText(e.Elt)
	case *ast.MapType:
		return isText(e.Value)
	}
	return false
}

// fill writes the marker into every secret of a struct, also into unexported
// fields. The result is the number of secrets.
func fill(v reflect.Value, typeName string) (n int) {
	for i := range v.NumField() {
		field, name := v.Field(i), v.Type().Field(i).Name
		if !field.CanSet() {
			field = reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem() //nolint:gosec // a test writes unexported fields
		}
		secret := secretName.MatchString(name) && !strings.HasPrefix(name, "Encrypted") || secretFields[typeName+"."+name]
		switch {
		case field.Kind() == reflect.Struct:
			n += fill(field, field.Type().Name())
		case field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct && field.Type().Elem().Name() == "Credentials":
			field.Set(reflect.New(field.Type().Elem()))
			n += fill(field.Elem(), "Credentials")
		case secret && field.Kind() == reflect.String:
			field.SetString(marker)
			n++
		case secret && field.Type() == reflect.TypeFor[[]byte]():
			field.SetBytes([]byte(marker))
			n++
		}
	}
	return n
}

func marshalYAML(v any) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil { // yaml panics on a type that it cannot write
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return yaml.Marshal(v)
}

// yamlToo adds the way to print that package secrets does not have.
var yamlToo = map[string]func(any) ([]byte, error){"yaml": marshalYAML}

func shows(text string) bool { return secrets.Shows(text, marker) }

// unprotected is the control. The tests must find its secrets.
type unprotected struct {
	Password string
	Secret   []byte
}

func TestNoWayShowsASecret(t *testing.T) {
	t.Parallel()
	for name, holder := range holders() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := reflect.ValueOf(holder).Elem()
			if name == "settings.SASL" {
				v.Set(reflect.ValueOf(producer.Plain("u", marker)))
			} else if fill(v, v.Type().Name()) == 0 {
				t.Fatal("the type has no secret")
			}
			for way, text := range secrets.Texts(holder, yamlToo) {
				if shows(text) {
					t.Errorf("%s: %s", way, text)
				}
			}
		})
	}
	leaks := 0
	for _, text := range secrets.Texts(&unprotected{marker, []byte(marker)}, yamlToo) {
		if shows(text) {
			leaks++
		}
	}
	if leaks < 80 {
		t.Errorf("control: a type without protection leaks in only %d ways", leaks)
	}
}

// TestNothingMadeShowsASecret checks values that constructors make from a
// secret. They must not show the secret.
func TestNothingMadeShowsASecret(t *testing.T) {
	t.Parallel()
	r := registrytest.Start(t)
	client := func(opts ...registry.Option) *registry.Client {
		c, err := registry.New([]string{r.URL}, opts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	basic := client(registry.WithBasicAuth("u", marker))
	serializer, err := serde.NewSerializer(basic)
	if err != nil {
		t.Fatal(err)
	}
	options := []producer.Option{
		producer.WithSASL(producer.Plain("u", marker)), producer.WithTLS(producer.TLS{KeyPassword: marker}),
		producer.WithConfig(map[string]string{"sasl.oauthbearer.assertion.private.key.passphrase": marker}),
	}
	p, err := producer.New([]string{"127.0.0.1:1"}, serializer, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close(t.Context()) })
	made := map[string]any{
		"producer": p, "serializer": serializer, "basic": basic, "bearer": client(registry.WithBearer(marker)),
		"registry option": registry.WithBasicAuth("u", marker), "header": registry.WithHeader("X-Api-Key", marker),
		"scram": producer.ScramSHA512("u", marker), "oidc": producer.OIDC(producer.OIDCConfig{ClientSecret: marker}),
		"in a private field": struct{ sasl producer.SASL }{producer.Plain("u", marker)},
	}
	for i, o := range options {
		made[fmt.Sprint("option ", i)] = o
	}
	for name, v := range made {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			if text := fmt.Sprintf(verb, v); shows(text) {
				t.Errorf("%s: %s: %s", name, verb, text)
			}
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
		if b, _ := json.Marshal(v); shows(string(b)) || shows(log.String()) {
			t.Errorf("%s: json %s, log %s", name, b, log.String())
		}
	}
}

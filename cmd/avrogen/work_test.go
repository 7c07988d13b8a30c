package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/avroline/avroline/registry/registrytest"
	"github.com/avroline/avroline/serde/ocf"
)

// TestWorkIsLinear checks that each command does about four times the work for
// an input of four times the size. The test counts statements and measures no
// time. The command is built with coverage counters, and the work is the number
// of executed statements of this module. The counters do not count the standard
// library. The limit of 5.5 allows n log n.
func TestWorkIsLinear(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds the command with coverage counters")
	}
	command := buildCounted(t, ".", "github.com/avroline/avroline/...")
	field := func(i int, more string) string { return fmt.Sprintf(`{"name":"f%d"%s}`, i, more) }
	// record is a record of n fields. The members of field i come from more.
	record := func(n int, more func(i int) string) string {
		return `{"type":"record","name":"R","namespace":"x","fields":[` + list(n, func(i int) string { return field(i, more(i)) }) + `]}`
	}
	ints := func(int) string { return `,"type":"int","default":1` }
	optional := func(int) string { return `,"type":["null","string"],"default":null` }
	aliased := func(i int) string { return fmt.Sprintf(`,"type":"int","aliases":["g%d"],"doc":"a field"`, i) }
	nested := func(i int) string {
		return fmt.Sprintf(`,"type":{"type":"record","name":"N%d","fields":[{"name":"a","type":"long"},{"name":"b","type":["null","double"]}]}`, i)
	}
	reversed := func(n int, more func(i int) string) string {
		return `{"type":"record","name":"R","namespace":"x","fields":[` +
			list(n, func(i int) string { return field(n-1-i, more(n-1-i)) }) + `]}`
	}
	enum := func(n, from int) string {
		return `{"type":"enum","name":"R","namespace":"x","symbols":[` + list(n, func(i int) string { return fmt.Sprintf(`"S%d"`, from+i) }) + `]}`
	}
	union := func(n int, more string) string {
		return `{"type":"record","name":"R","namespace":"x","fields":[{"name":"u","type":[` +
			list(n, func(i int) string {
				return fmt.Sprintf(`{"type":"record","name":"B%d","fields":[{"name":"a","type":"int"}%s]}`, i, more)
			}) + `]}]}`
	}
	aliases := func(n, from int) string {
		return `{"type":"record","name":"R","namespace":"x","fields":[{"name":"f","type":"int","aliases":[` +
			list(n, func(i int) string { return fmt.Sprintf(`"g%d"`, from+i) }) + `]}],"aliases":[` +
			list(n, func(i int) string { return fmt.Sprintf(`"A%d"`, from+i) }) + `]}`
	}
	properties := func(n int, value string) string {
		return `{"type":"record","name":"R","namespace":"x",` + list(n, func(i int) string { return fmt.Sprintf(`"p%d":%s`, i, value) }) +
			`,"fields":[{"name":"f","type":"int",` + list(n, func(i int) string { return fmt.Sprintf(`"p%d":%s`, i, value) }) + `}]}`
	}
	deep := func(n int, more string) string {
		s := `{"type":"record","name":"R","namespace":"x","fields":[{"name":"v","type":"int"` + more + `}`
		for i := range n {
			s += fmt.Sprintf(`,{"name":"f%d","type":{"type":"record","name":"L%d","fields":[{"name":"v","type":"int"}`, i, i)
		}
		return s + strings.Repeat("]}}", n) + "]}"
	}
	idl := func(n int, part func(i int) string) string {
		return "namespace x;\n" + lines(n, part)
	}
	idlFields := func(n int) string {
		return "namespace x;\nrecord R {\n" + lines(n, func(i int) string { return fmt.Sprintf("  /** field %d */ union { null, string } f%d = null;", i, i) }) + "}\n"
	}
	one := func(name string, text func(n int) string) func(n int) map[string]string {
		return func(n int) map[string]string { return map[string]string{name: text(n)} }
	}
	shapes := map[string]func(n int) string{
		"ints":       func(n int) string { return record(n, ints) },
		"optionals":  func(n int) string { return record(n, optional) },
		"aliases":    func(n int) string { return record(n, aliased) },
		"records":    func(n int) string { return record(n, nested) },
		"symbols":    func(n int) string { return enum(n, 0) },
		"branches":   func(n int) string { return union(n, "") },
		"properties": func(n int) string { return properties(n, "1") },
		"one alias":  func(n int) string { return aliases(n, 0) },
	}
	const items = `{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"a","type":["null","int"]}]}}`
	type row struct {
		name     string
		files    func(n int) map[string]string
		subjects func(i, n int) []int // instead of files: the later subjects that subject i of a registry refers to
		args     []string
		status   int
		n        int // the smaller size; 0 means 250
	}
	var rows []row
	for name, shape := range shapes {
		file := one("s.avsc", shape)
		rows = append(rows,
			row{name: "generate of " + name, files: file, args: []string{"generate", "-o", "out", "s.avsc"}},
			row{name: "lint of " + name, files: file, args: []string{"lint", "s.avsc"}, status: -1},
			row{name: "fmt of " + name, files: file, args: []string{"fmt", "--diff", "s.avsc"}, status: -1},
			row{name: "schema of " + name, files: file, args: []string{"schema", "s.avsc"}},
			row{name: "sample of " + name, files: file, args: []string{"sample", "s.avsc"}},
		)
	}
	change := func(name string, before, now func(n int) string) {
		files := func(n int) map[string]string {
			return map[string]string{"old/s.avsc": before(n), "new/s.avsc": now(n)}
		}
		rows = append(rows,
			row{name: "check of " + name, files: files, args: []string{"check", "--level", "full", "--against", "old", "new"}, status: -1},
			row{name: "diff of " + name, files: files, args: []string{"diff", "old/s.avsc", "new/s.avsc"}, status: -1},
		)
	}
	for name, shape := range shapes {
		change("the same "+name, shape, shape)
	}
	change("fields in another order", func(n int) string { return record(n, aliased) }, func(n int) string { return reversed(n, aliased) })
	change("fields without default", func(n int) string { return record(n/2, ints) }, func(n int) string { return record(n, optional) })
	change("fields of another type", func(n int) string { return record(n, ints) }, func(n int) string { return record(n, func(int) string { return `,"type":"string"` }) })
	change("fields of another meaning", func(n int) string { return record(n, func(int) string { return `,"type":"long"` }) },
		func(n int) string {
			return record(n, func(int) string { return `,"type":{"type":"long","logicalType":"timestamp-millis"}` })
		})
	change("records with a new field", func(n int) string { return record(n, nested) },
		func(n int) string {
			return strings.ReplaceAll(record(n, nested), `{"name":"a"`, `{"name":"c","type":"int"},{"name":"a"`)
		})
	change("other symbols", func(n int) string { return enum(n, 0) }, func(n int) string { return enum(n, n/2) })
	change("branches with a new field", func(n int) string { return union(n, "") }, func(n int) string { return union(n, `,{"name":"b","type":"int"}`) })
	change("other aliases", func(n int) string { return aliases(n, 0) }, func(n int) string { return aliases(n, n/2) })
	change("other properties", func(n int) string { return properties(n, "1") }, func(n int) string { return properties(n, "2") })
	change("a change at every depth", func(n int) string { return deep(n/10, "") }, func(n int) string {
		return strings.ReplaceAll(deep(n/10, ""), `"type":"int"`, `"type":"string"`)
	})
	rows = append(rows,
		row{name: "generate of IDL fields", files: one("s.avdl", idlFields), args: []string{"generate", "-o", "out", "s.avdl"}},
		row{name: "lint of IDL records", files: one("s.avdl", func(n int) string {
			return idl(n, func(i int) string { return fmt.Sprintf("record R%d { int a; }", i) })
		}), args: []string{"lint", "s.avdl"}, status: -1},
		row{name: "generate of IDL imports", files: func(n int) map[string]string {
			files := map[string]string{"s.avdl": idl(n, func(i int) string { return fmt.Sprintf("import idl \"i%d.avdl\";", i) }) + "record R { int a; }\n"}
			for i := range n {
				files[fmt.Sprintf("i%d.avdl", i)] = fmt.Sprintf("namespace x;\nrecord I%d { int a; }\n", i)
			}
			return files
		}, args: []string{"generate", "-o", "out", "s.avdl"}, n: 60},
		row{name: "generate of files that need each other", files: families, args: []string{"generate", "-o", "out", "."}, n: 60},
		row{name: "lint of files that need each other", files: chain, args: []string{"lint", "."}, status: -1, n: 60},
		row{name: "check of files that need each other", files: grown(families), args: []string{"check", "--against", "old", "new"}, status: -1, n: 60},
		row{name: "generate of a chain of files", files: chain, args: []string{"generate", "-o", "out", "."}},
		row{name: "check of a chain of files", files: grown(chain), args: []string{"check", "--against", "old", "new"}, status: -1},
		row{name: "encode of a long array", files: func(n int) map[string]string {
			return map[string]string{"s.avsc": items, "in.json": "[" + list(n, func(int) string { return `{"a":{"int":1}}` }) + "]"}
		}, args: []string{"encode", "--schema", "s.avsc", "in.json"}, status: -1},
		row{name: "decode of a long array", files: func(n int) map[string]string {
			return map[string]string{"s.avsc": items, "in.bin": string(binary.AppendVarint(nil, int64(n))) + strings.Repeat("\x02\x04", n) + "\x00"}
		}, args: []string{"decode", "--schema", "s.avsc", "in.bin"}},
		row{name: "decode of lines", files: func(n int) map[string]string {
			return map[string]string{"s.avsc": items, "in.txt": strings.Repeat("02020400\n", n)}
		}, args: []string{"decode", "--lines", "--input", "hex", "--schema", "s.avsc", "in.txt"}},
		row{name: "decode of a wide record", files: func(n int) map[string]string {
			return map[string]string{"s.avsc": record(n, optional), "in.bin": strings.Repeat("\x02\x02x", n)}
		}, args: []string{"decode", "--schema", "s.avsc", "in.bin"}},
		row{name: "decode for a wider reader", files: func(n int) map[string]string {
			return map[string]string{"w.avsc": record(n/2, ints), "r.avsc": record(n, ints), "in.avro": container(t, record(n/2, ints), strings.Repeat("\x02", n/2))}
		}, args: []string{"decode", "--reader-schema", "r.avsc", "in.avro"}},
		row{name: "lint of IDL fields", files: one("s.avdl", idlFields), args: []string{"lint", "s.avdl"}, status: -1},
		row{name: "schema of IDL fields", files: one("s.avdl", idlFields), args: []string{"schema", "s.avdl"}},
		row{name: "pull of a tree of subjects", subjects: func(i, n int) []int {
			return slices.DeleteFunc([]int{2*i + 1, 2*i + 2}, func(child int) bool { return child >= n })
		}, n: 60},
		row{name: "pull of a lattice of subjects", subjects: func(i, n int) []int {
			wide := n / 10 // in each of ten layers
			next, at := (i/wide+1)*wide, i%wide
			return slices.DeleteFunc([]int{next + 2*at%wide, next + (2*at+1)%wide}, func(below int) bool { return below >= n })
		}, n: 60},
	)
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			n := r.n
			if n == 0 {
				n = 250
			}
			size := func(n int) int {
				if r.subjects != nil {
					return command.work(t, nil, []string{"pull", "--registry", subjects(t, n, r.subjects), "-o", "out", "n.S0"}, 0)
				}
				return command.work(t, r.files(n), r.args, r.status)
			}
			small, large := size(n), size(4*n)
			if ratio := float64(large) / float64(small); ratio > 5.5 || ratio < 1.5 {
				t.Errorf("%d statements for size %d, %d for %d: %.1f times as many", small, n, large, 4*n, ratio)
			}
		})
	}
	// The control does quadratic work, and the counters must show it.
	control := buildCounted(t, "./testdata/quadratic", "./...")
	small, large := control.work(t, nil, []string{"250"}, 0), control.work(t, nil, []string{"1000"}, 0)
	if ratio := float64(large) / float64(small); ratio < 14 {
		t.Errorf("control: %d statements, %d for four times the size", small, large)
	}
}

func list(n int, part func(i int) string) string {
	parts := make([]string, n)
	for i := range parts {
		parts[i] = part(i)
	}
	return strings.Join(parts, ",")
}

func lines(n int, part func(i int) string) string {
	return strings.ReplaceAll(list(n, func(i int) string { return part(i) + "\n" }), "\n,", "\n")
}

// grown returns a function for the files of shape in the folder old, and for
// the same files with one more field in the folder new.
func grown(shape func(n int) map[string]string) func(n int) map[string]string {
	return func(n int) map[string]string {
		files := map[string]string{}
		for name, text := range shape(n) {
			files["old/"+name] = text
			files["new/"+name] = strings.Replace(text, `"fields":[`, `"fields":[{"name":"c","type":"int"},`, 1)
		}
		return files
	}
}

// container returns an object container file with one record.
func container(t *testing.T, schema, data string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := ocf.NewGenericWriter(&b, schema)
	if err == nil {
		err = w.Append([]byte(data))
	}
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// subjects starts a registry with n subjects and returns its URL. The function
// refs returns the subjects that subject i refers to.
func subjects(t *testing.T, n int, refs func(i, n int) []int) string {
	t.Helper()
	server := registrytest.Start(t)
	for i := n - 1; i >= 0; i-- {
		fields := `{"name":"v","type":"int"}`
		var names []string
		for _, k := range refs(i, n) {
			name := fmt.Sprintf("n.S%d", k)
			fields += fmt.Sprintf(`,{"name":"f%d","type":%q}`, k, name)
			names = append(names, name)
		}
		seedReferences(t, server, fmt.Sprintf("n.S%d", i), fmt.Sprintf(`{"type":"record","name":"n.S%d","fields":[%s]}`, i, fields), names)
	}
	return server.URL
}

// chain returns n files. Each file has a record that the next file uses.
func chain(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		last := `"int"`
		if i > 0 {
			last = fmt.Sprintf(`"x.R%d"`, i-1)
		}
		files[fmt.Sprintf("s%04d.avsc", n-i)] = fmt.Sprintf(`{"type":"record","name":"R%d","namespace":"x","fields":[{"name":"a","type":["null",%s]}]}`, i, last)
	}
	return files
}

// families returns n files with the records of a binary tree.
func families(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		fields := `{"name":"v","type":"int"}`
		for _, child := range []int{2*i + 1, 2*i + 2} {
			if child < n {
				fields += fmt.Sprintf(`,{"name":"c%d","type":["null","x.R%d"]}`, child, child)
			}
		}
		files[fmt.Sprintf("s%04d.avsc", i)] = fmt.Sprintf(`{"type":"record","name":"R%d","namespace":"x","fields":[%s]}`, i, fields)
	}
	return files
}

// counted is a program with coverage counters.
type counted struct{ file string }

// buildCounted builds a package with coverage counters in the packages of
// pattern.
func buildCounted(t *testing.T, pkg, pattern string) counted {
	t.Helper()
	file := filepath.Join(t.TempDir(), "command")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-cover", "-covermode=atomic", "-coverpkg="+pattern, "-o", file, pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return counted{file}
}

// work runs the program in a folder with the files, and returns the number of
// executed statements. A negative status means 0 or 1.
func (c counted) work(t *testing.T, files map[string]string, args []string, status int) (n int) {
	t.Helper()
	dir, counters := t.TempDir(), t.TempDir()
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), c.file, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOCOVERDIR="+counters)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != status && (status >= 0 || got != 0 && got != 1) {
		t.Fatalf("status %d: %.2000s", got, out)
	}
	text := filepath.Join(counters, "counters.txt")
	if out, err := exec.CommandContext(t.Context(), "go", "tool", "covdata", "textfmt", "-i="+counters, "-o="+text).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	f, err := os.Open(text)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// file.go:1.2,3.4 statements count
		if parts := strings.Fields(lines.Text()); len(parts) == 3 {
			statements, _ := strconv.Atoi(parts[1])
			count, _ := strconv.Atoi(parts[2])
			n += statements * count
		}
	}
	return n
}

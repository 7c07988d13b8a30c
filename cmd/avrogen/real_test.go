//go:build integration

package main

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/local"
	"github.com/avroline/avroline/internal/vectortest"
)

// need checks that programs are installed. If a program is missing, need skips
// the test. With AVROLINE_TEST_REQUIRE_REAL, need fails the test.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			if os.Getenv("AVROLINE_TEST_REQUIRE_REAL") != "" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
}

// outputOf runs a program in a folder and returns its output and its status.
func outputOf(t *testing.T, dir string, env []string, program string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// must runs a program that must succeed.
func must(t *testing.T, dir string, env []string, program string, args ...string) string {
	t.Helper()
	out, status := outputOf(t, dir, env, program, args...)
	if status != 0 {
		t.Fatalf("%s %v: status %d\n%s", program, args, status, out)
	}
	return out
}

// installed returns a folder of the cache. If the folder is new, installed runs
// the command in it.
func installed(t *testing.T, name string, program string, args ...string) string {
	t.Helper()
	dir, err := local.Cached(name, func(dir string) error {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %v: %w\n%s", program, args, err, local.Tail(out, 2000))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func put(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// repository returns the root of this repository.
func repository(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// manySchemas copies external test vectors that can be read together, until
// there are 80 types, and returns their folder.
func manySchemas(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	types := 0
	for _, name := range vectortest.Schemas(t) {
		if types >= 80 {
			break
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, filepath.Base(name))
		put(t, file, string(text))
		set, err := avscfile.Load(dir)
		if err != nil { // the file needs other files, or defines an existing type
			os.Remove(file)
			continue
		}
		seen := map[string]bool{}
		for _, f := range set.Files {
			for _, top := range f.Schemas {
				top.Walk(func(s *avsc.Schema) {
					if s.Kind.Named() {
						seen[s.Name] = true
					}
				})
			}
		}
		types = len(seen)
	}
	if types < 80 {
		t.Fatalf("only %d types", types)
	}
	return dir
}

const (
	hostileSchema = `{"type": "record", "name": "Order", "namespace": "shop", "aliases": ["old.Purchase", "Ordered"],
 "doc": "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> See https://example.com/x. 😀", "fields": [
  {"name": "id", "type": {"type": "string", "logicalType": "uuid"}, "doc": "<script>document.title='run'</script>"},
  {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}, "default": "\u0000\u00ff"},
  {"name": "next", "type": ["null", "Order", {"type": "error", "name": "other.Failure", "fields": []}], "default": null},
  {"name": "ratio", "type": "double", "default": 1e3, "order": "ignore", "note": {"a": [1, 2.50, null, true, "no"]}},
  {"name": "code", "type": {"type": "fixed", "name": "Code", "size": 4}, "default": "\u0001\u0002\u0003\u0004"}]}
`
	keySchema = `{"type": "enum", "name": "OrderKey", "symbols": ["yes", "no", "null", "A1"], "default": "no"}`
)

// TestAsyncAPI lets the parser of the AsyncAPI project check the documents of
// 80 types and of types with awkward parts.
func TestAsyncAPI(t *testing.T) {
	need(t, "node", "npm")
	parser := installed(t, "asyncapi-parser-3.6.6", "npm", "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts",
		"@asyncapi/parser@3.6.6", "@asyncapi/avro-schema-parser@3.1.0")
	script, err := os.ReadFile("testdata/real/validate.js")
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(parser, "validate.js"), string(script))
	validate := func(file string) (string, int) { return outputOf(t, parser, nil, "node", "validate.js", file) }

	dir := t.TempDir()
	put(t, filepath.Join(dir, "schemas", "order.avsc"), hostileSchema)
	put(t, filepath.Join(dir, "schemas", "key.avsc"), keySchema)
	put(t, filepath.Join(dir, "avrogen.yaml"), `subjects: {shop.Order: orders-value, OrderKey: orders-key}
docs: {output: site, title: "on: off # <b>", topics: {all_events.v1: [shop.Order, other.Failure]}}
`)
	must(t, dir, nil, "avrogen", "docs")
	api := filepath.Join(dir, "site", "asyncapi.yaml")
	out, status := validate(api)
	for _, want := range []string{"channel orders: shop.Order\n", "channel all_events.v1: shop.Order other.Failure\n", "2 messages\n"} {
		if status != 0 || !strings.Contains(out, want) {
			t.Errorf("status %d, want %q in\n%s", status, want, out)
		}
	}

	site := t.TempDir()
	must(t, site, nil, "avrogen", "docs", "--versions", "none", "-o", ".", manySchemas(t))
	if out, status := validate(filepath.Join(site, "asyncapi.yaml")); status != 0 || strings.Contains(out, "error ") {
		t.Errorf("80 types: status %d\n%s", status, out)
	}

	// Control: the parser must refuse a wrong document.
	text, err := os.ReadFile(api)
	if err != nil {
		t.Fatal(err)
	}
	put(t, api, strings.Replace(string(text), "action: send", "action: shout", 1))
	if out, status := validate(api); status == 0 {
		t.Errorf("a document with a mistake passed:\n%s", out)
	}
}

// TestBrowser opens pages in Chromium. No text of a schema may run as a script.
// The search must work from a folder. No page may be wider than the window.
func TestBrowser(t *testing.T) {
	need(t, "chromium")
	dir := t.TempDir()
	put(t, filepath.Join(dir, "schemas", "order.avsc"), hostileSchema)
	put(t, filepath.Join(dir, "schemas", "key.avsc"), keySchema)
	one, many := filepath.Join(dir, "one"), filepath.Join(dir, "many")
	must(t, dir, nil, "avrogen", "docs", "--versions", "none", "-o", one, "schemas")
	must(t, dir, nil, "avrogen", "docs", "--versions", "none", "-o", many, manySchemas(t))
	open := func(page, query, size string) string {
		u := url.URL{Scheme: "file", Path: page, RawQuery: query}
		cmd := exec.CommandContext(t.Context(), "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--window-size="+size,
			"--user-data-dir="+t.TempDir(), "--virtual-time-budget=3000", "--dump-dom", u.String())
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", page, err)
		}
		return string(out)
	}
	page := open(filepath.Join(one, "types", "shop.Order.html"), "", "1280,900")
	if !strings.Contains(page, "<title>shop.Order · Schemas</title>") || !strings.Contains(page, "document.title='run'") {
		t.Errorf("a text of the schema ran, or is not shown:\n%s", page)
	}
	for query, want := range map[string]string{
		"q=order":     `<a href="types/shop.Order.html">`,
		"q=purchase":  "formerly old.Purchase",
		"q=PRICE":     "<small>price</small>",
		"q=A1":        `<a href="types/OrderKey.html">`,
		"q=%3Cscript": "types/shop.Order.html",
		"q=nowhere":   "Nothing found",
	} {
		if page := open(filepath.Join(one, "index.html"), query, "1280,900"); !strings.Contains(page, want) || strings.Contains(page, "<title>run") {
			t.Errorf("?%s does not show %s", query, want)
		}
	}
	for _, name := range []string{"one/index.html", "one/types/shop.Order.html", "many/index.html", "many/diagram.html"} {
		// A script in a copy of the page reports the width of the page.
		name = filepath.Join(dir, filepath.FromSlash(name))
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		const measure = `<script>document.title = "wide " + document.documentElement.scrollWidth + " of " + innerWidth</script></body>`
		put(t, strings.TrimSuffix(name, ".html")+"-measured.html", strings.Replace(string(text), "</body>", measure, 1))
		for _, size := range []string{"390,800", "1280,900"} {
			page := open(strings.TrimSuffix(name, ".html")+"-measured.html", "", size)
			m := regexp.MustCompile(`<title>wide (\d+) of (\d+)</title>`).FindStringSubmatch(page)
			if m == nil {
				t.Fatalf("%s at %s: no measure", name, size)
			}
			wide, err := strconv.Atoi(m[1])
			window, _ := strconv.Atoi(m[2])
			if err != nil || wide > window {
				t.Errorf("%s at %s: %d pixels in a window of %d", name, size, wide, window)
			}
		}
	}
}

// pythonTools installs programs from PyPI, and returns the environment
// variables that the programs need.
func pythonTools(t *testing.T) []string {
	t.Helper()
	need(t, "python3")
	dir := installed(t, "pre-commit-4.7.0-1", "python3", "-m", "pip", "install", "-q", "--target", "libs",
		"pre-commit==4.7.0", "check-jsonschema==0.39.0")
	return []string{"PYTHONPATH=" + filepath.Join(dir, "libs")}
}

// TestConfigSchemaByValidator lets check-jsonschema check settings with the
// JSON Schema. The schema must accept exactly the settings that avrogen
// accepts.
func TestConfigSchemaByValidator(t *testing.T) {
	env := pythonTools(t)
	schema, err := filepath.Abs(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		text string
		ok   bool
	}{
		"all of it": {`schemas: [a/..., b]
registry: {url: "http://localhost:8081", headers: {x: y}, oauth: {token-url: "http://x", client-id: a}}
subjects: {shop.Order: orders-value}
contracts: {orders-value: {metadata: {properties: {owner: shop}}}}
generate: {output: gen, package: events, map: {acme: example.com/acme}, tags: [db], optionals: opt, omitempty: true}
lint: {except: [SYMBOL_STYLE], baseline: known}
check: {against: "git:origin/main", level: full_transitive, renames: {a: b}}
except: [{rule: TYPE_MISMATCH, path: shop.Order, reason: agreed, until: "2027-01-31"}]
docs: {output: site, format: markdown, versions: "tags:v*", topics: {orders: [shop.Order]}}
`, true},
		"a URL, own types": {"registry: http://localhost:8081\ngenerate: {types: {decimal: example.com/m.Money, uuid: {type: example.com/m.ID}}, tags: {db: snake, yaml: }}\n", true},
		"unknown key":      {"schema: [a]\n", false},
		"unknown inner":    {"lint: {excepts: []}\n", false},
		"unknown rule":     {"lint: {except: [NO_SUCH_RULE]}\n", false},
		"unknown level":    {"check: {level: SIDEWAYS}\n", false},
		"not a list":       {"schemas: a/...\n", false},
	} {
		file := filepath.Join(t.TempDir(), configName)
		put(t, file, test.text)
		out, status := outputOf(t, ".", env, "python3", "-m", "check_jsonschema", "--schemafile", schema, file)
		if ok := status == 0; ok != test.ok {
			t.Errorf("%s: status %d\n%s", name, status, out)
		}
		// avrogen checks the names of rules later, in lint.
		var c config
		if err := c.parse(configName, []byte(test.text)); (err == nil) != test.ok && name != "unknown rule" {
			t.Errorf("%s: the program says %v", name, err)
		}
	}
}

// git runs git as a test user.
func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	must(t, dir, nil, "git", append([]string{"-c", "user.name=tester", "-c", "user.email=tester@example.com", "-c", "commit.gpgsign=false"}, args...)...)
}

// TestPreCommit runs the pre-commit hooks of this repository in a new
// repository.
func TestPreCommit(t *testing.T) {
	need(t, "git", "go")
	env := pythonTools(t)
	// Copy this work tree, so that the test uses the present hooks. pre-commit
	// installs all packages of the copy, so the copy has only the packages that
	// the command needs.
	hooks := t.TempDir()
	root := repository(t)
	const module = "github.com/avroline/avroline/"
	needed := map[string]bool{".": true}
	for dep := range strings.FieldsSeq(must(t, root, nil, "go", "list", "-deps", "./cmd/avrogen")) {
		if folder, ok := strings.CutPrefix(dep, module); ok {
			needed[folder] = true
		}
	}
	isNeeded := func(name string) bool {
		folder := path.Dir(name)
		for !needed[folder] && folder != "." && filepath.Ext(name) != ".go" {
			folder = path.Dir(folder) // a package may embed a file in a folder below
		}
		return needed[folder]
	}
	for name := range strings.SplitSeq(must(t, root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		info, err := os.Lstat(filepath.Join(root, name))
		if err != nil || !info.Mode().IsRegular() || !isNeeded(name) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		put(t, filepath.Join(hooks, name), string(text))
	}
	git(t, hooks, "init", "-q", "-b", "main")
	git(t, hooks, "add", "-A", "-f")
	git(t, hooks, "commit", "-q", "-m", "hooks")
	rev := strings.TrimSpace(must(t, hooks, nil, "git", "rev-parse", "HEAD"))

	dir := t.TempDir()
	git(t, dir, "init", "-q", "-b", "main")
	put(t, filepath.Join(dir, "avrogen.yaml"), "schemas: [schemas/...]\nlint: {except: [FIELD_WITHOUT_DOC]}\n")
	put(t, filepath.Join(dir, "schemas", "order.avsc"), `{"type":"record","name":"Order","namespace":"shop","doc":"An order.","fields":[{"name":"id","type":"string"}]}`)
	put(t, filepath.Join(dir, ".pre-commit-config.yaml"), fmt.Sprintf(
		"repos:\n  - repo: %s\n    rev: %s\n    hooks: [{id: avrogen-fmt}, {id: avrogen-lint}, {id: avrogen-check}]\n", hooks, rev))
	git(t, dir, "add", "-A")
	// Use the Go flags of this machine, so that the build can use the build
	// cache.
	flags := "-modcacherw " + strings.TrimSpace(must(t, dir, nil, "go", "env", "GOFLAGS"))
	env = append(env, "PRE_COMMIT_HOME="+t.TempDir(), "GOFLAGS="+strings.TrimSpace(flags), "CGO_ENABLED=0",
		"GOMODCACHE="+strings.TrimSpace(must(t, dir, nil, "go", "env", "GOMODCACHE")))
	run := func() (string, int) {
		return outputOf(t, dir, env, "python3", "-m", "pre_commit", "run", "--all-files", "--color=never")
	}
	out, status := run()
	if status != 1 || !regexp.MustCompile(`avrogen fmt\.+Failed`).MatchString(out) || !strings.Contains(out, "files were modified by this hook") {
		t.Fatalf("a file that is not laid out: status %d\n%s", status, out)
	}
	git(t, dir, "add", "-A")
	if out, status = run(); status != 0 {
		t.Fatalf("a good commit: status %d\n%s", status, out)
	}
	git(t, dir, "commit", "-q", "-m", "one")
	put(t, filepath.Join(dir, "schemas", "order.avsc"), `{
  "type": "record",
  "name": "Order",
  "namespace": "shop",
  "doc": "An order.",
  "fields": [
    {"name": "id", "type": "string"},
    {"name": "Total", "type": "int"}
  ]
}
`)
	out, status = run()
	for _, want := range []string{`avrogen fmt\.+Passed`, `avrogen lint\.+Failed`, `FIELD_NAME_STYLE`, `avrogen check\.+Failed`, `READER_FIELD_MISSING_DEFAULT_VALUE: field Total is new`} {
		if status != 1 || !regexp.MustCompile(want).MatchString(out) {
			t.Errorf("a bad commit: status %d, want %q in\n%s", status, want, out)
		}
	}
	git(t, dir, "rm", "-q", "-f", "schemas/order.avsc")
	put(t, filepath.Join(dir, "schemas", "other.avsc"), "\"string\"\n")
	out, status = outputOf(t, dir, env, "python3", "-m", "pre_commit", "run", "--color=never")
	if status != 1 || !regexp.MustCompile(`avrogen check\.+Failed`).MatchString(out) || !strings.Contains(out, "SCHEMA_REMOVED: shop.Order is gone") {
		t.Errorf("a commit that only removes a file: status %d\n%s", status, out)
	}
}

// TestAction runs the steps of action.yml like a runner of GitHub.
func TestAction(t *testing.T) {
	need(t, "git", "go", "bash")
	text, err := os.ReadFile(filepath.Join(repository(t), "action.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var action struct {
		Inputs map[string]struct{ Default string }
		Runs   struct {
			Using string
			Steps []struct {
				Uses, Shell, Run string
				Env              map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &action); err != nil {
		t.Fatal(err)
	}
	origin, dir, temp := t.TempDir(), filepath.Join(t.TempDir(), "work"), t.TempDir()
	git(t, origin, "init", "-q", "-b", "main")
	put(t, filepath.Join(origin, "avrogen.yaml"), "schemas: [schemas/...]\nlint: {except: [FIELD_WITHOUT_DOC, TYPE_WITHOUT_DOC]}\n")
	const before = "{\n  \"type\": \"record\",\n  \"name\": \"Order\",\n  \"namespace\": \"shop\",\n  \"fields\": [\n    {\"name\": \"id\", \"type\": \"string\"}\n  ]\n}\n"
	put(t, filepath.Join(origin, "schemas", "order.avsc"), before)
	git(t, origin, "add", "-A")
	git(t, origin, "commit", "-q", "-m", "one")
	git(t, origin, "branch", "change")
	// Check out one branch, like actions/checkout.
	git(t, filepath.Dir(dir), "clone", "-q", "--depth=1", "--single-branch", "-b", "change", "file://"+origin, dir)
	run := func(inputs map[string]string) (string, int) {
		var all bytes.Buffer
		for _, step := range action.Runs.Steps {
			if step.Run == "" {
				continue // the setup of Go
			}
			env := []string{"GITHUB_ACTION_PATH=" + repository(t), "RUNNER_TEMP=" + temp, "GITHUB_BASE_REF=main"}
			for key, value := range step.Env {
				name := regexp.MustCompile(`^\$\{\{ inputs\.([\w-]+) \}\}$`).FindStringSubmatch(value)
				in, ok := action.Inputs[name[1]]
				if !ok {
					t.Fatalf("no input %s", name[1])
				}
				text := in.Default
				if given, ok := inputs[name[1]]; ok {
					text = given
				}
				env = append(env, key+"="+text)
			}
			out, status := outputOf(t, dir, env, step.Shell, "--noprofile", "--norc", "-eo", "pipefail", "-c", step.Run)
			all.WriteString(out)
			if status != 0 {
				return all.String(), status
			}
		}
		return all.String(), 0
	}
	if out, status := run(nil); status != 0 || out != "" {
		t.Fatalf("without a change: status %d\n%s", status, out)
	}
	put(t, filepath.Join(dir, "schemas", "order.avsc"), strings.Replace(before, `"string"}`, `"int"}`, 1)+"\n")
	out, status := run(nil)
	for _, want := range []string{
		"::error file=schemas/order.avsc,line=9,col=1,title=NOT_FORMATTED::",
		"::error file=schemas/order.avsc,line=6,col=28,title=TYPE_MISMATCH::string became int",
	} {
		if status != 1 || !strings.Contains(out, want) {
			t.Errorf("a breaking change: status %d, want %q in\n%s", status, want, out)
		}
	}
	if out, status := run(map[string]string{"commands": "lint", "paths": "schemas/order.avsc"}); status != 0 {
		t.Errorf("lint only: status %d\n%s", status, out)
	}
	bad := strings.Replace(before, "Order", "bad", 1)
	put(t, filepath.Join(dir, "schemas", "bad.avsc"), bad)
	if out, status := run(map[string]string{"commands": "lint", "paths": "schemas/order.avsc\nschemas/bad.avsc\n"}); status != 1 || !strings.Contains(out, "schemas/bad.avsc") {
		t.Errorf("paths on several lines: status %d\n%s", status, out)
	}
	if out, status := run(map[string]string{"commands": "lint; rm"}); status != 2 || !strings.Contains(out, "is none of fmt, lint, check, generate") {
		t.Errorf("an unknown command: status %d\n%s", status, out)
	}
	if out, status := run(map[string]string{"paths": "nowhere $(touch x)"}); status == 0 || strings.Contains(out, "command not found") {
		t.Errorf("paths that do not exist: status %d\n%s", status, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "x")); err == nil {
		t.Error("an input ran as a command")
	}
}

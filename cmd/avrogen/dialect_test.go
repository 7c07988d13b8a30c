package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/avroline/avroline/registry/compat"
	"github.com/avroline/avroline/registry/registrytest"
)

// project writes the files of a folder and returns the folder.
func project(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	lineSchema   = `{"type":"record","name":"Line","namespace":"shop","fields":[{"name":"sku","type":"string"}]}`
	orderSchema  = `{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"lines","type":{"type":"array","items":"shop.Line"}}]}`
	cancelSchema = `{"type":"record","name":"Cancelled","namespace":"shop","fields":[{"name":"why","type":"string"}]}`
	// A field without a default breaks BACKWARD.
	brokenSchema = `{"type":"record","name":"Cancelled","namespace":"shop","fields":[{"name":"why","type":"string"},{"name":"who","type":"string"}]}`
	addedSchema  = `{"type":"record","name":"Cancelled","namespace":"shop","fields":[{"name":"why","type":"string"},{"name":"who","type":"string","default":""}]}`
)

func shopProject(t *testing.T, cancelled string) string {
	return project(t, map[string]string{
		"avrogen.yaml": "subjects:\n  shop.Order: orders-value\n  events.avsc: events-value\n",
		"line.avsc":    lineSchema, "order.avsc": orderSchema, "cancelled.avsc": cancelled, "events.avsc": `["shop.Order","shop.Cancelled"]`,
	})
}

// TestRegisterInEachDialect runs register against each dialect of registrytest.
// The cases are references, a topic of several types, a second run, an allowed
// change and a refused change.
func TestRegisterInEachDialect(t *testing.T) {
	t.Parallel()
	for _, dialect := range registrytest.Dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			server := registrytest.Start(t, registrytest.WithDialect(dialect), registrytest.WithLevel(compat.BackwardTransitive))
			register := func(cancelled string, args ...string) (status int, stdout string) {
				dir := shopProject(t, cancelled)
				status, stdout, stderr := avrogen(t, nil, append([]string{"register", "--registry", server.URL, "--config", filepath.Join(dir, "avrogen.yaml"), dir}, args...)...)
				if stderr != "" {
					t.Errorf("stderr: %s", stderr)
				}
				return status, stdout
			}
			before := "shop.Line: would register\norders-value: would register\nshop.Cancelled: would register\nevents-value: would register\n"
			if status, out := register(cancelSchema, "--dry-run"); status != 0 || sorted(out) != sorted(before) {
				t.Fatalf("dry run: status %d\n%s", status, out)
			}
			status, out := register(cancelSchema)
			if status != 0 || strings.Count(out, "registered, version 1") != 4 {
				t.Fatalf("status %d\n%s", status, out)
			}
			if status, out := register(cancelSchema); status != 0 || strings.Count(out, "unchanged") != 4 {
				t.Errorf("a second run: status %d\n%s", status, out)
			}
			if status, out := register(brokenSchema); status != 1 || !strings.Contains(out, "cancelled.avsc:1:") || !strings.Contains(out, "READER_FIELD_MISSING_DEFAULT_VALUE") {
				t.Errorf("a break: status %d\n%s", status, out)
			}
			if status, out := register(addedSchema); status != 0 || !strings.Contains(out, "shop.Cancelled: registered, version 2") {
				t.Errorf("an allowed change: status %d\n%s", status, out)
			}
			if status, out := register(addedSchema, "--level", "FULL"); status != 0 || !strings.Contains(out, "shop.Cancelled") {
				t.Errorf("a new level: status %d\n%s", status, out)
			}
		})
	}
}

// TestRegisterRulesInEachDialect checks that register does not report success
// if the registry drops the rules. Writers would then send clear text.
func TestRegisterRulesInEachDialect(t *testing.T) {
	t.Parallel()
	for _, dialect := range registrytest.Dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			server := registrytest.Start(t, registrytest.WithDialect(dialect))
			dir := project(t, map[string]string{
				"avrogen.yaml":      "subjects:\n  Person: people-value\n",
				"person.avsc":       `{"type":"record","name":"Person","fields":[{"name":"email","type":"string","confluent:tags":["PII"]}]}`,
				"person.rules.yaml": "ruleSet: {domainRules: [{name: protect, kind: TRANSFORM, type: ENCRYPT, mode: WRITEREAD, tags: [PII]}]}\n",
			})
			for _, run := range []string{"first", "second"} {
				status, _, stderr := avrogen(t, nil, "register", "--registry", server.URL, "--config", filepath.Join(dir, "avrogen.yaml"), dir)
				keeps := dialect == registrytest.Confluent8 || dialect == registrytest.Confluent7
				if keeps && status != 0 {
					t.Errorf("the %s run: status %d: %s", run, status, stderr)
				}
				if !keeps && (status != 3 || !strings.Contains(stderr, "has dropped its rules")) {
					t.Errorf("the %s run: status %d: %s", run, status, stderr)
				}
			}
		})
	}
}

func sorted(lines string) string {
	all := strings.Split(strings.TrimSpace(lines), "\n")
	for i := range all {
		for j := i; j > 0 && all[j] < all[j-1]; j-- {
			all[j], all[j-1] = all[j-1], all[j]
		}
	}
	return strings.Join(all, "\n")
}

// laggingNode answers reads like a node that gets each write late. After a
// write, the first lag reads of each path get the status 404.
func laggingNode(t *testing.T, server *registrytest.Server, lag int) (address string, refused func() int) {
	t.Helper()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	left, n, written := map[string]int{}, 0, false
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		write := r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/versions") && !strings.HasPrefix(r.URL.Path, "/compatibility")
		written = written || write
		if _, ok := left[r.URL.Path]; !ok {
			left[r.URL.Path] = lag
		}
		late := written && r.Method == http.MethodGet && left[r.URL.Path] > 0 && !strings.HasPrefix(r.URL.Path, "/config")
		if late {
			left[r.URL.Path]--
			n++
		}
		mu.Unlock()
		if late {
			w.Header().Set("Content-Type", "application/vnd.schemaregistry.v1+json")
			w.WriteHeader(http.StatusNotFound)
			code := 40403
			if strings.HasPrefix(r.URL.Path, "/subjects") {
				code = 40401
			}
			fmt.Fprintf(w, `{"error_code":%d,"message":"not found"}`, code)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(node.Close)
	return node.URL, func() int { mu.Lock(); defer mu.Unlock(); return n }
}

// TestRegisterWithALaggingNode checks that register trusts the registry's
// answer to a write. If the answer contains only the id, register asks for the
// schema of the id, and the lagging node does not know the id yet.
func TestRegisterWithALaggingNode(t *testing.T) {
	t.Parallel()
	for _, dialect := range []registrytest.Dialect{registrytest.Confluent8, registrytest.Confluent7, registrytest.Karapace, registrytest.Redpanda} {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			node, refused := laggingNode(t, registrytest.Start(t, registrytest.WithDialect(dialect)), 3)
			dir := shopProject(t, cancelSchema)
			status, out, stderr := avrogen(t, nil, "register", "--registry", node, "--config", filepath.Join(dir, "avrogen.yaml"), dir)
			if status != 0 || stderr != "" || strings.Count(out, "registered, version 1") != 4 {
				t.Errorf("status %d\n%s%s", status, out, stderr)
			}
			if dialect != registrytest.Confluent8 && refused() == 0 {
				t.Error("control: no read was late, so the test shows nothing")
			}
		})
	}
}

// TestCheckAsksFewRequests checks a schema without "subjects" in avrogen.yaml
// against a registry with many other subjects.
func TestCheckAsksFewRequests(t *testing.T) {
	t.Parallel()
	for _, dialect := range registrytest.Dialects() {
		t.Run(dialect.String(), func(t *testing.T) {
			t.Parallel()
			server := registrytest.Start(t, registrytest.WithDialect(dialect), registrytest.WithLevel(compat.Backward))
			for i := range 300 {
				if err := server.Seed(fmt.Sprintf("other-%d-value", i), fmt.Sprintf(`{"type":"record","name":"Other%d","fields":[]}`, i)); err != nil {
					t.Fatal(err)
				}
			}
			for _, subject := range []string{"cancelled-value", "audit-shop.Cancelled", "shop.Cancelled"} {
				if err := server.Seed(subject, cancelSchema); err != nil {
					t.Fatal(err)
				}
			}
			dir := project(t, map[string]string{"cancelled.avsc": brokenSchema, "order.avsc": orderSchema, "line.avsc": lineSchema})
			status, out, stderr := avrogen(t, nil, "check", "--against", "registry", "--registry", server.URL, dir)
			// A registry without a list of schemas can be searched only by the
			// names of subjects.
			found, unknown := 3, 0
			if dialect == registrytest.Redpanda || dialect == registrytest.Apicurio {
				found, unknown = 2, 1
			}
			if n := strings.Count(out, "READER_FIELD_MISSING_DEFAULT_VALUE"); status != 1 || n != found || strings.Count(out, "SUBJECT_UNKNOWN") != unknown {
				t.Errorf("status %d, %d findings, want %d\n%s%s", status, n, found, out, stderr)
			}
			if n := server.Requests(); n > 15 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestCheckMayNotList checks a registry that refuses the list of schemas.
func TestCheckMayNotList(t *testing.T) {
	t.Parallel()
	server := registrytest.Start(t)
	if err := server.Seed("shop.Cancelled", cancelSchema); err != nil {
		t.Fatal(err)
	}
	server.Inject(registrytest.Status(http.StatusForbidden), registrytest.OnPath("/schemas"))
	dir := project(t, map[string]string{"cancelled.avsc": brokenSchema})
	status, out, stderr := avrogen(t, nil, "check", "--against", "registry", "--registry", server.URL, dir)
	if status != 1 || !strings.Contains(out, "READER_FIELD_MISSING_DEFAULT_VALUE") || strings.Contains(out, "SUBJECT_UNKNOWN") {
		t.Errorf("status %d\n%s%s", status, out, stderr)
	}
}

package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLanguageServer runs `avrogen lsp` like an editor, as a process with
// pipes. The avrogen.yaml excepts a rule and has a baseline.
func TestLanguageServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const text = `{"type": "record", "name": "a", "fields": [{"name": "x", "type": "int"}]}`
	for name, content := range map[string]string{
		"avrogen.yaml":   "schemas: [schemas]\nlint:\n  except: [NO_NAMESPACE, FIELD_WITHOUT_DOC]\n  baseline: known\n",
		"known":          "TYPE_WITHOUT_DOC a\n",
		"schemas/a.avsc": text,
	} {
		name = filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	uri := (&url.URL{Scheme: "file", Path: filepath.ToSlash(filepath.Join(dir, "schemas", "a.avsc"))}).String()
	var in bytes.Buffer
	for _, message := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{}}}`,
		fmt.Sprintf(`{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{"textDocument":{"uri":%q,"languageId":"avsc","version":1,"text":%q}}}`, uri, text),
		fmt.Sprintf(`{"jsonrpc":"2.0","id":2,"method":"textDocument/hover","params":{"textDocument":{"uri":%q},"position":{"line":0,"character":29}}}`, uri),
		`{"jsonrpc":"2.0","id":3,"method":"shutdown"}`,
		`{"jsonrpc":"2.0","method":"exit"}`,
	} {
		fmt.Fprintf(&in, "Content-Length: %d\r\n\r\n%s", len(message), message)
	}
	cmd := exec.CommandContext(t.Context(), "avrogen", "lsp")
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), `"code":`); n != 1 || !strings.Contains(string(out), `"code":"TYPE_NAME_STYLE"`) {
		t.Errorf("the findings are not those of avrogen.yaml:\n%s", out)
	}
	if !strings.Contains(string(out), `record a\n  x: int`) {
		t.Errorf("no hover:\n%s", out)
	}

	cmd = exec.CommandContext(t.Context(), "avrogen", "lsp")
	cmd.Stdin = strings.NewReader("Content-Length: 33\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}")
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exitFindings || len(out) != 0 {
		t.Errorf("exit without shutdown: %v %q", err, out)
	}
}

package lsp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"

	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/lsp"
	"github.com/avroline/avroline/registry/contract"
)

// client is a scripted editor.
type client struct {
	t      *testing.T
	in     io.WriteCloser
	out    *bufio.Reader
	result chan error // of Serve
	next   int

	problems map[string][]string // by URI, as "line:character-line:character severity code"
	texts    map[string][]string // the messages of problems
}

// start starts a server for the schemas of a folder. The schemas of paths
// belong together.
func start(t *testing.T, paths ...string) *client {
	t.Helper()
	return startWith(t, avscfile.Loader{}, paths...)
}

// startWith is start with a given loader of schemas.
func startWith(t *testing.T, loader avscfile.Loader, paths ...string) *client {
	t.Helper()
	clientIn, serverOut := io.Pipe()
	serverIn, clientOut := io.Pipe()
	c := &client{
		t: t, in: clientOut, out: bufio.NewReader(clientIn), result: make(chan error, 1),
		problems: map[string][]string{}, texts: map[string][]string{},
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		err := lsp.Serve(ctx, serverIn, serverOut, lsp.Options{
			Version: "test",
			Settings: func(string) (lsp.Settings, error) {
				return lsp.Settings{Paths: paths, Loader: loader, Ignore: func(f contract.Finding) bool {
					return f.Type == "TYPE_WITHOUT_DOC" || f.Type == "FIELD_WITHOUT_DOC" || f.Type == "NO_NAMESPACE"
				}}, nil
			},
		})
		serverOut.CloseWithError(io.EOF)
		c.result <- err
	}()
	t.Cleanup(func() {
		cancel()
		clientOut.Close()
		clientIn.Close()
	})
	return c
}

func (c *client) write(content string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, "Content-Length: %d\r\n\r\n%s", len(content), content); err != nil {
		c.t.Fatal(err)
	}
}

// read reads one message.
func (c *client) read() map[string]any {
	c.t.Helper()
	length := 0
	for {
		line, err := c.out.ReadString('\n')
		if err != nil {
			c.t.Fatalf("the server ended: %v", err)
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		if value, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			length, _ = strconv.Atoi(value)
		}
	}
	content := make([]byte, length)
	if _, err := io.ReadFull(c.out, content); err != nil {
		c.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(content, &m); err != nil {
		c.t.Fatal(err)
	}
	if m["method"] == "textDocument/publishDiagnostics" {
		c.note(m["params"].(map[string]any))
	}
	return m
}

func (c *client) note(p map[string]any) {
	uri := p["uri"].(string)
	c.problems[uri], c.texts[uri] = []string{}, nil
	for _, x := range p["diagnostics"].([]any) {
		d := x.(map[string]any)
		r := d["range"].(map[string]any)
		at := func(key string) string {
			p := r[key].(map[string]any)
			return fmt.Sprintf("%v:%v", p["line"], p["character"])
		}
		code, _ := d["code"].(string)
		c.problems[uri] = append(c.problems[uri], strings.TrimSpace(fmt.Sprintf("%s-%s %v %s", at("start"), at("end"), d["severity"], code)))
		c.texts[uri] = append(c.texts[uri], d["message"].(string))
	}
}

func (c *client) notify(method string, params any) {
	c.t.Helper()
	c.write(encode(c.t, map[string]any{"jsonrpc": "2.0", "method": method, "params": params}))
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// request sends a request and waits for the answer.
func (c *client) request(method string, params any) (result any, failure map[string]any) {
	c.t.Helper()
	c.next++
	c.write(encode(c.t, map[string]any{"jsonrpc": "2.0", "id": c.next, "method": method, "params": params}))
	for {
		m := c.read()
		if m["id"] == float64(c.next) {
			failure, _ = m["error"].(map[string]any)
			return m["result"], failure
		}
	}
}

func (c *client) initialize() {
	c.t.Helper()
	result, failure := c.request("initialize", map[string]any{"processId": nil, "rootUri": nil, "capabilities": map[string]any{}})
	if failure != nil {
		c.t.Fatal(failure)
	}
	if caps := result.(map[string]any)["capabilities"].(map[string]any); caps["hoverProvider"] != true || caps["positionEncoding"] != "utf-16" {
		c.t.Fatalf("%v", caps)
	}
	c.notify("initialized", map[string]any{})
}

func uri(file string) string { return "file://" + filepath.ToSlash(file) }

func (c *client) openText(uri, text string) {
	c.t.Helper()
	c.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "avsc", "version": 1, "text": text}})
}

func (c *client) change(uri, text string) {
	c.t.Helper()
	c.notify("textDocument/didChange", map[string]any{
		"textDocument":   map[string]any{"uri": uri, "version": 2},
		"contentChanges": []any{map[string]any{"text": text}},
	})
}

// await reads messages until a document has the problems.
func (c *client) await(uri string, want ...string) {
	c.t.Helper()
	for {
		m := c.read()
		p, _ := m["params"].(map[string]any)
		if m["method"] != "textDocument/publishDiagnostics" || p["uri"] != uri {
			continue
		}
		if want == nil {
			want = []string{}
		}
		if diff := cmp.Diff(want, c.problems[uri]); diff != "" {
			c.t.Fatalf("problems of %s: %s\n%v", uri, diff, c.texts[uri])
		}
		return
	}
}

func at(uri string, line, character int) map[string]any {
	return map[string]any{
		"textDocument": map[string]any{"uri": uri},
		"position":     map[string]any{"line": line, "character": character},
	}
}

func (c *client) hover(uri string, line, character int) string {
	c.t.Helper()
	result, failure := c.request("textDocument/hover", at(uri, line, character))
	if failure != nil {
		c.t.Fatal(failure)
	}
	if result == nil {
		return ""
	}
	return result.(map[string]any)["contents"].(map[string]any)["value"].(string)
}

// definition returns "file:line:character" of the definition.
func (c *client) definition(uri string, line, character int) string {
	c.t.Helper()
	result, failure := c.request("textDocument/definition", at(uri, line, character))
	if failure != nil {
		c.t.Fatal(failure)
	}
	if result == nil {
		return ""
	}
	m := result.(map[string]any)
	p := m["range"].(map[string]any)["start"].(map[string]any)
	return fmt.Sprintf("%s:%v:%v", filepath.Base(m["uri"].(string)), p["line"], p["character"])
}

// column returns the column of the first occurrence of part in text, in UTF-16
// units.
func column(text, part string) int {
	before, _, ok := strings.Cut(text, part)
	if !ok {
		panic(part)
	}
	return len(utf16.Encode([]rune(before[strings.LastIndexByte(before, '\n')+1:])))
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

const (
	orderText = `{"type": "record", "name": "Order", "namespace": "shop", "doc": "An <order>.", "fields": [
  {"doc": "ï😀", "name": "bad_Name", "type": "string"}, {"name": "to", "type": ["null", "Address"], "default": null},
  {"name": "lines", "type": {"type": "array", "items": "shop.Line"}},
  {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["A", "B"], "default": "A"}}
]}
`
	addressText = `{"type": "record", "name": "Address", "namespace": "shop", "doc": "Where it goes.", "fields": [{"name": "city", "type": "string", "default": ""}]}`
	lineText    = `namespace shop;
record Line {
  string sku;
  Address? to = null;
}
`
)

func TestEditing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	order := uri(write(t, filepath.Join(dir, "order.avsc"), "broken on disk"))
	address := uri(write(t, filepath.Join(dir, "address.avsc"), addressText))
	line := uri(write(t, filepath.Join(dir, "line.avdl"), lineText))
	c := start(t, filepath.ToSlash(dir)+"/...")
	c.initialize()

	// The text in the editor counts, not the text on disk.
	c.openText(order, orderText)
	c.await(order, "1:25-1:35 2 FIELD_NAME_STYLE")
	if got := c.hover(order, 1, column(orderText, "Address")); !strings.Contains(got, "record shop.Address\n  city: string = \"\"") || !strings.Contains(got, "Where it goes.") {
		t.Errorf("hover on Address: %q", got)
	}
	if got := c.hover(order, 1, column(orderText, "to\"")); !strings.Contains(got, "Order.to: null | Address = null") {
		t.Errorf("hover on a field: %q", got)
	}
	if got := c.hover(order, 0, column(orderText, "Order")); !strings.Contains(got, "record shop.Order\n  bad_Name: string") || !strings.Contains(got, "An &lt;order&gt;.") {
		t.Errorf("hover on the definition: %q", got)
	}
	if got := c.hover(order, 0, 2); got != "" {
		t.Errorf("hover on a key: %q", got)
	}
	for _, place := range []struct {
		uri             string
		line, character int
		want            string
	}{
		{order, 1, column(orderText, "Address"), "address.avsc:0:27"},
		{order, 1, column(orderText, "ddress"), "address.avsc:0:27"},
		{order, 2, column(orderText, "shop.Line"), "line.avdl:1:7"},
		{order, 2, column(orderText, "Line\""), "line.avdl:1:7"},
		{order, 3, column(orderText, "State"), fmt.Sprintf("order.avsc:3:%d", column(orderText, "\"State"))},
		{order, 3, column(orderText, "symbols"), ""},
		{order, 99, 99, ""},
		{line, 3, 4, "address.avsc:0:27"},
	} {
		if place.uri == line {
			c.openText(line, lineText)
			c.await(line)
		}
		got := c.definition(place.uri, place.line, place.character)
		if got != place.want {
			t.Errorf("definition at %d:%d: %q, want %q", place.line, place.character, got, place.want)
		}
	}

	// A mistake replaces the findings, and the last good types stay known.
	c.change(order, strings.Replace(orderText, `"string"}, {"name": "to"`, `"strin"}, {"name": "to"`, 1))
	c.await(order, "1:45-1:52 1")
	if got := c.hover(order, 1, column(orderText, "Address")-1); !strings.Contains(got, "record shop.Address") {
		t.Errorf("hover in a text with a mistake: %q", got)
	}
	// A mistake in one file also shows in the other open file.
	c.change(order, orderText)
	c.await(order, "1:25-1:35 2 FIELD_NAME_STYLE")
	c.openText(address, strings.Replace(addressText, "Address", "Location", 1))
	address0 := column(orderText, `"Address`)
	c.await(order, fmt.Sprintf("1:%d-1:%d 1", address0, address0+9))
	c.notify("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": address}})
	c.await(order, "1:25-1:35 2 FIELD_NAME_STYLE")

	// Formatting.
	result, failure := c.request("textDocument/formatting", map[string]any{"textDocument": map[string]any{"uri": order}, "options": map[string]any{}})
	if failure != nil || len(result.([]any)) != 1 {
		t.Fatalf("%v %v", result, failure)
	}
	edit := result.([]any)[0].(map[string]any)
	if end := edit["range"].(map[string]any)["end"].(map[string]any); end["line"] != 5.0 || end["character"] != 0.0 {
		t.Errorf("the edit ends at %v", end)
	}
	c.change(order, edit["newText"].(string))
	if result, failure = c.request("textDocument/formatting", map[string]any{"textDocument": map[string]any{"uri": order}}); failure != nil || len(result.([]any)) != 0 {
		t.Errorf("formatted twice: %v %v", result, failure)
	}
	c.change(order, "{\n")
	if _, failure = c.request("textDocument/formatting", map[string]any{"textDocument": map[string]any{"uri": order}}); failure == nil {
		t.Error("a broken file was formatted")
	}
	if _, failure := c.request("shutdown", nil); failure != nil {
		t.Error(failure)
	}
	c.notify("exit", nil)
	if err := <-c.result; err != nil {
		t.Error(err)
	}
}

// TestWatchedFiles changes a file outside of the editor. The client watches
// files because the server has asked for watching.
func TestWatchedFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	order := uri(write(t, filepath.Join(dir, "order.avsc"), orderText))
	address := write(t, filepath.Join(dir, "address.avsc"), addressText)
	write(t, filepath.Join(dir, "line.avdl"), lineText)
	c := start(t, filepath.ToSlash(dir)+"/...")
	if _, failure := c.request("initialize", map[string]any{"capabilities": map[string]any{
		"workspace": map[string]any{"didChangeWatchedFiles": map[string]any{"dynamicRegistration": true}},
	}}); failure != nil {
		t.Fatal(failure)
	}
	c.notify("initialized", map[string]any{})
	m := c.read()
	if text := encode(t, m); m["method"] != "client/registerCapability" || m["id"] == nil ||
		!strings.Contains(text, `"**/*.avsc"`) || !strings.Contains(text, `"**/avrogen.yaml"`) {
		t.Fatalf("the server asks for no watched files: %s", text)
	}
	c.write(`{"jsonrpc":"2.0","id":"watch","result":null}`)

	c.openText(order, orderText)
	c.await(order, "1:25-1:35 2 FIELD_NAME_STYLE")
	write(t, address, strings.Replace(addressText, "Address", "Location", 1))
	c.notify("workspace/didChangeWatchedFiles", map[string]any{"changes": []any{map[string]any{"uri": uri(address), "type": 2}}})
	address0 := column(orderText, `"Address`)
	c.await(order, fmt.Sprintf("1:%d-1:%d 1", address0, address0+9))
}

// TestModuleDefinition goes to a definition in a file of a Go module.
func TestModuleDefinition(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, folder := range []string{"common", "own"} {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "go.mod"), "module example.com/m\n\ngo 1.26\n")
	write(t, filepath.Join(dir, "common", "address.avsc"), addressText)
	const text = `{"type":"record","name":"Visit","fields":[{"name":"at","type":"shop.Address"}]}`
	visit := uri(write(t, filepath.Join(dir, "own", "visit.avsc"), text))
	loader := avscfile.Loader{
		SearchPath: []avscfile.SearchPath{{Path: "module:example.com/m/common/address.avsc"}},
		Modules:    avscfile.NewModules(t.Context(), dir),
	}
	c := startWith(t, loader, filepath.ToSlash(filepath.Join(dir, "own"))+"/...")
	c.initialize()
	c.openText(visit, text)
	c.await(visit)
	if got, want := c.definition(visit, 0, column(text, "shop.Address")), "address.avsc:0:27"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestFileWithoutConfiguration opens files without an avrogen.yaml. The server
// reads each file with the files that it needs. Versions of one type in the
// same folder do no harm.
func TestFileWithoutConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "address.avsc"), addressText)
	write(t, filepath.Join(dir, "order-v1.avsc"), `{"type":"record","name":"Order","namespace":"shop","fields":[]}`)
	write(t, filepath.Join(dir, "line.avdl"), lineText)
	c := start(t)
	c.initialize()
	order := uri(filepath.Join(dir, "not saved yet ü.avsc"))
	c.openText(order, orderText)
	c.await(order, "1:25-1:35 2 FIELD_NAME_STYLE")
	if got := c.definition(order, 1, column(orderText, "Address")); got != "address.avsc:0:27" {
		t.Errorf("definition: %q", got)
	}
	c.openText("untitled:Untitled-1", `{"type":"record","name":"A","fields":[{"name":"b","type":"A"}]}`)
	c.await("untitled:Untitled-1", "0:24-0:27 2 NO_NAMESPACE", "0:24-0:27 2 TYPE_WITHOUT_DOC",
		"0:24-0:27 2 NO_VALUE", "0:46-0:49 2 FIELD_WITHOUT_DOC")
	if got := c.hover("untitled:Untitled-1", 0, 58); !strings.Contains(got, "record A\n  b: A") {
		t.Errorf("hover in a document without a file: %q", got)
	}
	c.notify("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": "untitled:Untitled-1"}})
	c.await("untitled:Untitled-1")
}

// TestLineEnds converts places in texts with other line ends and a byte order
// mark.
func TestLineEnds(t *testing.T) {
	t.Parallel()
	c := start(t)
	c.initialize()
	for name, test := range map[string]struct{ text, want string }{
		"LF":         {"{\n\"type\": \"strin\"}", "1:8-1:15 1"},
		"CR LF":      {"{\r\n\"type\": \"strin\"}\r\n", "1:8-1:15 1"},
		"CR":         {"{\r\"type\": \"strin\"}\r", "1:8-1:15 1"},
		"BOM":        {"\ufeff{\"type\": \"strin\"}", "0:10-0:17 1"},
		"wide":       {`{"doc": "😀😀", "type": "strin"}`, "0:24-0:31 1"},
		"the end":    {"{", "0:1-0:1 1"},
		"nothing":    {"", "0:0-0:0 1"},
		"not UTF-8":  {`{"doc": "` + "\xff" + `", "type": "strin"}`, "0:21-0:28 1"},
		"in a quote": {`{"type": "strin`, "0:9-0:15 1"},
	} {
		doc := "untitled:" + strings.ReplaceAll(name, " ", "-") + ".avsc"
		c.openText(doc, test.text)
		for c.problems[doc] == nil {
			c.read()
		}
		if len(c.problems[doc]) == 0 || c.problems[doc][0] != test.want {
			t.Errorf("%s: %v %v, want %s", name, c.problems[doc], c.texts[doc], test.want)
		}
	}
}

// TestBadMessages sends messages that no client should send. The server answers
// and continues.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	c := start(t)
	if _, failure := c.request("textDocument/hover", at("file:///a.avsc", 0, 0)); failure["code"] != -32002.0 {
		t.Errorf("before initialize: %v", failure)
	}
	c.initialize()
	for content, code := range map[string]float64{
		`{`: -32700, ``: -32700, `[]`: -32600, `"x"`: -32600, `{"id":1,"method":3}`: -32600,
	} {
		c.write(content)
		m := c.read()
		if failure, _ := m["error"].(map[string]any); failure["code"] != code || m["id"] != nil {
			t.Errorf("%q: %v", content, m)
		}
	}
	c.write(`null`)
	c.write(`{}`)
	c.write(`{"jsonrpc":"2.0","id":"x","result":null}`)
	c.notify("some/notification", map[string]any{"a": 1})
	c.notify("textDocument/didOpen", map[string]any{"textDocument": 3})
	c.notify("textDocument/didChange", map[string]any{"textDocument": map[string]any{"uri": "untitled:a.avsc"}})
	c.notify("textDocument/didClose", map[string]any{"textDocument": map[string]any{"uri": "file:///never/opened.avsc"}})
	c.notify("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": "file://%zz/a.avsc", "text": "{"}})
	for _, test := range []struct {
		method string
		params any
		code   float64
	}{
		{"some/request", nil, -32601},
		{"initialize", map[string]any{}, -32600},
		{"textDocument/hover", at("file:///never/opened.avsc", 0, 0), -32602},
		{"textDocument/hover", []any{1, 2}, -32602},
		{"textDocument/definition", nil, -32602},
		{"textDocument/formatting", at("file:///x.avsc", 0, 0), -32602},
	} {
		if _, failure := c.request(test.method, test.params); failure["code"] != test.code {
			t.Errorf("%s: %v, want %v", test.method, failure, test.code)
		}
	}
	c.openText("untitled:a.avsc", `{"type": "strin"}`)
	for _, p := range [][2]int{{-1, -1}, {0, -5}, {1 << 30, 1 << 30}, {0, 1 << 30}} {
		c.hover("untitled:a.avsc", p[0], p[1])
	}
	// The server skips the content of a message that is too large.
	if _, err := fmt.Fprintf(c.in, "Content-Length: %d\r\n\r\n", 81<<20); err != nil {
		t.Fatal(err)
	}
	for range 81 {
		if _, err := c.in.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	for {
		if m := c.read(); m["error"] != nil {
			break
		}
	}
	if _, failure := c.request("shutdown", nil); failure != nil {
		t.Error(failure)
	}
	if _, failure := c.request("textDocument/hover", at("untitled:a.avsc", 0, 0)); failure["code"] != -32600.0 {
		t.Errorf("after shutdown: %v", failure)
	}
	c.notify("exit", nil)
	if err := <-c.result; err != nil {
		t.Error(err)
	}
}

// TestBrokenStreams ends the connection like a broken client.
func TestBrokenStreams(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ in, want string }{
		"nothing":       {"", "without a shutdown"},
		"exit":          {"Content-Length: 33\r\n\r\n{\"jsonrpc\":\"2.0\",\"method\":\"exit\"}", "without a shutdown"},
		"no length":     {"Content-Type: x\r\n\r\n{}", "without Content-Length"},
		"no header":     {"GET / HTTP/1.1\r\n\r\n", "is no header"},
		"bad length":    {"Content-Length: -1\r\n\r\n", "is no length"},
		"not a number":  {"Content-Length: 1e9\r\n\r\n", "is no length"},
		"huge":          {"Content-Length: 99999999999999\r\n\r\n{", "EOF"},
		"cut short":     {"Content-Length: 100\r\n\r\n{", "unexpected EOF"},
		"in the header": {"Content-Le", "unexpected EOF"},
		"long header":   {strings.Repeat("x", 1<<20), "too long"},
	} {
		err := lsp.Serve(t.Context(), strings.NewReader(test.in), io.Discard, lsp.Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, w := io.Pipe()
	defer w.Close()
	if err := lsp.Serve(ctx, r, io.Discard, lsp.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that ended: %v", err)
	}
}

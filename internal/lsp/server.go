// Package lsp is a language server for Avro schemas (Language Server Protocol
// 3.17). The server reads messages from one stream and writes answers to
// another stream. The server shows mistakes and lint findings, describes the
// type under the cursor, goes to a type's definition, and formats files.
package lsp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/avroline/avroline/internal/avsc"
	"github.com/avroline/avroline/internal/avscfile"
	"github.com/avroline/avroline/internal/avscfmt"
)

// Options describe the server.
type Options struct {
	Version string // of avrogen
	// Settings returns the settings for a file. The name of the file is
	// absolute and has slashes. The result may differ between two calls.
	Settings func(file string) (Settings, error)
	// Log receives one line for each problem that no client sees.
	Log io.Writer
}

// maxOpen limits the bytes of all open documents.
const maxOpen = 256 << 20

// maxProblems limits the problems of one file.
const maxProblems = 500

// quietTime is the time without a message before changed documents are read.
const quietTime = 100 * time.Millisecond

// server is the state of one connection. Only one goroutine uses it.
type server struct {
	Options
	out io.Writer

	initialized, shutdown bool
	watches               bool // the client can watch files for the server

	open      map[string]*document // by file
	uris      map[string]string    // file to the URI that the client uses
	size      int                  // of all open documents
	projects  map[string]*project
	projectOf map[string]*project // by open file
	dirty     map[string]bool     // files that changed since the last reading
	writeErr  error
}

// ErrNoShutdown reports that the client ended the connection without the
// request "shutdown".
var ErrNoShutdown = errors.New("lsp: the client ended the connection without a shutdown")

// Serve answers the messages of in until the client ends the connection or ctx
// ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer, opts Options) error {
	s := &server{
		Options: opts, out: out, open: map[string]*document{}, uris: map[string]string{},
		projects: map[string]*project{}, projectOf: map[string]*project{}, dirty: map[string]bool{},
	}
	type message struct {
		content []byte
		err     error
	}
	messages := make(chan message)
	done := make(chan struct{})
	defer close(done)
	go func() { // ends with the stream, or at the first message after done
		r := bufio.NewReader(in)
		for {
			content, err := readMessage(r)
			select {
			case messages <- message{content, err}:
			case <-done:
				return
			}
			if err != nil && !errors.Is(err, errSkipped) {
				return
			}
		}
	}()
	for {
		var quiet <-chan time.Time
		if len(s.dirty) > 0 {
			quiet = time.After(quietTime)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-quiet:
			s.diagnose()
		case m := <-messages:
			switch {
			case errors.Is(m.err, errSkipped):
				s.reply(nil, nil, &rpcError{codeInvalidRequest, m.err.Error()})
			case errors.Is(m.err, io.EOF):
				return s.exitError()
			case m.err != nil:
				return fmt.Errorf("lsp: %w", m.err)
			case s.handle(m.content):
				return s.exitError()
			}
		}
		if s.writeErr != nil {
			return fmt.Errorf("lsp: %w", s.writeErr)
		}
	}
}

func (s *server) exitError() error {
	if !s.shutdown {
		return ErrNoShutdown
	}
	return nil
}

// send writes a message to the client.
func (s *server) send(v any) {
	if s.writeErr == nil {
		s.writeErr = writeMessage(s.out, v)
	}
}

func (s *server) notify(method string, params any) {
	s.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

func (s *server) reply(id json.RawMessage, result any, err *rpcError) {
	if id == nil {
		id = json.RawMessage("null")
	}
	if err != nil {
		s.send(map[string]any{"jsonrpc": "2.0", "id": id, "error": err})
		return
	}
	s.send(map[string]any{"jsonrpc": "2.0", "id": id, "result": result})
}

func (s *server) log(format string, args ...any) {
	if s.Log != nil {
		fmt.Fprintf(s.Log, format+"\n", args...)
	}
}

// handle answers one message, and reports whether the client has ended the
// connection.
func (s *server) handle(content []byte) (exit bool) {
	var r request
	if err := json.Unmarshal(content, &r); err != nil {
		code := codeParse
		if json.Valid(content) {
			code = codeInvalidRequest
		}
		s.reply(nil, nil, &rpcError{code, "the message is no request: " + err.Error()})
		return false
	}
	if r.Method == "exit" {
		return true
	}
	isRequest := len(r.ID) > 0 && !bytes.Equal(r.ID, []byte("null"))
	if r.Method == "" {
		return false // an answer: ignored, because the server waits for none
	}
	result, err := s.call(r)
	if !isRequest {
		if err != nil && err.Code != codeUnknownMethod && err.Code != codeNotInitialized {
			s.log("%s: %s", r.Method, err.Message)
		}
		return false
	}
	s.reply(r.ID, result, err)
	return false
}

// call runs one method. A panic ends the method, but not the server.
func (s *server) call(r request) (result any, err *rpcError) {
	defer func() {
		if p := recover(); p != nil {
			s.log("%s: panic: %v", r.Method, p)
			result, err = nil, &rpcError{codeInternal, fmt.Sprintf("internal error: %v", p)}
		}
	}()
	switch {
	case r.Method == "initialize":
		if s.initialized {
			return nil, &rpcError{codeInvalidRequest, "the server is initialized already"}
		}
		s.initialized = true
		var p initializeParams
		if len(r.Params) > 0 {
			if err := json.Unmarshal(r.Params, &p); err != nil {
				s.log("initialize: %v", err)
			}
		}
		s.watches = p.Capabilities.Workspace.DidChangeWatchedFiles.DynamicRegistration
		return s.capabilities(), nil
	case !s.initialized:
		return nil, &rpcError{codeNotInitialized, "the first request must be initialize"}
	case r.Method == "shutdown":
		s.shutdown = true
		return nil, nil
	case s.shutdown:
		return nil, &rpcError{codeInvalidRequest, "the server is shut down"}
	}
	var p params
	if len(r.Params) > 0 {
		if err := json.Unmarshal(r.Params, &p); err != nil {
			return nil, &rpcError{codeInvalidParams, r.Method + ": " + err.Error()}
		}
	}
	switch r.Method {
	case "textDocument/didOpen":
		return nil, s.change(p.TextDocument.URI, p.TextDocument.Text)
	case "textDocument/didChange":
		if len(p.ContentChanges) == 0 {
			return nil, nil
		}
		last := p.ContentChanges[len(p.ContentChanges)-1]
		if last.Range != nil {
			return nil, &rpcError{codeInvalidParams, "the server takes whole documents only"}
		}
		return nil, s.change(p.TextDocument.URI, last.Text)
	case "textDocument/didClose":
		s.close(p.TextDocument.URI)
		return nil, nil
	case "textDocument/didSave", "workspace/didChangeWatchedFiles", "workspace/didChangeConfiguration", "workspace/didChangeWorkspaceFolders":
		for file := range s.open {
			s.dirty[file] = true
		}
		return nil, nil
	case "textDocument/hover":
		return s.hover(p)
	case "textDocument/definition":
		return s.definition(p)
	case "textDocument/formatting":
		return s.formatting(p)
	case "initialized":
		s.watch()
		return nil, nil
	case "$/cancelRequest", "$/setTrace":
		return nil, nil
	}
	return nil, &rpcError{codeUnknownMethod, fmt.Sprintf("no method %.100q", r.Method)}
}

// initializeParams are the parameters of initialize that the server reads.
type initializeParams struct {
	Capabilities struct {
		Workspace struct {
			DidChangeWatchedFiles struct {
				DynamicRegistration bool `json:"dynamicRegistration"`
			} `json:"didChangeWatchedFiles"`
		} `json:"workspace"`
	} `json:"capabilities"`
}

// watch asks the client to report changes of schemas and of avrogen.yaml that
// happen outside of the editor, for example by git.
func (s *server) watch() {
	if !s.watches {
		return
	}
	var watchers []map[string]string
	for _, glob := range []string{"**/*.avsc", "**/*.avpr", "**/*.avdl", "**/avrogen.yaml"} {
		watchers = append(watchers, map[string]string{"globPattern": glob})
	}
	s.send(map[string]any{"jsonrpc": "2.0", "id": "watch", "method": "client/registerCapability", "params": map[string]any{
		"registrations": []map[string]any{{
			"id": "watch", "method": "workspace/didChangeWatchedFiles",
			"registerOptions": map[string]any{"watchers": watchers},
		}},
	}})
}

// params are the parameters of all methods that the server knows.
type params struct {
	TextDocument struct {
		URI  string `json:"uri"`
		Text string `json:"text"`
	} `json:"textDocument"`
	Position       position `json:"position"`
	ContentChanges []struct {
		Range *textRange `json:"range"`
		Text  string     `json:"text"`
	} `json:"contentChanges"`
}

func (s *server) capabilities() any {
	return map[string]any{
		"capabilities": map[string]any{
			"positionEncoding":           "utf-16",
			"textDocumentSync":           map[string]any{"openClose": true, "change": 1, "save": true},
			"hoverProvider":              true,
			"definitionProvider":         true,
			"documentFormattingProvider": true,
		},
		"serverInfo": map[string]any{"name": "avrogen", "version": s.Version},
	}
}

// fileOf converts a URI into an absolute name with slashes, in the form of
// FileName. A URI with another scheme than file: is returned unchanged.
func fileOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || !strings.EqualFold(u.Scheme, "file") {
		return uri
	}
	name := path.Clean("/" + u.Path)
	switch {
	case isDrive(name[1:]):
		name = name[1:]
	case u.Host != "" && u.Host != "localhost": // a Windows share
		name = "//" + u.Host + name
	}
	return FileName(name)
}

// FileName gives equal names to equal files. The name has slashes. A Windows
// drive gets a capital letter, because editors write drives in both cases.
func FileName(name string) string {
	name = filepath.ToSlash(name)
	if isDrive(name) {
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	return name
}

// isDrive reports whether a name begins with a Windows drive, for example C:/.
func isDrive(name string) bool {
	return len(name) > 1 && name[1] == ':' && (name[0] >= 'a' && name[0] <= 'z' || name[0] >= 'A' && name[0] <= 'Z')
}

// uriOf converts a name into a URI. For an open document, uriOf returns the
// client's own URI.
func (s *server) uriOf(file string) string {
	if uri := s.uris[file]; uri != "" {
		return uri
	}
	u := url.URL{Scheme: "file", Path: file}
	switch share, ok := strings.CutPrefix(file, "//"); {
	case ok:
		host, rest, _ := strings.Cut(share, "/")
		u.Host, u.Path = host, "/"+rest
	case isDrive(file):
		u.Path = "/" + file
	case !path.IsAbs(file):
		return file
	}
	return u.String()
}

// isSchema reports whether the server reads a file.
func isSchema(file string) bool {
	return slices.Contains([]string{".avsc", ".avpr", ".avdl"}, strings.ToLower(path.Ext(file)))
}

func (s *server) change(uri, text string) *rpcError {
	file := fileOf(uri)
	if uri == "" || !isSchema(file) && strings.HasPrefix(uri, "file:") {
		return nil // another language, or avrogen.yaml
	}
	old := 0
	if d := s.open[file]; d != nil {
		old = len(d.text)
	}
	if s.size-old+len(text) > maxOpen {
		return &rpcError{codeRequestFailed, "the open documents are too large"}
	}
	s.size += len(text) - old
	s.open[file], s.uris[file] = newDocument(text), uri
	s.dirty[file] = true
	return nil
}

func (s *server) close(uri string) {
	file := fileOf(uri)
	d := s.open[file]
	if d == nil {
		return
	}
	s.size -= len(d.text)
	p := s.projectOf[file]
	delete(s.open, file)
	delete(s.projectOf, file)
	delete(s.dirty, file)
	if p != nil {
		s.release(p)
		for other, of := range s.projectOf {
			if of == p {
				s.dirty[other] = true // the file counts as on disk again
			}
		}
	}
	delete(s.uris, file)
}

// release forgets a project without an open file, and its problems.
func (s *server) release(p *project) {
	for _, of := range s.projectOf {
		if of == p {
			return
		}
	}
	delete(s.projects, p.key)
	for _, file := range slices.Sorted(maps.Keys(p.shown)) {
		s.publish(file, nil)
	}
}

// project returns the project of an open file. The settings may have changed
// since the last call.
func (s *server) project(file string) (*project, error) {
	var settings Settings
	var err error
	if path.IsAbs(file) || isDrive(file) {
		if settings, err = s.Settings(file); err != nil {
			return nil, err
		}
	}
	settings.Loader.Open = map[string][]byte{}
	for name, d := range s.open {
		settings.Loader.Open[name] = []byte(d.text)
	}
	key := strings.Join(settings.Paths, "\x00")
	if len(settings.Paths) > 0 {
		if names, err := settings.Loader.Files(settings.Paths...); err != nil || !slices.Contains(names, file) {
			settings.Paths = nil // the file is not among these schemas
		}
	}
	if len(settings.Paths) == 0 {
		key = file
	}
	p := s.projects[key]
	if p == nil {
		p = &project{key: key, shown: map[string]bool{}}
		s.projects[key] = p
	}
	p.Settings = settings
	before := s.projectOf[file]
	s.projectOf[file] = p
	if before != nil && before != p {
		s.release(before)
	}
	return p, nil
}

// diagnose reads the projects of the changed files and publishes their
// problems.
func (s *server) diagnose() {
	read := map[*project]bool{}
	files := slices.Sorted(maps.Keys(s.dirty))
	clear(s.dirty)
	for _, file := range files {
		if s.open[file] != nil {
			s.diagnoseFile(file, read)
		}
	}
}

func (s *server) diagnoseFile(file string, read map[*project]bool) {
	defer func() {
		if p := recover(); p != nil {
			s.log("%s: panic: %v", file, p)
		}
	}()
	p, err := s.project(file)
	if err != nil { // avrogen.yaml has a mistake
		s.publish(file, []problem{{avsc.Pos{File: file, Line: 1, Col: 1}, "", err.Error()}})
		return
	}
	if read[p] {
		return
	}
	read[p] = true
	found, err := p.read(file)
	if err != nil {
		s.log("%s: %v", file, err)
		return
	}
	for name := range p.shown {
		if found[name] == nil && name != file {
			s.publish(name, nil)
		}
	}
	if found[file] == nil {
		found[file] = []problem{}
	}
	shown := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		s.publish(name, found[name])
		shown[name] = true
	}
	p.shown = shown
}

// diagnostic is a problem in the protocol's form.
type diagnostic struct {
	Range    textRange `json:"range"`
	Severity int       `json:"severity"` // 1 is an error, 2 a warning
	Code     string    `json:"code,omitempty"`
	Source   string    `json:"source"`
	Message  string    `json:"message"`
}

func (s *server) publish(file string, problems []problem) {
	list := []diagnostic{}
	d := s.document(file)
	for i, p := range problems {
		if i == maxProblems {
			break
		}
		out := diagnostic{Severity: 1, Code: p.rule, Source: "avrogen", Message: p.message}
		if p.rule != "" {
			out.Severity = 2
		}
		if d != nil {
			out.Range = d.token(d.offset(p.pos.Line, p.pos.Col))
		}
		list = append(list, out)
	}
	s.notify("textDocument/publishDiagnostics", map[string]any{"uri": s.uriOf(file), "diagnostics": list})
}

// document returns an open document, or else the file on disk. The result is
// nil if the file cannot be read.
func (s *server) document(file string) *document {
	if d := s.open[file]; d != nil {
		return d
	}
	text, err := avscfile.Loader{}.Read(file)
	if err != nil {
		return nil
	}
	return newDocument(string(text))
}

// find finds the type or the field at the position of a request.
func (s *server) find(p params) (m mention, r textRange, ok bool, err *rpcError) {
	file := fileOf(p.TextDocument.URI)
	d := s.open[file]
	if d == nil {
		return m, r, false, &rpcError{codeInvalidParams, "the document is not open"}
	}
	if s.dirty[file] {
		s.diagnose()
	}
	of := s.projectOf[file]
	if of == nil {
		return m, r, false, nil
	}
	m, r, ok = of.at(file, d, d.offsetOf(p.Position))
	return m, r, ok, nil
}

func (s *server) hover(p params) (any, *rpcError) {
	m, r, ok, err := s.find(p)
	if err != nil || !ok {
		return nil, err
	}
	return map[string]any{
		"contents": map[string]any{"kind": "markdown", "value": hoverText(m)},
		"range":    r,
	}, nil
}

func (s *server) definition(p params) (any, *rpcError) {
	m, _, ok, err := s.find(p)
	if err != nil || !ok {
		return nil, err
	}
	pos := m.schema.NamePos
	if m.field != nil {
		pos = m.field.NamePos
		if m.field.Type.Kind.Named() {
			pos = m.field.Type.NamePos
		}
	}
	target := pos.File
	if strings.HasPrefix(target, avscfile.ModulePrefix) {
		disk, err := s.projectOf[fileOf(p.TextDocument.URI)].Loader.Modules.Disk(target)
		if err != nil {
			return nil, nil // the module is gone since the schemas were read
		}
		target = FileName(disk)
	}
	d := s.document(target)
	if d == nil || pos.Line == 0 {
		return nil, nil
	}
	return location{s.uriOf(target), d.token(d.offset(pos.Line, pos.Col))}, nil
}

func (s *server) formatting(p params) (any, *rpcError) {
	file := fileOf(p.TextDocument.URI)
	d := s.open[file]
	switch {
	case d == nil:
		return nil, &rpcError{codeInvalidParams, "the document is not open"}
	case strings.ToLower(path.Ext(file)) == ".avdl":
		return nil, nil // avrogen fmt lays out JSON only
	}
	out, err := avscfmt.Format(filepath.Base(file), []byte(d.text))
	if err != nil {
		return nil, &rpcError{codeRequestFailed, "not formatted: " + firstLine(err.Error())}
	}
	edits := []map[string]any{}
	if string(out) != d.text {
		edits = append(edits, map[string]any{
			"range":   textRange{position{}, d.position(len(d.text))},
			"newText": string(out),
		})
	}
	return edits, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

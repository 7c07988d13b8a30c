package lsp

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// These bounds protect the server from a broken client.
const (
	maxHeader  = 4 << 10
	maxContent = 80 << 20 // a schema of 64 MiB with its JSON escapes
)

// request is a request or a notification of the client. A notification has no
// ID.
type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
}

// The error codes of JSON-RPC and of the protocol.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeUnknownMethod  = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeNotInitialized = -32002
	codeRequestFailed  = -32803
)

// rpcError is the error of one request.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return e.Message }

// errSkipped reports a message that is too large. The server has skipped its
// content.
var errSkipped = errors.New("the message is too large")

// readMessage reads the content of one message. After an error other than
// errSkipped, the beginning of the next message is unknown.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length, header := -1, 0
	for {
		line, err := readLine(r, maxHeader-header)
		if err != nil {
			return nil, err
		}
		header += len(line)
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, fmt.Errorf("%.40q is no header of a message", line)
		}
		if strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || length < 0 {
				return nil, fmt.Errorf("%.40q is no length of a message", value)
			}
		}
	}
	if length < 0 {
		return nil, errors.New("a message without Content-Length")
	}
	if length > maxContent {
		if n, err := io.Copy(io.Discard, io.LimitReader(r, int64(length))); err != nil || n < int64(length) {
			return nil, cmp.Or(err, io.ErrUnexpectedEOF)
		}
		return nil, errSkipped
	}
	// Read the content in parts, so that a wrong length takes no memory.
	content, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err == nil && len(content) < length {
		err = io.ErrUnexpectedEOF
	}
	return content, err
}

// readLine reads a line of at most n bytes.
func readLine(r *bufio.Reader, n int) (string, error) {
	var line []byte
	for {
		b, err := r.ReadByte()
		if err != nil {
			if errors.Is(err, io.EOF) && len(line) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return "", err
		}
		if line = append(line, b); b == '\n' {
			return string(line), nil
		}
		if len(line) >= n {
			return "", errors.New("the header of a message is too long")
		}
	}
}

// writeMessage writes one message.
func writeMessage(w io.Writer, v any) error {
	content, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(content), content)
	return err
}

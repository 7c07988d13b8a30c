package registrytest

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMainProgram(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "s.avsc")
	if err := os.WriteFile(file, []byte(`"string"`), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	code := make(chan int)
	go func() {
		code <- run(ctx, []string{"-addr", "127.0.0.1:0", "-dialect", "apicurio", "-level", "FULL", "names=" + file}, w, io.Discard)
	}()
	line := make([]byte, 100)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(string(line[:n]))
	resp, err := http.Get(url + "/subjects/names/versions/1") //nolint:forbidigo // the test ends with the server
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(body), `"id":1`) {
		t.Errorf("%s", body)
	}
	cancel()
	if c := <-code; c != 0 {
		t.Errorf("status %d", c)
	}
	for _, args := range [][]string{{"-x"}, {"-addr", "nowhere:-1"}, {"-level", "SIDEWAYS"}, {"-dialect", "Nobody"}, {"-addr", "127.0.0.1:0", "names"}, {"-addr", "127.0.0.1:0", "a=/nosuchfile"}} {
		var stderr bytes.Buffer
		if c := run(t.Context(), args, io.Discard, &stderr); c == 0 || stderr.Len() == 0 {
			t.Errorf("%v: status %d, %q", args, c, stderr.String())
		}
	}
}

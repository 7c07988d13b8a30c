package ocf_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/avroline/avroline/examples/events/clicks"
	"github.com/avroline/avroline/serde/ocf"
)

// FuzzReader reads arbitrary files. Reading must end without a panic, and must
// not allocate much more than the limit on blocks.
func FuzzReader(f *testing.F) {
	for _, codec := range written {
		f.Add(write(f, 3, ocf.WithCodec(codec), ocf.WithBlockSize(100)))
	}
	f.Add(container(`{"type":"array","items":"null"}`, "deflate", 3, []byte{2}, 1))
	f.Add(container(`"long"`, "xz", 3, []byte{2}, 1))
	f.Add(container(`"long"`, "bzip2", 3, []byte{2}, 1))
	f.Fuzz(func(t *testing.T, file []byte) {
		const limit = 1 << 20
		n, err := readAll(file, ocf.WithMaxBlock(limit))
		if err == nil && n > 0 && len(file) < 20 {
			t.Errorf("%d values from %d bytes", n, len(file))
		}
		r, err := ocf.NewReader[clicks.ClickEvent](bytes.NewReader(file), ocf.WithMaxBlock(limit))
		for err == nil {
			err = r.Next(new(clicks.ClickEvent))
		}
		if errors.Is(err, io.EOF) && r == nil {
			t.Error("a header ended with io.EOF")
		}
	})
}

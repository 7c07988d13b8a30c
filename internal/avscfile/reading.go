package avscfile

import (
	"github.com/avroline/avroline/internal/avsc"
)

// reading is one run over files and their imports.
type reading struct {
	Loader
	seen    map[string]bool
	roots   []string
	sources []avsc.Source
}

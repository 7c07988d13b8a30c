//go:build !linux

package source

import "os"

// fileID returns an empty text, because the name of a file decides here.
func fileID(*os.File) string { return "" }

// look is equal for two names of a file, and for few other files.
type look struct{ size, modified int64 }

func lookOf(info os.FileInfo) look { return look{info.Size(), info.ModTime().UnixNano()} }

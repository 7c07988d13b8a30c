//go:build unix && !linux

package local

import "syscall"

// attributes puts a child into a session of its own, so that signals of our
// terminal do not reach the child. Only Linux can end a child with its parent.
// Elsewhere a child outlives a test process that is killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }

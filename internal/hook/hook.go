// Package hook protects a program from panics in the program's hooks.
package hook

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Recover logs the panic of a hook, and the program continues. Call Recover
// with defer.
func Recover(log *slog.Logger, name string) {
	if v := recover(); v != nil {
		log.Error("hook_panicked", "hook", name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

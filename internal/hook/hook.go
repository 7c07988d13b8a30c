// Package hook protects the program from the functions that observe it.
package hook

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Caught logs the panic of a hook. Call Caught with defer. The work that the
// hook observes goes on.
func Caught(log *slog.Logger, name string) {
	if v := recover(); v != nil {
		log.Error("hook_panicked", "hook", name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
	}
}

//go:build cgo

package confluent

// #include "plug.h"
import "C"

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/avroline/avroline/producer/internal/settings"
)

func (c *client) logLine(line *C.avl_line) {
	if line.level == C.AVL_BROKER_STATE {
		c.brokerState(C.GoString(line.text), C.GoString(line.tag))
		return
	}
	if line.level == C.AVL_DRAIN || line.level == C.AVL_DRAIN_AGAIN {
		c.noteRetryLine(C.GoString(line.text), line.level == C.AVL_DRAIN_AGAIN, time.Now())
		return
	}
	tag := C.GoString(line.tag)
	if line.level == C.AVL_REFUSED {
		c.noteRefusalLine(tag, C.GoString(line.text))
		return
	}
	if (tag == "PRODUCE" || tag == "MSGSET") && !c.batchLines {
		return
	}
	c.log(int(line.level), tag, C.GoString(line.text))
}

// log forwards a line of the library to the logger. level is a syslog level.
func (c *client) log(level int, tag, text string) { logLine(c.config, "client_log", level, tag, text) }

func logLine(c *settings.Config, message string, level int, tag, text string) {
	to := slog.LevelDebug
	switch {
	case level < settings.LogError:
		to = slog.LevelError
	case level <= settings.LogWarning:
		// The library retries, or the caller gets the error. If a client ends
		// for good, the engine logs that.
		to = slog.LevelWarn
	case level <= settings.LogInfo:
		to = slog.LevelInfo
	}
	switch {
	case slices.Contains([]string{"FATAL", "TXNERR", "ADDPARTS", "ADDOFFSETS", "ENDTXN"}, tag):
		// The engine replaces the client and logs that, or the caller gets the
		// error of the transaction.
		to = min(to, slog.LevelInfo)
	case tag == "CONFWARN" && strings.Contains(text, "enable.gapless.guarantee"):
		return // this package has set it
	}
	c.Logger.Log(context.Background(), to, message, "tag", tag, "line", c.Redact(text))
}

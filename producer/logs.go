package producer

import (
	"context"
	"log/slog"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/avroline/avroline/producer/internal/settings"
)

// forwardLogs hands the client's own log lines to the logger. librdkafka would write them to standard error.
func (k *client) forwardLogs() {
	defer close(k.logs)
	most := k.core.config.LogLevel()
	for line := range k.lines {
		if line.Level > most {
			continue
		}
		level := slog.LevelDebug
		switch {
		case line.Level <= settings.LogError:
			level = slog.LevelError
		case line.Level == settings.LogWarning:
			level = slog.LevelWarn
		case line.Level <= settings.LogInfo:
			level = slog.LevelInfo
		}
		k.core.config.Logger.Log(context.Background(), level, "client_log", "tag", line.Tag, "line", k.core.config.Redact(line.Message))
	}
}

// logged takes a line from one of the client's threads, which must not wait: with a full channel the line is lost.
func (k *client) logged(line kafka.LogEvent) {
	select {
	case k.lines <- line:
	default:
	}
}

package producer

import (
	"context"
	"log/slog"
)

// forwardLogs hands the client's own log lines to the logger. librdkafka would write them to standard error.
func (k *client) forwardLogs() {
	defer close(k.logs)
	for line := range k.kafka.Logs() {
		level := slog.LevelDebug
		switch {
		case line.Level <= 3: // syslog: error and worse
			level = slog.LevelError
		case line.Level == 4:
			level = slog.LevelWarn
		case line.Level <= 6:
			level = slog.LevelInfo
		}
		k.core.config.logger.Log(context.Background(), level, "client_log", "tag", line.Tag, "line", line.Message)
	}
}

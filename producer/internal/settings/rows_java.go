package settings

// javaRows are settings of Java's clients without a meaning for a Go client.
// The package ignores these settings, because Java's files contain them.
func javaRows() []Setting {
	var rows []Setting
	for _, key := range []string{
		"key.serializer", "value.serializer", "sasl.login.callback.handler.class", "sasl.client.callback.handler.class", "sasl.login.class",
		"sasl.login.connect.timeout.ms", "sasl.login.read.timeout.ms", "sasl.login.refresh.buffer.seconds", "sasl.login.refresh.min.period.seconds",
		"sasl.login.refresh.window.factor", "sasl.login.refresh.window.jitter", "sasl.login.retry.backoff.max.ms", "sasl.login.retry.backoff.ms",
		"metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms", "auto.include.jmx.reporter", "metadata.max.idle.ms",
		"socket.connection.setup.timeout.max.ms", "ssl.provider", "ssl.keymanager.algorithm", "ssl.trustmanager.algorithm", "ssl.secure.random.implementation",
	} {
		rows = append(rows, Setting{Key: key, Show: Harmless, kind: kind{set: func(*Config, string) error { return nil }}})
	}
	return rows
}

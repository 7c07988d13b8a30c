package settings

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ClientMap returns the librdkafka settings that producers, consumers and admin
// clients share.
func (c *Config) ClientMap() map[string]any {
	m := map[string]any{
		"client.software.name":   "avroline",
		"enable.metrics.push":    false,
		"go.logs.channel.enable": true, // otherwise librdkafka writes to stderr
	}
	c.send(m, sentToAll)
	if _, given := c.Passed["reconnect.backoff.ms"]; !given {
		m["reconnect.backoff.max.ms"] = reconnectMax
	}
	for k, v := range c.Passed {
		m[k] = v
	}
	c.addSecurity(m)
	return m
}

// reconnectMax is reconnect.backoff.max.ms, in milliseconds, as Java has it.
// librdkafka's default is 10 s. librdkafka doubles the pause with every
// connection, although the connection works. So on a network that cuts
// connections often, most of the time would be pauses.
const reconnectMax = 1000

// ProducerMap returns the librdkafka settings of the producing client. The
// engine limits the buffer. Therefore the client's own limits are as high as
// possible, and the client never returns "queue full".
func (c *Config) ProducerMap() map[string]any {
	m := c.ClientMap()
	c.send(m, sentToProducers)
	m["queue.buffering.max.messages"] = 0
	m["queue.buffering.max.kbytes"] = math.MaxInt32
	m["go.delivery.report.fields"] = "none"
	m["go.events.channel.size"] = 8192
	m["go.produce.channel.size"] = 0
	if c.TransactionalID == "" {
		m["delivery.timeout.ms"] = millis(c.DeliveryTimeout)
		return m
	}
	m["transactional.id"] = c.TransactionalID
	m["transaction.timeout.ms"] = millis(c.TransactionTimeout)
	if c.DeliveryTimeout > 0 { // without the setting, messages expire with their transaction, and the transaction aborts cleanly
		m["delivery.timeout.ms"] = millis(c.DeliveryTimeout)
	}
	return m
}

// send adds the table's values for these clients.
func (c *Config) send(m map[string]any, to sentTo) {
	for i := range c.rows {
		s := &c.rows[i]
		if s.sent != to {
			continue
		}
		if v := s.client(c); v != nil {
			m[s.Key] = v
		}
	}
}

// Guarded reports whether a skipped sequence number must end the client. A
// transaction needs no guard, because the transaction aborts.
func (c *Config) Guarded() bool { return !c.WeakAcks && c.TransactionalID == "" }

// These are the syslog levels of the client's log.
const (
	LogError   = 3
	LogWarning = 4
	LogInfo    = 6
	LogDebug   = 7
)

// LogLevel returns the highest level of the client's log that is shown. The
// guard needs every log line, so the client itself cannot apply the level.
func (c *Config) LogLevel() int {
	if c.Passed["debug"] != "" {
		return LogDebug
	}
	if level, err := strconv.Atoi(c.Passed["log_level"]); err == nil {
		return level
	}
	return LogInfo
}

// millis rounds up, because 0 often has a special meaning.
func millis(d time.Duration) int { return int((d + time.Millisecond - 1) / time.Millisecond) }

// ExplainClient adds the origin of a setting to librdkafka's error about the
// setting. Only librdkafka checks the values of a few settings, for example
// ssl.cipher.suites. Its error is a text with the name of the setting.
func (c *Config) ExplainClient(err error) error {
	for _, key := range slices.Sorted(maps.Keys(c.Passed)) {
		value := c.Passed[key]
		origin, set := c.origins[key]
		if !set || !strings.Contains(err.Error(), key) {
			continue
		}
		if c.names[key].Show != Harmless {
			value = ""
		}
		return &ConfigError{origin, value, "librdkafka refuses the setting: " + err.Error()}
	}
	return err
}

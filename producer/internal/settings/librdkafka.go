package settings

import (
	"math"
	"strconv"
	"time"
)

// ClientMap has the librdkafka settings that producers, consumers and admin
// clients have in common.
func (c *Config) ClientMap() map[string]any {
	m := map[string]any{
		"client.software.name":   "avroline",
		"enable.metrics.push":    false,
		"go.logs.channel.enable": true, // else librdkafka writes to stderr
	}
	c.send(m, sentToAll)
	for k, v := range c.Passed {
		m[k] = v
	}
	c.addSecurity(m)
	return m
}

// ProducerMap has the librdkafka settings of the producing client. The engine
// bounds the buffer, so the client's own bounds are as high as they go and the
// client never answers "queue full".
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
	if c.DeliveryTimeout > 0 { // unset, messages expire with their transaction, which aborts cleanly
		m["delivery.timeout.ms"] = millis(c.DeliveryTimeout)
	}
	return m
}

// send adds the values that the table sends to these clients.
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

// Guarded tells whether a skipped sequence number must end the client. A
// transaction needs no guard, because it aborts.
func (c *Config) Guarded() bool { return !c.WeakAcks && c.TransactionalID == "" }

// The levels of syslog that the client's log has.
const (
	LogError   = 3
	LogWarning = 4
	LogInfo    = 6
	LogDebug   = 7
)

// LogLevel is the level up to which the client's log is shown. The guard makes
// the client log everything, so the client cannot apply the level itself.
func (c *Config) LogLevel() int {
	if c.Passed["debug"] != "" {
		return LogDebug
	}
	if level, err := strconv.Atoi(c.Passed["log_level"]); err == nil {
		return level
	}
	return LogInfo
}

// millis rounds up, because 0 often means something else than a short time.
func millis(d time.Duration) int { return int((d + time.Millisecond - 1) / time.Millisecond) }

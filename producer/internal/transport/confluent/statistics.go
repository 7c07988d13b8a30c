//go:build cgo

package confluent

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/avroline/avroline/producer/internal/transport"
)

// Brokers implements [transport.Client].
func (c *client) Brokers() *transport.Brokers { return &c.brokers }

// brokerState notes a new state of a broker. broker is the broker's number and
// its host:port.
func (c *client) brokerState(broker, state string) {
	number, address, _ := strings.Cut(broker, " ")
	id := int32(-1)
	if json.Unmarshal([]byte(number), &id) != nil {
		return
	}
	before := c.states[broker]
	c.states[broker] = state
	switch state {
	case "UP":
		c.brokers.Set(id, address, transport.BrokerConnected, nil)
	case "DOWN":
		switch before {
		case "UP", "UPDATE":
			c.brokers.Set(id, address, transport.BrokerLost, nil)
		case "", "INIT":
			c.brokers.Known(id, address)
		default: // an attempt to connect or to log in
			c.brokers.Set(id, address, transport.BrokerUnreachable, nil)
		}
	default:
		c.brokers.Known(id, address)
	}
}

// statistics is the part of librdkafka's statistics that the package reads.
// STATISTICS.md of librdkafka describes all fields.
type statistics struct {
	Brokers map[string]struct {
		Name, NodeName, Source, State      string
		NodeID                             int32
		OutBuf                             int64 `json:"outbuf_cnt"`
		WaitResp                           int64 `json:"waitresp_cnt"`
		TX, TXBytes, TXErrs, TXRetries     int64
		ReqTimeouts                        int64 `json:"req_timeouts"`
		RX, RXBytes, Connects, Disconnects int64
		RTT, Throttle                      window
	}
}

// window is a histogram of librdkafka over the last interval.
type window struct {
	Sum, Cnt, P50, P99, Max int64
}

// add adds the window to a timing. unit is the unit of the window's values.
func (w window) add(to *transport.Timing, unit time.Duration) {
	to.Count += w.Cnt
	to.Sum += time.Duration(w.Sum) * unit
	to.P50, to.P99, to.Max = time.Duration(w.P50)*unit, time.Duration(w.P99)*unit, time.Duration(w.Max)*unit
}

// readStatistics reads the library's statistics on a goroutine of its own,
// because a document of a large cluster has many kilobytes.
func (c *client) readStatistics() {
	for {
		select {
		case document := <-c.statistics:
			c.noteStatistics(document)
		case <-c.alive.Done():
			return
		}
	}
}

func (c *client) noteStatistics(document string) {
	var s statistics
	if err := json.Unmarshal([]byte(document), &s); err != nil {
		c.config.Logger.Warn("client_statistics_unreadable", "err", err)
		return
	}
	for _, b := range s.Brokers {
		if b.Source == "logical" || b.Source == "internal" {
			continue
		}
		c.brokers.Count(b.NodeID, b.NodeName, func(t *transport.Traffic) {
			t.Requests, t.Responses, t.BytesSent, t.BytesReceived = b.TX, b.RX, b.TXBytes, b.RXBytes
			t.Errors, t.Timeouts, t.Retries = b.TXErrs, b.ReqTimeouts, b.TXRetries
			t.Connects, t.Disconnects = b.Connects, b.Disconnects
			t.Queued, t.Waiting = b.OutBuf, b.WaitResp
			b.RTT.add(&t.RoundTrip, time.Microsecond)
			b.Throttle.add(&t.Throttle, time.Millisecond)
		})
		switch {
		case c.plugin: // the interceptor reports each state at once
		case b.State == "UP":
			c.brokers.Set(b.NodeID, b.NodeName, transport.BrokerConnected, nil)
		default:
			c.brokers.Set(b.NodeID, b.NodeName, transport.BrokerLost, nil)
		}
	}
}

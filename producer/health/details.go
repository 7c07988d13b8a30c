package health

import (
	"time"

	"github.com/avroline/avroline/producer"
)

// producerDetails is the JSON of a producer.
type producerDetails struct {
	InFlight       int64    `json:"in_flight"`
	OldestInFlight float64  `json:"oldest_in_flight_seconds"`
	Stuck          []string `json:"stuck_partitions,omitempty"`
	Brokers        []broker `json:"brokers,omitempty"`
}

type broker struct {
	ID      int32     `json:"id"`
	Address string    `json:"address"`
	State   string    `json:"state"`
	Since   time.Time `json:"since"`
	Reason  string    `json:"reason,omitempty"`
}

type registryDetails struct {
	URL string `json:"url"`
}

func detailsOf(h producer.Health) producerDetails {
	d := producerDetails{InFlight: h.InFlight, OldestInFlight: h.OldestInFlight.Seconds(), Stuck: h.Stuck}
	for _, b := range h.Brokers {
		shown := broker{ID: b.ID, Address: b.Address, State: b.State.String(), Since: b.Since.UTC()}
		if b.Reason != nil {
			shown.Reason = b.Reason.Error()
		}
		d.Brokers = append(d.Brokers, shown)
	}
	return d
}

package producertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// fault is a fault of answers. Broker.mu guards a fault.
type fault struct {
	requests []Request
	left     int // -1 means no limit
	share    float64
	rng      *rand.Rand
	delay    time.Duration // 0 means that the answer is lost and the connection is cut
	hits     atomic.Int64
}

// Fault is a fault that lasts until Stop.
type Fault struct {
	hits func() int
	stop func()
}

// Hits returns the number of requests that the fault has hit.
func (f *Fault) Hits() int { return f.hits() }

// Stop ends the fault.
func (f *Fault) Stop() { f.stop() }

// DropAnswers applies the next n produce requests but loses their answers. The
// client cannot know the result and sends the batches again.
func (b *Broker) DropAnswers(n int) { b.add(&fault{requests: []Request{Produce}, left: n, share: 1}) }

// LoseAnswers applies a share of the requests, from 0 to 1, but loses their
// answers and cuts the connection. Without requests, LoseAnswers affects
// produce requests. The same seed chooses the same requests if the requests
// come in the same order.
func (b *Broker) LoseAnswers(share float64, seed uint64, requests ...Request) *Fault {
	return b.add(&fault{requests: orProduce(requests), left: -1, share: share, rng: newRand(seed)})
}

// DelayAnswers delays answers after the requests were applied. Without
// requests, DelayAnswers affects produce requests.
func (b *Broker) DelayAnswers(d time.Duration, requests ...Request) *Fault {
	return b.add(&fault{requests: orProduce(requests), left: -1, share: 1, delay: max(d, 1)})
}

// FailApplied applies a share of the produce requests, but answers them with
// NOT_ENOUGH_REPLICAS_AFTER_APPEND.
func (b *Broker) FailApplied(share float64, seed uint64) *Fault {
	return b.fail(kerr.NotEnoughReplicasAfterAppend, -1, share, seed, Produce)
}

// Refuse answers a share of the requests with a Kafka error code and does not
// apply them. Without requests, Refuse affects produce requests. Refuse panics
// if Kafka does not have the code.
func (b *Broker) Refuse(code int16, share float64, seed uint64, requests ...Request) *Fault {
	return b.fail(errorOf(code), -1, share, seed, requests...)
}

// RefuseNext is like Refuse, but for the next n requests.
func (b *Broker) RefuseNext(n int, code int16, requests ...Request) *Fault {
	return b.fail(errorOf(code), n, 1, 0, requests...)
}

func errorOf(code int16) *kerr.Error {
	err := kerr.TypedErrorForCode(code)
	if err == nil || err.Code != code {
		panic(fmt.Sprintf("producertest: Kafka has no error code %d", code))
	}
	return err
}

func (b *Broker) fail(err *kerr.Error, count int, share float64, seed uint64, requests ...Request) *Fault {
	var keys []kmsg.Key
	for _, r := range orProduce(requests) {
		keys = append(keys, kmsg.Key(r))
	}
	f := kfake.Fault{Keys: keys, Err: err, Count: count, TopLevel: !slices.Contains(keys, kmsg.Produce)}
	if share < 1 {
		rng := newRand(seed)
		f.When = func(kmsg.Request) bool { return rng.Float64() < share } // When runs on the cluster's goroutine
	}
	h := b.cluster.Fault(f)
	return &Fault{hits: h.Hits, stop: h.Remove}
}

func (b *Broker) add(f *fault) *Fault {
	b.mu.Lock()
	b.faults = append(b.faults, f)
	b.mu.Unlock()
	return &Fault{
		hits: func() int { return int(f.hits.Load()) },
		stop: func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.faults = slices.DeleteFunc(b.faults, func(other *fault) bool { return other == f })
		},
	}
}

// faultOf returns the effect of the faults on an answer.
func (b *Broker) faultOf(r Request) (lost bool, delay time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, f := range b.faults {
		if f.left == 0 || !slices.Contains(f.requests, r) || f.share < 1 && f.rng.Float64() >= f.share {
			continue
		}
		if f.left > 0 {
			f.left--
		}
		f.hits.Add(1)
		if f.delay == 0 {
			return true, 0
		}
		delay += f.delay
	}
	return false, delay
}

func orProduce(requests []Request) []Request {
	if len(requests) == 0 {
		return []Request{Produce}
	}
	return requests
}

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// Cut closes every connection now. The broker may have applied requests in
// flight.
func (b *Broker) Cut() {
	for _, l := range b.allListeners() {
		l.cut()
	}
}

// Stop takes the brokers off the network. Stop cuts the connections and refuses
// new connections until the caller calls restart. The log stays unchanged. Stop
// is no crash. For crashes of real Kafka, see docs/faults.md.
func (b *Broker) Stop() (restart func()) {
	for _, l := range b.allListeners() {
		l.down()
	}
	return func() {
		for _, l := range b.allListeners() {
			l.up()
		}
	}
}

func (b *Broker) allListeners() []*listener {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.listeners)
}

// MoveLeaders gives every partition another leader, if there are several nodes.
func (b *Broker) MoveLeaders() { b.cluster.ShufflePartitionLeaders() }

// RemoveNode removes the node with index i of [Broker.Addrs] from the cluster
// forever. The node's partitions move.
func (b *Broker) RemoveNode(i int) error { return b.cluster.RemoveNode(int32(i)) }

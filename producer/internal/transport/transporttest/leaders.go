package transporttest

import (
	"context"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/kafkacluster"
)

// RunLeaders opens short producers one after another on three real nodes. The
// leaders move all the time. librdkafka loses messages in the first batch of a
// new producer id (its issue 921).
func RunLeaders(t *testing.T, lib Library, producers int) {
	cluster := kafkacluster.Start(t)
	b := brokers{name: "real", addrs: cluster.Addrs()}
	const (
		partitions = 12
		rounds     = 40 // of each producer
		messages   = 100
	)
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(producers)*10*time.Second+time.Minute)
	defer cancel()
	if err := cluster.CreateTopic(ctx, "leaders", partitions, nil); err != nil {
		t.Fatal(err)
	}
	moving, stop := context.WithCancel(ctx)
	stopped, moves := make(chan struct{}), 0
	go func() {
		defer close(stopped)
		for moving.Err() == nil {
			if cluster.MoveLeaders(moving, "leaders") == nil {
				moves++
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-moving.Done():
			}
		}
	}()
	all := &session{recorder: newRecorder()}
	for range producers {
		s := open(t, lib, config(t, b.addrs, ""))
		s.next = all.next
		h := s.topic(t, "leaders")
		for range rounds {
			s.send(t, h, partitions, messages)
			time.Sleep(25 * time.Millisecond)
		}
		s.all(t, rounds*messages)
		s.close()
		for token, o := range s.outcomes {
			all.outcomes[token] = o
		}
		if len(s.fatal) > 0 {
			t.Errorf("a client ended: %v", s.fatal)
		}
		all.next = s.next
	}
	stop()
	<-stopped
	log := b.read(t, "leaders")
	all.compareWithLog(t, log)
	persisted, not, maybe := all.count()
	t.Logf("%d producers, %d moves, %d messages: %d persisted, %d not, %d possibly; %d in the log",
		producers, moves, len(all.outcomes), persisted, not, maybe, len(log))
	if persisted != len(all.outcomes) {
		all.allPersisted(t, len(all.outcomes))
	}
}

//go:build integration

package kafkacluster_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/avroline/avroline/internal/kafkacluster"
)

// TestCluster runs every operation that the fault tests need on one cluster.
func TestCluster(t *testing.T) {
	c := kafkacluster.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := c.CreateTopic(ctx, "t", 3, map[string]string{"max.message.bytes": "100000"}); err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("t"), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	produce := func(after string) {
		t.Helper()
		if err := cl.ProduceSync(ctx, kgo.StringRecord(after)).FirstErr(); err != nil {
			t.Fatalf("after %s: %v", after, err)
		}
	}
	produce("start")

	leader, err := c.Leader(ctx, "t", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(leader); err != nil {
		t.Fatal(err)
	}
	produce("kill of the leader")
	if next, err := c.Leader(ctx, "t", 0); err != nil || next == leader {
		t.Fatalf("leader is %d after %d was killed: %v", next, leader, err)
	}
	if err := c.Restart(ctx, leader); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(ctx, "t"); err != nil {
		t.Fatal(err)
	}

	before, err := c.Leader(ctx, "t", 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.MoveLeaders(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if after, err := c.Leader(ctx, "t", 1); err != nil || after == before {
		t.Fatalf("leader of t[1] is %d, was %d: %v", after, before, err)
	}
	produce("moved leaders")

	ctl, err := c.Controller(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(ctl); err != nil {
		t.Fatal(err)
	}
	produce("pause of the controller")
	if err := c.Resume(ctl); err != nil {
		t.Fatal(err)
	}
	if err := c.WaitInSync(ctx, "t"); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(ctl); err != nil {
		t.Fatal(err)
	}
	if err := c.Kill(ctl); err == nil {
		t.Fatal("a dead node was killed")
	}
	if err := c.Restart(ctx, ctl); err != nil {
		t.Fatal(err)
	}
}

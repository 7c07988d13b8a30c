//go:build integration

package integration

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/kafkacluster"
	"github.com/avroline/avroline/internal/workload"
)

// TestDiskFull fills the disk of one broker. The broker stops, and the other
// brokers continue. The disk is a small file system in memory, so the test
// needs root.
func TestDiskFull(t *testing.T) {
	if !*whole {
		t.Skip("part of the whole matrix: -whole")
	}
	disk := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", disk).CombinedOutput(); err != nil {
		t.Skipf("no small file system to be had: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.Background(), "umount", disk).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	c := kafkacluster.Start(t,
		kafkacluster.DataDir(func(id int) string {
			if id == 1 {
				return disk + "/data"
			}
			return t.TempDir()
		}),
		kafkacluster.Setting("log.segment.bytes", "4194304"))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	const name = "full"
	if err := c.CreateTopic(ctx, name, 6, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r, err := workload.Run{
		Brokers: c.Addrs(), Topic: name, Name: name, Seed: *seed,
		Messages: 40_000, Rate: 5_000, Pad: 2_000, CloseWithin: 2 * time.Minute, Options: chosen(),
	}.Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%v", r.Report)
	fault{name: "the disk of a broker is full"}.record(t, r, time.Since(began))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	if text := gaveUp(r, false); text != "" {
		t.Error(text)
	}
	// Control: the node must have stopped because its disk was full.
	if err := c.Kill(1); err == nil {
		t.Error("node 1 still runs: its disk was not full, and this proves nothing")
	}
}

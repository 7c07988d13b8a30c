//go:build integration

package integration

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/avroline/avroline/internal/apicurio"
	"github.com/avroline/avroline/internal/kafkacluster"
)

var (
	whole = flag.Bool("whole", false, "every row of the fault matrix, instead of the short form")
	soak  = flag.Duration("soak", 0, "how long the soak runs; 0 leaves it out")
	only  = flag.String("only", "", "the soak's faults: those whose name holds this `TEXT`")
	franz = flag.Bool("franz", false, "the fault matrix with the transport franz")
	table = flag.String("table", "", "append the rows of the fault matrix to this `FILE`")
	seed  = flag.Uint64("seed", uint64(time.Now().UnixNano()), "of everything that is random")
)

// One cluster and one registry serve all tests, because starting them takes
// longer than most tests. Each test uses its own topics and leaves all nodes
// healthy.
var (
	kafka struct {
		once sync.Once
		c    *kafkacluster.Cluster
		err  error
	}
	api struct {
		once sync.Once
		s    *apicurio.Server
		err  error
	}
)

func TestMain(m *testing.M) {
	flag.Parse()
	fmt.Printf("seed %d\n", *seed)
	code := m.Run()
	var err error
	if kafka.c != nil {
		if code != 0 {
			if dir, derr := os.MkdirTemp("", "kafka-logs-"); derr == nil && kafka.c.SaveLogs(dir) == nil {
				fmt.Println("the brokers' logs are in", dir)
			}
		}
		err = kafka.c.Close()
	}
	if api.s != nil {
		err = errors.Join(err, api.s.Close())
	}
	if err != nil {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

func cluster(t *testing.T) *kafkacluster.Cluster {
	t.Helper()
	kafka.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		kafka.c, kafka.err = kafkacluster.New(ctx)
	})
	if kafka.err != nil {
		t.Fatal(kafka.err)
	}
	return kafka.c
}

func schemas(t *testing.T) *apicurio.Server {
	t.Helper()
	api.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
		defer cancel()
		api.s, api.err = apicurio.New(ctx)
	})
	if api.err != nil {
		t.Fatal(api.err)
	}
	return api.s
}

// topic creates a topic for one test.
func topic(t *testing.T, partitions int32, configs map[string]string) string {
	t.Helper()
	return replicatedTopic(t, partitions, 0, configs)
}

// replicatedTopic is topic with a number of replicas. 0 means a replica on each
// node.
func replicatedTopic(t *testing.T, partitions int32, replicas int, configs map[string]string) string {
	t.Helper()
	c := cluster(t)
	if replicas == 0 {
		replicas = c.Len()
	}
	name := fmt.Sprintf("t-%d", time.Now().UnixNano())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.CreateReplicated(ctx, name, partitions, replicas, configs); err != nil {
		t.Fatal(err)
	}
	return name
}

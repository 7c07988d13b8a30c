package kafkacluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Admin returns a new admin client of the plain listeners. The caller closes
// the client.
func (c *Cluster) Admin() (*kadm.Client, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.MetadataMinAge(100*time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("kafkacluster: %w", err)
	}
	return kadm.NewClient(cl), nil
}

// poll calls f about ten times a second until f returns true or ctx ends.
func poll(ctx context.Context, what string, f func(context.Context) (bool, error)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		try, cancel := context.WithTimeout(ctx, 5*time.Second)
		ok, err := f(try)
		cancel()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("kafkacluster: %s: %w", what, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// WaitBrokers waits until the metadata lists n brokers.
func (c *Cluster) WaitBrokers(ctx context.Context, n int) error {
	adm, err := c.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	return poll(ctx, fmt.Sprintf("waiting for %d brokers", n), func(ctx context.Context) (bool, error) {
		md, err := adm.BrokerMetadata(ctx)
		return err == nil && len(md.Brokers) == n, err
	})
}

// WaitInSync waits until every partition of the topics has a leader and all its
// replicas are in sync.
func (c *Cluster) WaitInSync(ctx context.Context, topics ...string) error {
	adm, err := c.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	return poll(ctx, "waiting for the replicas to be in sync", func(ctx context.Context) (bool, error) {
		md, err := adm.Metadata(ctx, topics...)
		if err != nil || len(md.Brokers) != len(c.nodes) {
			return false, err
		}
		for _, t := range topics {
			if len(md.Topics[t].Partitions) == 0 {
				return false, md.Topics[t].Err
			}
			for _, p := range md.Topics[t].Partitions {
				if p.Err != nil || p.Leader < 0 || len(p.ISR) != len(p.Replicas) {
					return false, p.Err
				}
			}
		}
		return true, nil
	})
}

// CreateTopic creates a topic and waits until all replicas are in sync. The
// topic has one replica on each node, at most 3.
func (c *Cluster) CreateTopic(ctx context.Context, name string, partitions int32, configs map[string]string) error {
	return c.CreateReplicated(ctx, name, partitions, min(3, len(c.nodes)), configs)
}

// CreateReplicated is CreateTopic with a number of replicas.
func (c *Cluster) CreateReplicated(ctx context.Context, name string, partitions int32, replicas int, configs map[string]string) error {
	adm, err := c.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	settings := make(map[string]*string, len(configs))
	for k, v := range configs {
		settings[k] = &v
	}
	err = poll(ctx, "creating topic "+name, func(ctx context.Context) (bool, error) {
		r, err := adm.CreateTopic(ctx, partitions, int16(replicas), settings, name)
		if err == nil {
			err = r.Err
		}
		return err == nil, err
	})
	if err != nil {
		return err
	}
	return c.WaitInSync(ctx, name)
}

// Leader returns the node that leads a partition.
func (c *Cluster) Leader(ctx context.Context, topic string, partition int32) (int, error) {
	adm, err := c.Admin()
	if err != nil {
		return 0, err
	}
	defer adm.Close()
	leader := 0
	err = poll(ctx, fmt.Sprintf("leader of %s[%d]", topic, partition), func(ctx context.Context) (bool, error) {
		md, err := adm.Metadata(ctx, topic)
		if err != nil {
			return false, err
		}
		p, ok := md.Topics[topic].Partitions[partition]
		leader = int(p.Leader)
		return ok && leader > 0, p.Err
	})
	return leader, err
}

// Replicas returns the leader of a partition and its first follower.
func (c *Cluster) Replicas(ctx context.Context, topic string, partition int32) (leader, follower int, err error) {
	adm, err := c.Admin()
	if err != nil {
		return 0, 0, err
	}
	defer adm.Close()
	md, err := adm.Metadata(ctx, topic)
	if err != nil {
		return 0, 0, fmt.Errorf("kafkacluster: replicas of %s: %w", topic, err)
	}
	p := md.Topics[topic].Partitions[partition]
	for _, r := range p.Replicas {
		if r != p.Leader {
			return int(p.Leader), int(r), nil
		}
	}
	return 0, 0, fmt.Errorf("kafkacluster: %s[%d] has no follower", topic, partition)
}

// Controller returns the node that is the active controller. A KRaft broker
// answers a metadata request with a random node. So Controller asks the quorum
// itself.
func (c *Cluster) Controller(ctx context.Context) (int, error) {
	adm, err := c.Admin()
	if err != nil {
		return 0, err
	}
	defer adm.Close()
	leader := 0
	err = poll(ctx, "leader of the controllers", func(ctx context.Context) (bool, error) {
		q, err := quorumLeader(ctx, c)
		leader = q
		return err == nil && q > 0, err
	})
	return leader, err
}

// Coordinator returns the node that coordinates a transactional id.
func (c *Cluster) Coordinator(ctx context.Context, transactionalID string) (int, error) {
	adm, err := c.Admin()
	if err != nil {
		return 0, err
	}
	defer adm.Close()
	id := 0
	err = poll(ctx, "coordinator of "+transactionalID, func(ctx context.Context) (bool, error) {
		r := adm.FindTxnCoordinators(ctx, transactionalID)
		for _, f := range r {
			if f.Err != nil {
				return false, f.Err
			}
			id = int(f.NodeID)
		}
		return id > 0, nil
	})
	return id, err
}

// MoveLeaders moves the leader of every partition of a topic to the next
// replica. It rotates the replica lists and then elects the preferred leaders.
func (c *Cluster) MoveLeaders(ctx context.Context, topic string) error {
	adm, err := c.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	md, err := adm.Metadata(ctx, topic)
	if err != nil {
		return fmt.Errorf("kafkacluster: moving leaders of %s: %w", topic, err)
	}
	var want kadm.AlterPartitionAssignmentsReq
	var set kadm.TopicsSet
	for id, p := range md.Topics[topic].Partitions {
		// The present leader becomes the last replica.
		next := make([]int32, 0, len(p.Replicas))
		for _, r := range p.Replicas {
			if r != p.Leader {
				next = append(next, r)
			}
		}
		want.Assign(topic, id, append(next, p.Leader))
		set.Add(topic, id)
	}
	if _, err := adm.AlterPartitionAssignments(ctx, want); err != nil {
		return fmt.Errorf("kafkacluster: moving leaders of %s: %w", topic, err)
	}
	return poll(ctx, "electing leaders of "+topic, func(ctx context.Context) (bool, error) {
		r, err := adm.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
		if err != nil {
			return false, err
		}
		for _, parts := range r {
			for _, p := range parts {
				if p.Err != nil && p.Err.Error() != "" && !isElectionNotNeeded(p.Err) {
					return false, p.Err
				}
			}
		}
		return true, nil
	})
}

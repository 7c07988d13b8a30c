package kafkacluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Allow gives a user permissions on a resource, and waits until every broker
// knows the permissions. The cluster must have an [Authorizer]. resource limits
// the builder to one resource, for example with (*kadm.ACLBuilder).Topics.
func (c *Cluster) Allow(ctx context.Context, user string, resource func(b *kadm.ACLBuilder), operations ...kadm.ACLOperation) error {
	adm, err := c.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	build := func() *kadm.ACLBuilder {
		b := kadm.NewACLs().Allow("User:" + user).AllowHosts().Operations(operations...).ResourcePatternType(kadm.ACLPatternLiteral)
		resource(b)
		return b
	}
	made, err := adm.CreateACLs(ctx, build())
	if err != nil {
		return fmt.Errorf("kafkacluster: ACLs: %w", err)
	}
	for _, m := range made {
		if m.Err != nil {
			return fmt.Errorf("kafkacluster: ACL %s for %s on %s: %w", m.Operation, user, m.Name, m.Err)
		}
	}
	return poll(ctx, "ACLs of "+user, func(ctx context.Context) (bool, error) {
		found, err := adm.DescribeACLs(ctx, build())
		known := 0
		for _, f := range found {
			known += len(f.Described)
		}
		return err == nil && known >= len(made), err
	})
}

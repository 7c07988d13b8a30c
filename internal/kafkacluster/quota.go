package kafkacluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Throttle limits each client on each broker, in bytes per second. 0 removes
// the limit.
func (c *Cluster) Throttle(ctx context.Context, bytes float64) error {
	adm, err := c.Admin()
	if err != nil {
		return err
	}
	defer adm.Close()
	r, err := adm.AlterClientQuotas(ctx, []kadm.AlterClientQuotaEntry{{
		Entity: kadm.ClientQuotaEntity{{Type: "client-id"}}, // no name means every client
		Ops:    []kadm.AlterClientQuotaOp{{Key: "producer_byte_rate", Value: bytes, Remove: bytes == 0}},
	}})
	for _, entity := range r {
		if err == nil {
			err = entity.Err
		}
	}
	if err != nil {
		return fmt.Errorf("kafkacluster: quota: %w", err)
	}
	return nil
}

package producer

import "context"

type group struct{ t *Transactional }

func (g *group) join(ctx context.Context, f func(tx *Tx) error) error { return g.t.inTx(ctx, f) }

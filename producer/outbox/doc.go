// Package outbox publishes the events of database transactions to Kafka. Each
// event is published exactly once. The pattern is called the transactional
// outbox.
//
//	table, err := outbox.NewTable(outbox.PostgreSQL)
//	placed := outbox.NewTopic(table, topic, serializer)
//	err = placed.Enlist(ctx, tx, &event) // tx is the transaction of the service
//
//	relay, err := outbox.NewRelay(brokers, "shop", table, db, registry, serializer)
//	err = relay.Run(ctx) // in any process
//
// A service writes an event into a table with [Topic.Enlist], in the same
// database transaction as its own changes. A [Relay] reads the table and
// publishes the rows. The relay commits its progress in the same Kafka
// transaction as the events. If the database transaction commits, the event is
// published exactly once. If the database transaction does not commit, the
// event is never published. Both statements are true even if a process is
// killed at any point. The events of a key keep their order.
//
// Package outbox works with database/sql and any driver of PostgreSQL, MySQL,
// MariaDB or SQLite. The package imports no driver. Package outboxpgx adds pgx.
package outbox

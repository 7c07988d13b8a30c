// Package outbox publishes events of a database's transactions to Kafka, each
// exactly once (the transactional outbox).
//
// A service writes an event into a table, in the same database transaction as
// its own changes: [Topic.Enlist]. A relay reads the table and publishes the
// rows: [Relay]. How far it has read is in the same Kafka transaction as the
// events. So an event is published if and only if its transaction is committed,
// and only once, whatever is killed in between. The events of a key keep their
// order.
//
// Package outbox works with database/sql and any driver of PostgreSQL, MySQL,
// MariaDB or SQLite. It imports none. Package outboxpgx adds pgx.
package outbox

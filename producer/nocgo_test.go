//go:build !cgo

package producer_test

// quickReconnect is empty: franz-go connects again by its retry backoff.
var quickReconnect = map[string]string{}

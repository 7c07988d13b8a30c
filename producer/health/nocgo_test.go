//go:build !cgo

package health_test

const hasConfluent = false

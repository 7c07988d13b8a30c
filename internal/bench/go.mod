module github.com/avroline/avroline/internal/bench

go 1.26.0

replace github.com/avroline/avroline => ../..

require github.com/avroline/avroline v0.0.0-00010101000000-000000000000

require (
	github.com/golang/snappy v1.0.0 // indirect
	github.com/google/uuid v1.6.0 // indirect
	github.com/linkedin/goavro/v2 v2.15.0 // indirect
)

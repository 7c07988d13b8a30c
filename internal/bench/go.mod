module github.com/avroline/avroline/internal/bench

go 1.26.0

replace github.com/avroline/avroline => ../..

require github.com/avroline/avroline v0.0.0-00010101000000-000000000000

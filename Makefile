# make help explains.
SHELL := bash
.DEFAULT_GOAL := all

GOLANGCI_VERSION := v2.15.0
GOVULNCHECK_VERSION := v1.9.0
GORELEASER_VERSION := v2.13.0
GOTESTSUM_VERSION := v1.13.0
BIN := $(CURDIR)/.build/bin
GOLANGCI := $(BIN)/golangci-lint-$(GOLANGCI_VERSION)
GOTESTSUM := $(BIN)/gotestsum-$(GOTESTSUM_VERSION)

# What holds goroutines, and so runs under the race detector.
RACE := ./internal/resolve ./registry/... ./serde ./serde/encrypt ./serde/eventtest ./producer/...
# The suites that run against whatever AVROLINE_TEST_BROKERS and _REGISTRY name.
PUBLIC := Suite|Publish|Message|Hooks|ForeignSlices|Refused|TopicLimit|SeveralTypes|Transact|Abort|Fenced|Times|SmallTopic|Processor|Files$$
# The same, and workers that are killed, frozen, and come and go.
REAL := $(PUBLIC)|Killed|WakesUp|Rebalances|Resume|TestRun
# The older releases of Apache Kafka that the suites run on: make versions.
VERSIONS ?= 3.6.2 3.9.1 4.0.1
# How many tests of a package run at once: most wait for a server or a clock, so
# more than there are processors.
PARALLEL := -parallel 4
# Long tests of the producer that make test runs on both transports.
BOTH := ^Test(RefusalReason|SilentLeader|SilentBroker|NoLeaderReason|PermissionGrantedLate|UnnamedRecord)$$
# How long each fuzzer runs: make fuzz FUZZTIME=10m
FUZZTIME ?= 1m
# How many random schemas, from which seed: make random SCHEMAS=5000 SEED=7
SCHEMAS ?= 1000
SEED ?= 1
# How long the soak runs: make soak SOAK=1h
SOAK ?= 10m

# gotest FLAGS,PACKAGES is go test. With RERUN=1, as in .ci/run, tests that
# failed are run again: at most 6 tests and subtests, each at most twice, and
# none after a data race, a panic or a timeout. The output keeps every failure.
# The tests are not vetted, because make lint vets everything.
gotest = $(if $(RERUN),$(GOTESTSUM) --format standard-quiet --rerun-fails --rerun-fails-max-failures 6 --rerun-fails-run-root-test --rerun-fails-abort-on-data-race --packages "$(2)" -- -vet=off $(1),go test $(if $(1),$(1) )$(2))
RERUN ?=
ifneq ($(RERUN),)
test race test-franz modules vectors integration tools versions: $(GOTESTSUM)
endif

.PHONY: all help fmt lint prose test race generate check-generate purego test-franz modules vault vulncheck release-check fuzz random bench throughput faults vectors integration tools versions kafka registry soak clean

all: fmt lint test ## format, lint and test: what to run before a commit

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

fmt: $(GOLANGCI) ## format the code
	$(GOLANGCI) fmt

lint: $(GOLANGCI) ## lint everything, the arrows between the packages included
	$(GOLANGCI) run --allow-parallel-runners ./...
	cd internal/bench && $(GOLANGCI) run --allow-parallel-runners --config ../../.golangci.yml ./...
	@for mod in serde/encrypt/*/go.mod; do (cd $$(dirname $$mod) && $(GOLANGCI) run --allow-parallel-runners --config ../../../.golangci.yml ./...) || exit 1; done
	go run ./cmd/avrogen fmt schemas/...
	go run ./cmd/avrogen lint schemas/...

prose: ## count how the comments read, and fail where one is wider than 80 columns
	go run ./internal/cmd/prose

$(GOLANGCI):
	GOBIN=$(BIN)/tmp go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(BIN)/tmp/golangci-lint $@

$(GOTESTSUM):
	GOBIN=$(BIN)/tmp go install gotest.tools/gotestsum@$(GOTESTSUM_VERSION)
	mv $(BIN)/tmp/gotestsum $@

test: ## the tests: no server, no environment variable
	$(call gotest,$(PARALLEL),./...)

race: ## the tests of what is concurrent, under the race detector
	$(call gotest,-race -short $(PARALLEL),$(RACE))

generate: ## write the generated code anew
	go generate ./...
	cd internal/bench && go generate ./...

check-generate: generate ## fail where generated code is stale
	@git diff --exit-code --stat -- '*.avro.go' docs/observability docs/observability.md || { echo "generated code is stale: run make generate and commit it"; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard -- '*.avro.go')" || { echo "generated files are not committed"; exit 1; }

purego: ## build everything without cgo, also for Windows and macOS
	CGO_ENABLED=0 go build ./...
	GOOS=windows CGO_ENABLED=0 go build ./...
	GOOS=windows CGO_ENABLED=0 go vet ./...
	GOOS=darwin CGO_ENABLED=0 go vet ./...

test-franz: ## the producer's tests on the transport franz, built without cgo
	CGO_ENABLED=0 $(call gotest,$(PARALLEL) -skip '$(BOTH)',./producer ./producer/processor ./producer/source ./producer/outbox/... ./producer/internal/open)

modules: ## build the modules of their own, and test the KMS modules
	@for mod in $$(git ls-files '*/go.mod' | xargs -n1 dirname); do echo "== $$mod"; (cd $$mod && go build ./...) || exit 1; done
	@for mod in serde/encrypt/*/go.mod; do (cd $$(dirname $$mod) && go test -vet=off ./...) || exit 1; done

vault: ## the KMS module of Vault against a real Vault, which the first run builds
	go build -o .build/bin/withvault ./internal/cmd/withvault
	cd serde/encrypt/hcvault && ../../../.build/bin/withvault go test -tags integration -count=1 -run Real ./...

vulncheck: ## known vulnerabilities in the dependencies, if their database can be reached
	@go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) ./...; status=$$?; \
	if [ $$status -eq 3 ]; then exit 1; fi; \
	if [ $$status -ne 0 ]; then echo "NOT CHECKED: the vulnerability database cannot be reached"; fi

release-check: ## a dry run of the release: avrogen for every platform, into dist
	go run github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION) check
	go run github.com/goreleaser/goreleaser/v2@$(GORELEASER_VERSION) release --snapshot --clean --skip=publish

fuzz: ## run every fuzzer for FUZZTIME (1m)
	@for pkg in $$(git grep -l '^func Fuzz' -- '*_test.go' | grep -v '^internal/bench/' | xargs -n1 dirname | sort -u); do \
	  for f in $$(git grep -h '^func Fuzz' -- $$pkg/*_test.go | sed -E 's/func (Fuzz[A-Za-z0-9_]*).*/\1/'); do \
	    echo "== $$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x ./$$pkg || exit 1; \
	  done; done

random: ## generate, compile and round-trip SCHEMAS (1000) random schemas, from SEED (1)
	go test ./codegen -count=1 -timeout 30m -run TestRandomSchemas -schemas $(SCHEMAS) -seed $(SEED)
	cd internal/bench && go test -count=1 -timeout 30m -run TestGenerated$$ ./vectors -whole -random $(SCHEMAS)

bench: ## the benchmarks, the peers beside us in the same run
	@echo "== encode and decode: our time by the hand-written limit's, the peers' by ours"
	@cd internal/bench && go test -count=1 -run TestTable -v ./codec -table | grep -v '^[=-]'
	@echo "== optional fields: pointers and avrobin.Opt"
	@cd internal/bench && go test -run '^$$' -bench Optionals ./codec | grep Benchmark
	@echo "== publish: every way by the fastest raw one"
	@cd internal/bench && go run ./publish
	@echo "== the generators of Go code"
	@cd internal/bench && go test -run '^$$' -bench . -benchtime 7x ./generate | grep Benchmark
	@echo "== serializers"
	@cd internal/bench && go test -run '^$$' -bench . ./registry | grep Benchmark
	@echo "== plans, bindings, registry client, generator"
	@go test -run '^$$' -bench . ./internal/resolve ./serde ./registry ./codegen | grep Benchmark

throughput: ## settings against rate and latency on real Kafka, with plots into docs/img
	cd internal/bench && go run ./throughput -o ../../docs/img

faults: ## the whole fault matrix on real Kafka, with each transport (about 30 minutes)
	go test -tags integration -count=1 -timeout 40m -v -run 'Faults|Disk|LeadersMove' ./internal/integration -whole -leaders 30s -short 40
	go test -tags integration -count=1 -timeout 40m -v -run 'Faults|Disk' ./internal/integration -whole -franz

vectors: ## judge schemas, bytes and resolution by other people's vectors
	cd internal/bench && $(call gotest,-count=1,./vectors/...)

integration: ## the suites against real Kafka and a real registry (Java 21, Maven)
	go run ./internal/cmd/withreal $(call gotest,-tags integration -count=1 -p 2 -timeout 15m -run '$(REAL)',./producer ./producer/processor ./producer/source ./serde ./registry ./examples/clickstream)
	$(call gotest,-tags integration -count=1 -timeout 30m,./internal/integration)

tools: ## the catalog, the hooks and the settings judged by npm, Chromium, pre-commit
	$(call gotest,-tags integration -count=1 -timeout 15m -run 'AsyncAPI|Browser|ByValidator|PreCommit|Action',./cmd/avrogen)

versions: ## the suites against older releases of Apache Kafka, one node each
	@for v in $(VERSIONS); do go run ./internal/cmd/withreal -nodes 1 -kafka $$v $(call gotest,-tags integration -count=1 -p 1 -timeout 15m -run '$(PUBLIC)',./producer ./producer/processor ./producer/source ./serde) || exit 1; done

kafka: ## run three nodes of Apache Kafka until Ctrl-C
	@mkdir -p .build/bin && go build -o .build/bin/ ./internal/cmd/kafka && exec .build/bin/kafka

registry: ## run a real schema registry until Ctrl-C
	@mkdir -p .build/bin && go build -o .build/bin/ ./internal/cmd/registry && exec .build/bin/registry

soak: ## random faults on real Kafka for SOAK (10m), everything accounted at the end
	go test -tags integration -count=1 -timeout 0 -run TestSoak -v ./internal/integration -soak $(SOAK)

clean: ## remove what make built
	rm -rf .build

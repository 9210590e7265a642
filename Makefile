GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -X github.com/trivetkv/trivet/pkg/telemetry.version=$(VERSION)

# Every module of go.work, as patterns that go test and the linter take.
MODULES  := pkg services/api services/consumer services/autoscaler cmd/trivet test
PACKAGES := $(MODULES:%=./%/...)

# Modules outside go.work, whose dependencies would pull its versions apart.
OUTSIDE := test/sqlcheck test/kubescore tools/images tools/simulator

# The Pulumi program, whose SDKs take minutes to compile as they are: no race
# detector, and one package at a time, since one alone takes gigabytes.
INFRA := ./infra/...

FUZZTIME ?= 60s
ROUNDS   ?= 200
ARGS     ?=
SIMULATE ?= --seed 1,2,3,4,5 --startup 5s,25s,90s --target 0.5,0.6,0.7,0.8,0.9
BACKENDS ?= embedded
DURATION ?= 10m

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run run-embedded run-servers
run: run-$(BACKENDS) ## build and start the store on http://127.0.0.1:8080, data in ./data (ARGS="--listen :0"; BACKENDS=servers: on PostgreSQL, Redis and RabbitMQ)

run-embedded: bin/trivet
	@exec bin/trivet run $(ARGS)

run-servers: build
	@$(GO) build -o bin/servers ./test/servers && exec bin/servers $(ARGS)

.PHONY: test
test: race-compiler budgets ## run the tests of every module with the race detector, and the budgets
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $(PACKAGES)
	for module in $(OUTSIDE); do (cd $$module && GOWORK=off $(GO) test -trimpath -count=1 ./...) || exit; done
	$(MAKE) test-infra

.PHONY: test-infra
test-infra: bin/pulumi ## run the tests of the Pulumi program alone; the first time they compile for minutes
	$(GO) test -p 1 -timeout 30m $(INFRA)

# Budgets, of allocations and system calls on hot paths, hold without the race
# detector only. One package at a time: they count what the machine does.
.PHONY: budgets
budgets: ## run the tests that hold hot paths to their budgets
	$(GO) test -count=1 -p 1 -run '^TestBudget' \
		$$(grep -rl --include='*_test.go' '^func TestBudget' $(MODULES) | xargs -n 1 dirname | sort -u | sed 's,^,./,')

.PHONY: lint
lint: bin/golangci-lint ## hold the code against .golangci.yml
	bin/golangci-lint run --allow-parallel-runners $(PACKAGES)
	for module in $(OUTSIDE); do (cd $$module && GOWORK=off $(CURDIR)/bin/golangci-lint run --allow-parallel-runners ./...) || exit; done
	bin/golangci-lint run --allow-parallel-runners --concurrency 1 $(INFRA)

.PHONY: bench
bench: build ## measure the store beside etcd and webdis and print the ratios (ARGS=-quick)
	$(GO) run ./test/bench $(ARGS)

.PHONY: abuse
abuse: bin/trivet ## measure what others notice of a client that floods, trickles, never reads … (ARGS="-only flood")
	$(GO) run ./test/bench/abuse $(ARGS)

# Pods run static programs, in an image that holds nothing else.
.PHONY: e2e
e2e: ## run the tests on a real cluster: that of KUBECONFIG, or one that is started on this machine (RUN=TestName)
	@mkdir -p bin/e2e
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/e2e/ ./services/api ./services/autoscaler ./test/kubernetes/probe
	kubeconfig=$$(test/kubernetes/up) && \
	KUBECONFIG=$$kubeconfig TRIVET_E2E=1 TRIVET_E2E_BIN=$(CURDIR)/bin/e2e $(GO) test -count=1 -timeout 30m -v $(if $(RUN),-run '$(RUN)') ./test/kubernetes && \
	KUBECONFIG=$$kubeconfig $(GO) test -count=1 -tags e2e -timeout 30m -v $(if $(RUN),-run '$(RUN)') ./infra/workloads/e2e && \
	KUBECONFIG=$$kubeconfig $(GO) test -count=1 -tags e2e -timeout 30m -v -run '$(or $(RUN),OnACluster)' ./infra/rehearsal

# Seeds from 100 on are for developing the policy; those below are for judging it.
SIMULATE ?= --seed 1,2,3,4,5 --startup 5s,25s,90s --target 0.5,0.6,0.7,0.8,0.9
.PHONY: simulate
simulate: bin/trivet bin/trivet-simulator ## try the autoscalers on all traces, half an hour of two cores (SIMULATE="--seed 1" takes a minute)
	@mkdir -p out
	nice -n 10 bin/trivet simulate --generate all $(SIMULATE) --rows out/simulate.json --report out/simulate.html

.PHONY: build
build: bin/trivet bin/trivet-simulator bin/trivet-api bin/trivet-consumer bin/trivet-autoscaler ## build the programs into bin/

.PHONY: images
images: ## build the services' container images into out/images and print their digests (PLATFORM=linux/arm64, PUSH=REGISTRY/PREFIX)
	cd tools/images && GOWORK=off $(GO) build -o ../../bin/images .
	bin/images -version "$(VERSION)" $(if $(PLATFORM),-platform $(PLATFORM)) $(if $(PUSH),-push $(PUSH))

.PHONY: crash
crash: bin/trivet ## kill the store under load and look for lost writes (ROUNDS=200)
	$(GO) run ./test/crash -rounds $(ROUNDS)

.PHONY: faults
faults: bin/trivet-api bin/trivet-consumer ## kill and pause an installation's parts in turn under load and look for broken promises (DURATION=10m)
	$(GO) run ./test/faults -duration $(DURATION) $(ARGS)

.PHONY: fuzz
fuzz: ## run every fuzz target (FUZZTIME=60s each, or a number of inputs such as 20000x)
	tools/fuzz $(FUZZTIME) $(MODULES)

STACK ?= prod-aws

.PHONY: rehearse
rehearse: bin/trivet ## run a stack's deployment from plan to destroy without an account (STACK=prod-aws ARGS="--fail 'aws:ec2/subnet:Subnet#3'")
	@bin/trivet rehearse -s $(STACK) $(ARGS)

# The recordings that the upgrade gate plans on.
RELEASE ?= unreleased

.PHONY: record
record: bin/pulumi ## record the state of every stack for the upgrade gate (RELEASE=v1.2.3)
	@mkdir -p infra/rehearsal/testdata/upgrade/$(RELEASE)
	$(GO) build -o bin/infra-rehearse ./infra/cmd/rehearse
	for stack in $(patsubst stacks/Pulumi.%.yaml,%,$(wildcard stacks/Pulumi.*.yaml)); do \
		bin/infra-rehearse -stack $$stack -record infra/rehearsal/testdata/upgrade/$(RELEASE)/$$stack.json.gz || exit 1; \
	done

.PHONY: clean
clean: ## remove what was built; data stays
	rm -rf bin out

# Go's own cache knows what has changed, so the programs are always asked for.
.PHONY: bin/trivet bin/trivet-simulator bin/trivet-api bin/trivet-consumer bin/trivet-autoscaler
bin/trivet:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./cmd/trivet
bin/trivet-simulator:
	cd tools/simulator && GOWORK=off $(GO) build -trimpath -o ../../$@ .
bin/trivet-api:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./services/api
bin/trivet-consumer:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./services/consumer

bin/trivet-autoscaler:
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $@ ./services/autoscaler

# The version has to be put in by hand, or programs take the CLI for a very old one.
bin/pulumi: tools/pulumi/go.mod tools/pulumi/go.sum
	@echo "building the Pulumi CLI; this takes some minutes the first time"
	cd tools/pulumi && export GOWORK=off && $(GO) build -trimpath -o ../../$@ -ldflags \
		"-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=$$($(GO) list -m -f '{{.Version}}' github.com/pulumi/pulumi/pkg/v3)" \
		github.com/pulumi/pulumi/pkg/v3/cmd/pulumi

bin/golangci-lint: tools/go.mod tools/go.sum
	@echo "building the linter; this takes some minutes the first time"
	cd tools && GOWORK=off $(GO) build -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# The race detector is the only thing that needs a C compiler.
.PHONY: race-compiler
race-compiler:
	@cc=$$($(GO) env CC); command -v $${cc%% *} >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing gcc, which the race detector needs"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends gcc libc6-dev; \
	else \
		echo "The race detector needs a C compiler, and $$cc is not installed." >&2; \
		echo "Debian, Ubuntu: sudo apt-get install gcc libc6-dev. Fedora: sudo dnf install gcc. macOS: xcode-select --install." >&2; \
		exit 1; \
	fi

# Two commands are enough: make run, make test. `make` lists the rest.

GO        ?= go
BIN       := bin
BUILD     := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags='-buildid= -s -w'
FUZZTIME  ?= 10s
TOOL      := $(GO) tool -modfile=tools/go.mod

.DEFAULT_GOAL := help
.PHONY: help run test short race bench fuzz lint generate build release token platforms powercut evidence tuf-conformance

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## Start everything on this machine with a sample shop, and print the addresses
	$(BIN)/plomb up

test: ## Run all tests, as CI does (needs Chromium: apt install chromium)
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...

short: ## Run what ends in seconds
	$(GO) test -short ./...

race: ## Run all tests with the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -short -timeout 30m ./...

bench: build ## Measure the journal and a sale, as ratios to this machine's own limits
	$(BIN)/plomb bench journal
	$(BIN)/plomb bench sale

fuzz: ## Fuzz every decoder for FUZZTIME each (default 10s)
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p 2>/dev/null | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x $$p || exit 1; \
	  done; \
	done

lint: ## Formatting, vet, staticcheck, and the types of the pages
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	cd tools/web && npm ci --silent --no-audit --no-fund && npx tsc -p ../../till/web/page/jsconfig.json && npx tsc -p ../../driver/sim/jsconfig.json

generate: ## Make the generated files again
	$(GO) generate ./...

build: ## Build plomb, plomb-boot and plomb-verify into bin/
	$(BUILD) -o $(BIN)/plomb ./cmd/plomb
	$(BUILD) -o $(BIN)/plomb-boot ./cmd/plomb-boot
	$(BUILD) -o $(BIN)/plomb-verify ./cmd/plomb-verify

token: ## Build plomb-token, which speaks to PKCS#11 tokens (the only program with cgo: needs gcc)
	CGO_ENABLED=1 $(GO) build -trimpath -buildvcs=false -o $(BIN)/plomb-token ./cmd/plomb-token

release: ## Build twice in different places, compare, and write checksums into dist/
	tools/release.sh

platforms: ## Build for every platform of the devices, and run their TLS on arm64 (needs qemu-user-static)
	for t in linux/arm64 windows/amd64 android/arm64; do \
	  echo $$t; CGO_ENABLED=0 GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build -o /dev/null ./cmd/plomb || exit 1; \
	done
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) test -exec qemu-aarch64-static -timeout 5m ./xfs4iot ./xfs4iot/pki
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) test -exec qemu-aarch64-static -timeout 5m -run 'Told|Revoked|Certificate|Rights|MayAsk|LetIn' ./xfs4iot/host

ROUNDS ?= 200
# RIG: more flags, such as -patience 2m on a busy machine, -machines 4, -seed N
powercut-update: ## Cut the power of a virtual machine that updates itself, ROUNDS times (needs qemu-system-x86, cpio)
	tools/powercut/kernel.sh
	$(GO) test -count=1 -v -timeout 120m ./internal/powercut/rig/machine -rounds $(ROUNDS) $(RIG)

powercut: ## Cut the power of a virtual machine on real ext4 (needs root and qemu-system-x86; minutes)
	tools/powercut/run.sh

evidence: ## Print which test shows which requirement on the secure update of code
	$(GO) run ./internal/evidence

tuf-conformance: ## Run the TUF project's conformance suite against update/trust (needs Python; see tools/tufconformance)
	tools/tufconformance/run.sh

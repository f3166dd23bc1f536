# How to build, check, test and measure Assent. `make` alone prints this list.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run check test lint cross install unit race fuzz golden e2e crash storm outage bench generate build clean

STATICCHECK := go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOFUMPT     := go run mvdan.cc/gofumpt@v0.12.0
STEP        := scripts/step.sh
FUZZTIME    := 60s
SYSTEMS     := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)

# What ships is built without C, so that is what is tested; only -race needs it.
export CGO_ENABLED := 0

help:
	@echo "usage: make TARGET"
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## assent serve, with all defaults: open http://127.0.0.1:8080/
	go run ./cmd/assent serve

check: lint cross unit ## the inner loop: linters and unit tests, without Kafka or Chromium

# e2e is last: what go test says last is what this says last.
# Of each foreign system one: the other four cost minutes where nothing is cached.
test: FUZZTIME := 3s
test: SYSTEMS := windows/amd64 darwin/arm64
test: install lint cross unit race fuzz e2e ## everything, installing first what the tests need

lint: ## go vet, gofumpt, staticcheck
	@$(STEP) "go vet" go vet ./...
	@$(STEP) "go vet, the module of test/compare" go -C test/compare vet ./...
	@$(STEP) "gofumpt" scripts/silent.sh "not formatted: run $(GOFUMPT) -w ." $(GOFUMPT) -l .
	@$(STEP) "staticcheck" $(STATICCHECK) ./...

cross: ## the program compiles for Linux, macOS and Windows, amd64 and arm64
	@$(STEP) "compiles for $(SYSTEMS)" scripts/cross.sh $(SYSTEMS)

# The one target that may need root: apt installs. Without root it says what to install.
install: ## Kafka, kcat, Chromium and a C compiler, where missing; uses apt when root
	@$(STEP) "install" scripts/install.sh

unit: ## unit and golden tests, fuzz seeds, import rules
	@$(STEP) "unit, golden, fuzz seeds" go test $$(scripts/packages.sh unit)

race: ## the concurrent packages under the race detector
	@$(STEP) "race" env CGO_ENABLED=1 go test -race $$(scripts/packages.sh race)

fuzz: ## every fuzz function for FUZZTIME (60s); what it finds stays in testdata/fuzz
	@$(STEP) "fuzz, $(FUZZTIME) each" scripts/fuzz.sh $(FUZZTIME)

golden: ## rewrite the golden files; read the difference before you commit it
	@$(STEP) "golden" go test $$(scripts/packages.sh golden) -update
	@git --no-pager diff --stat

e2e: ## the real binary, a real Kafka, a real browser
	@echo "==> end to end"
	@go test -count=1 -p 1 -timeout 8m $$(scripts/packages.sh e2e)

crash: ROUNDS ?= 300
crash: ## SIGKILL at random instants, ROUNDS times (300); SEED=… repeats the choices
	@ROUNDS=$(ROUNDS) go test -v -count=1 -timeout 90m -run 'TestCrashes$$' ./test/crash

storm: ## connections cut, delayed and answers lost for STORM seconds (600)
	@STORM=$(or $(STORM),600) go test -v -count=1 -timeout 60m -run 'TestNetwork$$' ./test/crash

outage: ## MINUTES (20) without Kafka at 5,000 events/s, and the drain
	@go run ./test/load/outage -minutes $(or $(MINUTES),20) -rate 5000 -svg docs/img/outage.svg

bench: ## the numbers of docs/measure.md
	@scripts/bench.sh

generate: ## what go generate makes from public data
	@$(STEP) "generate" go generate ./...

build: ## the static binary: bin/assent
	go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o bin/assent ./cmd/assent

clean: ## remove what make made, Kafka's jars too; never assent-data
	rm -rf bin .cache

# Everything needs Go and make. Only `test` and `e2e` use more, and install it.

GO      ?= go
VERSION ?=
COMMIT  ?=
PREFIX  ?=
FUZZTIME ?= 60s
TESTFLAGS ?=

# fixtures/build knows these flags too: what is tested is what is built.
BUILDFLAGS := -trimpath -tags urfave_cli_no_docs
LDFLAGS := -s -w
# In a work tree Go notes version and commit by itself. It stops where git does
# not answer (no git, someone else's checkout), so it is not asked there.
BUILDVCS := $(shell git rev-parse --verify HEAD >/dev/null 2>&1 && echo auto || echo false)
STAMP := $(if $(VERSION),-X main.version=$(VERSION)) $(if $(COMMIT),-X main.commit=$(COMMIT))
GOBUILD := CGO_ENABLED=0 $(GO) build -buildvcs=$(BUILDVCS) $(BUILDFLAGS) -ldflags "$(strip $(LDFLAGS) $(STAMP))"
TOOL := $(GO) tool -modfile=.ci/tools/go.mod

# Where .ci/real/build puts the programs that it builds.
REAL = CRPKI_REAL="$$(.ci/real/build)"

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64

.DEFAULT_GOAL := help
.PHONY: help demo build install test real e2e e2e-k8s lint vuln bench fuzz docs cross release-dry clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

demo: build ## make a CA and a certificate, serve a registry with them, pull an image over TLS
	@$(GO) run ./cmd/demo -crpki bin/crpki

build: ## build bin/crpki
	$(GOBUILD) -o bin/ ./cmd/crpki

install: ## install crpki into Go's bin folder, or with PREFIX=/usr/local the man pages too
ifeq ($(PREFIX),)
	$(subst $(GO) build,$(GO) install,$(GOBUILD)) ./cmd/crpki
else
	$(GOBUILD) -o bin/ ./cmd/crpki
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/man/man1"
	install -m 755 bin/crpki "$(DESTDIR)$(PREFIX)/bin/crpki"
	install -m 644 docs/man/*.1 "$(DESTDIR)$(PREFIX)/share/man/man1/"
endif

test: ## install what the tests need, then run them all
	@.ci/install
	$(GO) test -timeout 30m $(TESTFLAGS) ./...

real: ## build the real programs that Debian lacks: containerd 2.3, Kubernetes 1.34, helm …
	@.ci/real/build containerd kube helm image docker

e2e: real ## hold crpki against real clients, runtimes and API servers; a missing one is a failure
	@CRPKI_INTEROP=require .ci/install
	$(REAL) CRPKI_INTEROP=require $(GO) test -count=1 -v -timeout 30m $(TESTFLAGS) \
		./fixtures/interop ./fixtures/matrix ./fixtures/pull ./fixtures/cluster ./fixtures/kube ./fixtures/helm
	$(REAL) CRPKI_INTEROP=require $(GO) test -count=1 -v -timeout 10m $(TESTFLAGS) -run RealCluster ./cmd/crpki
	$(REAL) CRPKI_INTEROP=require CRPKI_E2E=1 $(GO) test -count=1 -p 1 -timeout 30m $(TESTFLAGS) \
		./fixtures/trustimage ./fixtures/trustcontainerd

e2e-k8s: real ## follow users' journeys on a real Kubernetes node
	@CRPKI_INTEROP=require .ci/install
	$(REAL) CRPKI_JOURNEYS=1 $(GO) test -count=1 -v -timeout 30m $(TESTFLAGS) ./fixtures/journeys

lint: vuln ## gofumpt, go vet, staticcheck, and known vulnerabilities
	@unformatted=$$($(TOOL) gofumpt -l .) && if [ -n "$$unformatted" ]; then \
		printf 'not formatted, run "%s":\n%s\n' '$(TOOL) gofumpt -w .' "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOL) staticcheck ./...

vuln: ## look for known vulnerabilities; says so where the database cannot be reached
	@.ci/vuln $(TOOL) govulncheck

bench: build ## measure crpki beside its peers, write docs/benchmarks.md
	$(GO) run ./fixtures/bench -crpki bin/crpki -o docs/benchmarks.md

fuzz: ## run each fuzz target for FUZZTIME
	@.ci/fuzz $(FUZZTIME)

docs: ## write docs/commands, docs/man and docs/rules anew
	$(GO) test ./cmd/crpki ./inspect/report -run Docs -count=1 -update

cross: ## check that all supported systems build
	@for p in $(PLATFORMS); do echo "build and vet $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) vet $(BUILDFLAGS) ./... || exit 1; done

release-dry: ## build what a release would hold into dist/, twice, and compare
	@.ci/release-dry '$(GOBUILD)' $(PLATFORMS)

clean: ## remove what the targets above built
	rm -rf bin dist

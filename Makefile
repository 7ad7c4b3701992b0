# "make help" lists the targets. Only build-* is called by SAM; the rest is for people.

.PHONY: help test soak soak-tests soak-fuzz lint ci bench bench-write local sam-local conformance sdks template-check fuzz licences sbom clean build-Minter build-Rotator build-MetadataLayer
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

test: ## Run the tests
	go test ./...

soak: soak-tests soak-fuzz ## Outages, random faults, kills and fuzzing at length: some 50 minutes, with -j2 35

soak-tests:
	cd tests/reliability && WIFMINT_SOAK=1 go test -timeout 2h

soak-fuzz:
	bash .ci/fuzz 35s

lint: ## gofmt, go vet and staticcheck, in every module
	bash .ci/lint

ci: ## Everything that CI runs
	bash .ci/run

bench: ## Measure against peers and print the tables: seven minutes
	go -C bench run .

bench-write: ## The same with 10,000 targets, into docs/performance.md and its plots: twelve minutes
	go -C bench run . -write

local: ## The whole main job on this machine, without an account
	go run ./cmd/wifmint local

sam-local: ## The same in SAM's containers, with its own images: needs Docker and their registry
	bash .ci/venv sam
	WIFMINT_REQUIRE=all WIFMINT_SAM_IMAGES=pull go test -count=1 -v -run 'SAMs' ./tests/conformance

conformance: ## Against the SAM CLI, moto, boto3 and Google's own library, which it installs, Docker too
	bash .ci/conformance

sdks: ## Install Google's SDKs, which tests/sdks runs
	bash .ci/sdks

template-check: ## cfn-lint over the templates
	bash .ci/template

FUZZTIME ?= 30s
fuzz: ## Run every fuzz target, for FUZZTIME each
	bash .ci/fuzz $(FUZZTIME)

licences: ## Check the licences of all that is linked
	bash .ci/licences

sbom: ## Write the software bills of materials of the functions and the layer to build/sbom
	bash .ci/sbom

clean: ## Remove what builds left behind
	rm -rf build .aws-sam .venv examples/.aws-sam examples/node/node_modules

# The functions and the layer. SAM calls build-LOGICALID with ARTIFACTS_DIR,
# through deploy/sam/ARCHITECTURE/Makefile, which sets GOARCH. What is in a layer
# gets below /opt, and Lambda starts every file of /opt/extensions.
#
# The same source gives the same bytes on any machine: -trimpath takes the
# machine's paths out, -buildvcs=false the state of its clone, and without cgo
# the binary is static whatever compilers the machine has.
GOARCH ?= arm64
GOBUILD := CGO_ENABLED=0 GOOS=linux GOARCH=$(GOARCH) go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags "-s -w"

build-Minter: PROGRAM := minter
build-Rotator: PROGRAM := rotator
build-Minter build-Rotator:
	$(GOBUILD) -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(PROGRAM)
	cp -R config "$(ARTIFACTS_DIR)/"

build-MetadataLayer:
	$(GOBUILD) -o "$(ARTIFACTS_DIR)/extensions/wifmint-metadata" ./layers/metadata

# "make help" lists the targets. Only build-* is called by SAM; the rest is for people.

.PHONY: help test lint ci bench local template-check clean build-Minter build-Rotator
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

test: ## Run the tests
	go test ./...

lint: ## gofmt, go vet and staticcheck, in every module
	bash .ci/lint

ci: ## Everything that CI runs
	bash .ci/run

bench: ## Measure against peers and print the table
	go -C bench run .

local: ## The whole main job on this machine, without an account
	go run ./cmd/wifmint local

template-check: ## cfn-lint over the templates
	bash .ci/template

clean: ## Remove what builds left behind
	rm -rf build .aws-sam .venv

# The functions. SAM calls build-LOGICALID with ARTIFACTS_DIR, through
# deploy/sam/ARCHITECTURE/Makefile, which sets GOARCH.
#
# The same source gives the same bytes on any machine: -trimpath takes the
# machine's paths out, -buildvcs=false the state of its clone, and without cgo
# the binary is static whatever compilers the machine has.
GOARCH ?= arm64
build-Minter: PROGRAM := minter
build-Rotator: PROGRAM := rotator
build-Minter build-Rotator: export CGO_ENABLED := 0
build-Minter build-Rotator: export GOOS := linux
build-Minter build-Rotator: export GOARCH := $(GOARCH)
build-Minter build-Rotator:
	go build -trimpath -buildvcs=false -tags lambda.norpc -ldflags "-s -w" -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(PROGRAM)
	cp -R config "$(ARTIFACTS_DIR)/"

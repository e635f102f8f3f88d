# Wrappers, for those who look here first. Each is one command that can be run without make.
.PHONY: help build package check test race fuzz bench torture ci

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

build: ## build ./lockcached
	go build .

package: ## packages for Debian and RPM, into dist/
	scripts/package

check: ## before every commit: format, vet, linters, tests
	scripts/check

test: ## all tests
	go test ./...

race: ## all tests with the race detector
	go test -race ./...

fuzz: ## every fuzz target for FUZZ_TIME (default 10s)
	scripts/fuzz

bench: ## compare with memcached
	scripts/bench

torture: ## try to break what is promised, for a minute
	scripts/torture --short

ci: ## all that a change has to pass
	.ci/run

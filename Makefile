# One line per task; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

.PHONY: help
help: ## List the tasks
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "  make %-18s %s\n", $$1, $$2}'

.PHONY: build
build: ## Build the operator, the sidecar and the simulator
	cargo build --locked -p zohorelay-operator -p zohorelay-sidecar -p zoho-simulator

.PHONY: demo
demo: ## Watch mails go through a sidecar to a simulated Zoho, and see why the bad ones failed
	@tests/demo/demo.sh

.PHONY: demo-keep
demo-keep: ## The demo's sidecar and simulator, left running until Ctrl-C
	@tests/demo/demo.sh --keep

.PHONY: demo-cluster
demo-cluster: cluster-build images app-image monitoring-images ## The same in a real Kubernetes with real pods, on this machine (as root)
	@tests/cluster/install
	@tests/demo/cluster.sh

.PHONY: demo-cluster-keep
demo-cluster-keep: cluster-build images app-image monitoring-images ## That, left running until make cluster-down
	@tests/cluster/install
	@tests/demo/cluster.sh --keep

.PHONY: test
test: cluster-build test-unit test-interop test-api test-cluster ## Run every test (needs Rust, python3 and Go; root for real pods)

.PHONY: test-unit
test-unit: ## Run the Rust tests: no programs but cargo and python3
	cargo test --locked --workspace

.PHONY: test-interop
test-interop: ## Run mail through clients and servers that nobody here wrote (installs them)
	@tests/interop/install.sh
	cargo test --locked --workspace --no-run
	cargo test --locked --workspace --test interop

SUITES = api chart

.PHONY: test-api
test-api: cluster-build ## Run the operator, the webhook and the chart at a real API server (needs Go)
	@tests/prometheus/install
	cargo test --locked --workspace --no-run
	cargo test --locked --workspace $(SUITES:%=--test %)

.PHONY: test-cluster
test-cluster: cluster-build images app-image monitoring-images ## Run mail end to end in real pods on a node of its own (as root)
	@tests/cluster/test

.PHONY: app-image
app-image:
	@tests/app/build

.PHONY: monitoring-images
monitoring-images: cluster-build
	@tests/prometheus/images

.PHONY: release-check
release-check: ## Run what each change has no time for: the oldest Kubernetes, helm 3, the upgrade, 100 pods, the Prometheus operator, images twice
	@.ci/release-check

.PHONY: needs-go
needs-go:
	@tests/cluster/needs-go

.PHONY: cluster-build
cluster-build: needs-go ## Build etcd, Kubernetes, DNS, helm, Prometheus and two judges from Go modules into target/cluster (13 minutes, once)
	cargo run --locked -p zohorelay-cluster -- build

.PHONY: cluster-up
cluster-up: ## Start a Kubernetes in the background, and print how to reach it (ROLE=node: with real pods, as root)
	@cargo run --locked -p zohorelay-cluster -- up --role $(ROLE)

ROLE = control-plane

.PHONY: cluster-down
cluster-down: ## Stop it
	@cargo run --locked -p zohorelay-cluster -- down

.PHONY: bench
bench: ## Measure speed and size (release build), side by side with sending straight to the sink
	release=$$(images/release) && \
	cargo run --locked --profile load -p zohorelay-bench -- --sidecar $$release/zohorelay-sidecar $(BENCH_ARGS)

.PHONY: bench-operator
bench-operator: cluster-build ## Measure the operator with 1,000 identities and 5,000 pods (release build, seven minutes)
	release=$$(images/release) && \
	ZOHORELAY_OPERATOR=$$release/zohorelay-operator cargo run --locked -p zohorelay-bench-operator -- $(BENCH_ARGS)

.PHONY: images
images: ## Write the images of operator, sidecar and simulator as archives into target/images (ARCH=arm64: for ARM)
	@release=$$(images/release $(ARCH)) && \
	cargo run --locked --quiet -p zohorelay-images -- --binaries $$release \
	    $(if $(ARCH),--arch $(ARCH) --into target/images/$(ARCH))

.PHONY: images-twice
images-twice: ## Build them a second time in another folder, and compare all bytes (5 minutes)
	@images/twice

.PHONY: crds
crds: ## Write crds/manifests/, and the chart's copy, from the types in crds/src
	cargo run --locked --quiet -p zohorelay-operator -- crds > target/crds.yaml
	tee crds/manifests/mailidentities.zohorelay.dev.yaml < target/crds.yaml > charts/zohorelay/files/mailidentities.zohorelay.dev.yaml

.PHONY: rules
rules: cluster-build ## Write examples/prometheus/rules.yaml from the chart's alert rules
	@examples/prometheus/render $$(cargo run --locked --quiet -p zohorelay-cluster -- build | grep '/helm$$')

.PHONY: fmt
fmt: ## Format the code
	cargo fmt --all

.PHONY: lint
lint: ## Check format, lints and dependencies
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
	cargo clippy --locked -p zohorelay-tests --test interop --test api --test chart --test cluster -- -D warnings
	@$(MAKE) --no-print-directory deny

.PHONY: deny
deny: target/tools/bin/cargo-deny ## Check licences, bans and sources of the dependencies
	target/tools/bin/cargo-deny --all-features check bans licenses sources

target/tools/bin/cargo-deny:
	@echo "building cargo-deny into target/tools (a few minutes, once)"
	cargo install --locked --root target/tools cargo-deny --version 0.20.2

.PHONY: clean
clean: ## Remove what was built
	cargo clean

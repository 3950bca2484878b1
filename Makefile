# Everything a developer or a CI machine types. `make run` and `make test` install what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
# Programs that the install script put beside the system's (see scripts/install-dependencies).
ENV := if [ -f "$${FLOWKEEP_CACHE:-$$HOME/.cache/flowkeep}/env" ]; then . "$${FLOWKEEP_CACHE:-$$HOME/.cache/flowkeep}/env"; fi;
# PostgreSQL runs as an unprivileged user, who cannot reach into root's home.
DATA_DIR ?= $(if $(filter 0,$(shell id -u)),/var/lib/flowkeep,$(CURDIR)/data)

.SILENT:
.PHONY: run dev build test check format-check lint ui-install ui-check rust-test generate generated-check \
        deb portable sbom manual package-test package-check image-test \
        e2e real-n8n-test real-n8n-test-all real-n8n-upgrade real-n8n-watchdog kills bench bench-notifications bench-storage fuzz audit clean bench-sso e2e-sso e2e-containers bench-logs bench-soak box-test

## Build Flowkeep and start it on its own database; prints the address and the first login.
run: run-dependencies ui-build
	$(ENV) cargo build --release --locked
	FLOWKEEP_DATA_DIR="$(DATA_DIR)" exec "$${CARGO_TARGET_DIR:-target}/release/flowkeep" serve

## The daemon and the interface with hot reload on http://localhost:5173.
dev: run-dependencies ui-install
	$(ENV) scripts/dev

## A release build with the interface inside.
build: run-dependencies ui-build
	$(ENV) cargo build --release --locked

## Install what the tests need, then run the whole gate.
test: test-dependencies
	$(ENV) $(MAKE) --no-print-directory check

.PHONY: run-dependencies test-dependencies ui-build
run-dependencies:
	scripts/install-dependencies run
test-dependencies:
	scripts/install-dependencies test

## The gate: format, lints, types, all tests, the interface, generated files, the story in a browser.
check: format-check ui-check lint rust-test generated-check e2e real-n8n-test package-check e2e-sso e2e-containers

format-check:
	$(ENV) cargo fmt --check

lint:
	$(ENV) cargo clippy --locked --all-targets -- -D warnings

rust-test:
	$(ENV) . scripts/test-env; scripts/with-docker cargo test --locked

ui-install:
	$(ENV) scripts/ui-install

ui-build: ui-install
	$(ENV) cd ui && npm run --silent build

ui-check: ui-install
	$(ENV) cd ui && npm run --silent check

## Rewrite what is generated: docs/openapi.json and the interface's types.
generate: ui-install
	$(ENV) mkdir -p ui/dist && cargo run --locked --quiet -- openapi > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	$(ENV) cd ui && npm run --silent generate

generated-check:
	$(ENV) cargo run --locked --quiet -- openapi | diff -u docs/openapi.json - \
	  || { echo "docs/openapi.json is stale: run make generate"; exit 1; }

## The whole story in Chromium against the real binary.
e2e: ui-install
	$(ENV) . scripts/test-env; scripts/e2e

## One login for a tool behind a real nginx, in Chromium.
e2e-sso: ui-install
	$(ENV) scripts/e2e-sso

## Containers of a real Docker engine, in Chromium.
e2e-containers: ui-install
	$(ENV) . scripts/test-env; scripts/with-docker scripts/e2e-containers

## The whole box of docker-compose.yaml on an engine of its own: all healthy, one login, a backup proven.
box-test:
	scripts/install-dependencies box
	$(ENV) cargo build --locked --quiet
	$(ENV) scripts/box-test

## Back up, drop, restore and start a real n8n again: one version, or both.
real-n8n-test:
	$(ENV) . scripts/test-env; scripts/with-docker scripts/real-n8n-test v2
real-n8n-test-all:
	$(ENV) . scripts/test-env; scripts/with-docker scripts/real-n8n-test v1 v2

## A real n8n 1.123 upgraded to 2.41 and taken back.
real-n8n-upgrade:
	$(ENV) . scripts/test-env; scripts/with-docker scripts/real-n8n-upgrade

## Workflows of a real n8n 1.123 and 2.41 that fail, hang and miss their time; some ten minutes each.
real-n8n-watchdog:
	$(ENV) . scripts/test-env; scripts/real-n8n-watchdog v1 v2

## 200 random kills over the whole cycle (CI does 50).
kills:
	$(ENV) . scripts/test-env; FLOWKEEP_RANDOM_KILLS=200 cargo test --locked --test it f51 -- --nocapture

## The measurements of docs/performance.md.
bench:
	$(ENV) . scripts/test-env; scripts/bench

## How many events are taken in, and how soon somebody is told.
bench-notifications:
	$(ENV) scripts/bench-notifications
	$(ENV) cargo bench --locked --quiet --bench rules

## What the gate in front of the tools costs (needs nginx and wrk).
bench-sso:
	$(ENV) scripts/bench-sso

## Random and broken archives, a minute for each target.
fuzz:
	$(ENV) scripts/fuzz

## What encryption, a bucket and each level of proof cost.
bench-storage:
	$(ENV) . scripts/test-env; scripts/with-docker scripts/bench-storage

## What ten people who follow a busy log cost.
bench-logs:
	$(ENV) . scripts/test-env; scripts/with-docker scripts/bench-logs

## An hour of work, and the memory before, meanwhile and after; FLOWKEEP_SOAK_SECONDS=86400 for a day.
bench-soak:
	$(ENV) . scripts/test-env; scripts/with-docker scripts/bench-soak

## The Debian package, the archive for other systems, the bill of materials (docs/install.md).
deb:
	$(ENV) packaging/debian/build
portable:
	$(ENV) packaging/portable
sbom:
	$(ENV) packaging/sbom

## Rewrite manual pages and completions after a change of the command line.
manual:
	$(ENV) FLOWKEEP_WRITE_MANUAL=1 cargo test --locked --quiet --test it manual_pages

## The Debian package on a clean Debian 12 under systemd: install, upgrade, remove, purge. The program that was built last.
package-test:
	$(ENV) scripts/package-test
package-check:
	$(ENV) FLOWKEEP_BINARY="$${CARGO_TARGET_DIR:-target}/debug/flowkeep" scripts/package-test --or-leave-out
## The container image on an engine of its own.
image-test: test-dependencies
	$(ENV) cargo build --locked --quiet
	$(ENV) scripts/with-docker packaging/docker/test

clean:
	cargo clean
	rm -rf ui/dist ui/node_modules

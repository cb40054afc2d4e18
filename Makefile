# SPDX-License-Identifier: Apache-2.0
# Needs python3 (3.11 or 3.12; Airflow 2.11 has no release for 3.13), make and the package registries.

PYTHON ?= python3
AIRFLOW3 := .venv/bin
AIRFLOW2 := .venv-airflow2/bin
PYTEST_ARGS ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install install-airflow2 demo test test-airflow3 test-airflow2 test-sdk test-browser check docs screenshots \
	bench bench-transfer bench-estimate bench-triggerer bench-coverage stack stack-airflow2 stack-test stack-test-airflow3 \
	stack-test-airflow2 servers constraints clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: .venv/installed ## Build .venv with the newest Airflow 3
install-airflow2: .venv-airflow2/installed ## Build .venv-airflow2 with Airflow 2.11

.venv/installed: LINE := 3
.venv-airflow2/installed: LINE := 2
%/installed: pyproject.toml constraints/airflow3.txt constraints/airflow2.txt
	$(PYTHON) -m venv $*
	$*/bin/python -m pip install --quiet "pip>=25.1"
	$*/bin/python -m pip install --quiet --constraint constraints/airflow$(LINE).txt \
		--group test --group check --editable ".[simulator,postgres,mysql,redis,gcs,azure,parquet,openlineage]" \
		--requirement constraints/airflow$(LINE).in
	touch $@

servers: ## Install the servers that tests start: Redis and MariaDB by apt-get, dynalite and Azurite by npm
	PYTHON=$(PYTHON) dev/servers.sh

demo: install ## Export one day from the simulator into ./archive
	$(AIRFLOW3)/python dev/demo.py

test: test-airflow3 test-airflow2 test-sdk test-browser ## Run all tests on both Airflows

test-airflow3: install servers
	$(AIRFLOW3)/python -m pytest --ignore=tests/sdk --ignore=tests/browser $(PYTEST_ARGS)

test-airflow2: install-airflow2 servers
	$(AIRFLOW2)/python -m pytest $(PYTEST_ARGS)

test-sdk: .venv/sdk ## Hold the simulator and our requests against the official SDK
	$(AIRFLOW3)/python -m pytest $(PYTEST_ARGS) tests/sdk

.venv/sdk: .venv/installed
	.venv/bin/python -m pip install --quiet --constraint constraints/airflow3.txt --group sdk
	touch $@

test-browser: .venv/installed-browser ## Look at Airflow 3's UI in a headless Chromium
	PYTHON=$(PYTHON) dev/servers.sh browser
	$(AIRFLOW3)/python -m pytest $(PYTEST_ARGS) tests/browser

screenshots: .venv/installed-browser ## Photograph the UI into docs/screenshots
	PYTHON=$(PYTHON) dev/servers.sh browser
	$(AIRFLOW3)/python -m dev.screenshots

.venv/installed-browser: .venv/installed
	$(AIRFLOW3)/python -m pip install --quiet --constraint constraints/airflow3.txt --group browser
	touch $@

check: install ## Lint and types
	$(AIRFLOW3)/ruff check .
	$(AIRFLOW3)/ruff format --check .
	$(AIRFLOW3)/mypy

docs: .venv/installed-docs ## Build the pages of docs/ into docs/_build (warnings are errors)
	$(AIRFLOW3)/python -m sphinx --quiet --fail-on-warning --keep-going docs docs/_build

.venv/installed-docs: .venv/installed
	$(AIRFLOW3)/python -m pip install --quiet --constraint constraints/airflow3.txt --group docs
	touch $@

bench: install servers ## Print the benchmarks: claims of the ledgers, polls, and the transfer beside other ways
	$(AIRFLOW3)/python -m dev.bench_ledger
	$(AIRFLOW3)/python -m dev.bench_polling
	$(MAKE) bench-estimate ARGS="--days 4"
	$(MAKE) bench-transfer ARGS="--rounds 2"

bench-estimate: install ## Print a year's estimate beside its export in simulated time (ARGS="--days 30": a shorter range)
	$(AIRFLOW3)/python -m dev.bench_estimate $(ARGS)

bench-triggerer: .venv/installed-bench install-airflow2 ## Print what 5,000 deferred waits cost one triggerer, on both Airflows
	$(AIRFLOW3)/python -m dev.bench_triggerer $(ARGS)
	$(AIRFLOW2)/python -m dev.bench_triggerer $(ARGS)

bench-coverage: install servers ## Print how long the coverage page waits for years of hourly windows (ARGS="--years 1": fewer)
	$(AIRFLOW3)/python -m dev.bench_coverage $(ARGS)

bench-transfer: .venv/installed-bench ## Print the benchmark of the transfer alone (ARGS=--quick: a smaller one)
	PYTHON=$(PYTHON) dev/servers.sh bench
	$(AIRFLOW3)/python -m dev.bench_transfer $(ARGS)

.venv/installed-bench: .venv/installed
	$(AIRFLOW3)/python -m pip install --quiet --constraint constraints/airflow3.txt --group bench
	touch $@

ifeq ($(AIRFLOW),2)
stack: stack-airflow2
else
stack: .venv/installed-stack ## Run the whole system on Airflow 3 until Ctrl-C (AIRFLOW=2: on 2.11)
	PYTHON=$(PYTHON) dev/servers.sh stack
	$(AIRFLOW3)/python -m dev.stack
endif

stack-airflow2: .venv-airflow2/installed-stack
	PYTHON=$(PYTHON) dev/servers.sh stack
	$(AIRFLOW2)/python -m dev.stack

stack-test: stack-test-airflow3 stack-test-airflow2 ## Kill parts of the whole system in the middle of a backfill, on both

stack-test-airflow3: .venv/installed-stack
	PYTHON=$(PYTHON) dev/servers.sh stack
	$(AIRFLOW3)/python -m pytest $(PYTEST_ARGS) tests/stack

stack-test-airflow2: .venv-airflow2/installed-stack
	PYTHON=$(PYTHON) dev/servers.sh stack
	$(AIRFLOW2)/python -m pytest $(PYTEST_ARGS) tests/stack

.venv/installed-stack: LINE := 3
.venv-airflow2/installed-stack: LINE := 2
%/installed-stack: %/installed
	$*/bin/python -m pip install --quiet --constraint constraints/airflow$(LINE).txt --group stack
	touch $@

constraints: install ## Pin the newest versions of everything, for both lines
	$(AIRFLOW3)/python dev/constraints.py

clean: ## Remove the environments and what the demo made
	rm -rf .venv .venv-airflow2 .demo archive docs/_build

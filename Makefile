# make run: the whole `digits` workload; another one: make run WORKLOAD=readiness. make test: all
# checks. make coverage: the same, with the lines that are reached. make harness: changes and kills,
# in short. All of them set up .venv the first time.
PYTHON ?= python3
WORKLOAD ?= digits
export PYTHON
BIN := .venv/bin

.PHONY: setup run test pytest coverage harness quick lint types contracts shell ui clean

setup:
	@./setup.sh

run: setup
	@$(BIN)/temper run $(WORKLOAD)

test: lint
	@$(MAKE) --no-print-directory -j2 types contracts pytest

pytest: setup
	$(BIN)/pytest -m "not slow and not gpu and not harness" -n 2 --dist worksteal $(PYTEST)

coverage: setup
	@$(MAKE) test PYTEST="--cov --cov-report=term:skip-covered $(PYTEST)"

harness: setup
	$(BIN)/pytest -m harness -n 2 --dist worksteal $(PYTEST)

quick: setup
	$(BIN)/pytest tests/unit -n 2 -q

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/pyright

contracts: setup
	$(BIN)/lint-imports

shell: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/.venv" $${SHELL:-/bin/sh}

ui: setup
	@$(BIN)/temper ui

clean:
	rm -rf .venv .temper .pytest_cache .ruff_cache .coverage build *.egg-info

# Two commands do all the set-up on a fresh machine: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSIONS := 4.3.x.kraft
PYTEST := $(BIN)/python -m pytest
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint unit scenarios bench soak lock constraints clean

help: ## One line for each target.
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/installed: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Penstock needs Python 3.11 or newer; name one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes --no-deps -r constraints.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

install: $(VENV)/installed ## Set up: Python packages, Java, Apache Kafka, the broker plugin, start-up archives.
	$(BIN)/penstock prepare $(VERSIONS)

demo: install ## The whole story on real brokers, then clean up.
	$(BIN)/penstock demo

test: install lint unit scenarios ## Everything that CI runs.

lint: $(VENV)/installed ## Style, types, and who may import whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: install ## Tests that need no cluster; those of the loop beside the others.
	$(PYTEST) tests/control tests/simulation > .loop-tests 2>&1 & loop=$$!; \
	$(PYTEST) --ignore=tests/scenarios --ignore=tests/control --ignore=tests/simulation; others=$$?; \
	wait $$loop; looped=$$?; cat .loop-tests; rm .loop-tests; exit $$((others + looped))

scenarios: install ## Stories on real Kafka.
	$(PYTEST) tests/scenarios --durations 12

bench: install ## Ratios against Kafka started by hand; writes benchmarks/latest.json and the README's table.
	$(BIN)/python -m benchmarks

soak: install ## About an hour: many random histories of the loop, and every operation interrupted on real clusters.
	PENSTOCK_SOAK=1 $(PYTEST) tests/simulation tests/scenarios -vv --durations 20 --timeout 3600

lock: $(VENV)/installed ## Resolve the Maven lock lists anew.
	$(BIN)/python -m penstock.kafka.lock

constraints: $(VENV)/installed ## Resolve the Python packages anew.
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --extra dev --no-emit-index-url --no-emit-find-links \
	  --no-emit-trusted-host --no-header --output-file constraints.txt pyproject.toml

clean: ## Remove the virtual environment and what tools left.
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

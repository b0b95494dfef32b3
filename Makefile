# Everything here works from a bare clone with Python 3.11 or later, pip and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint format bench bench-peers docs services constraints clean

demo: .venv/.demo
	@$(BIN)/pydantic-ai-streaming demo

# Each core has tests to run, and one worker more does while others wait; those of a file share what they start.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
test: lint services
	$(BIN)/pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist loadfile --inline-snapshot disable

# PostgreSQL and Redis for the tests of the stores. Where they are missing and cannot be installed, those tests skip.
services:
	@tools/services.sh

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed
	$(BIN)/python -m benchmarks

# The part on partial outputs, with peers that need older packages than the pinned ones.
bench-peers: .venv-peers/.installed
	.venv-peers/bin/python -m benchmarks partials

# docs/api.md, from the docstrings.
docs: .venv/.installed
	$(BIN)/python -m tools.api_reference

# Pins without registry addresses, for every platform and Python that the project supports.
constraints:
	uv pip compile --universal --python-version 3.11 --extra dev --no-header --no-annotate --no-emit-index-url \
		--quiet --upgrade pyproject.toml --output-file constraints.txt

# What the demo needs is a small part of what the tests need, and is there in seconds.
.venv/.demo: pyproject.toml constraints.txt
	@echo 'Installing into .venv'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[display]'
	@touch $@

.venv/.installed: .venv/.demo
	@echo 'Installing what the tests need into .venv, which takes a minute or two'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.venv-peers/.installed: pyproject.toml
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

clean:
	rm -rf .venv .venv-peers dist .pytest_cache .ruff_cache .hypothesis

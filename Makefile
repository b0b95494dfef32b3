# Everything here works from a bare clone with Python 3.11 or later, pip and make.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint format bench constraints clean

demo: .venv/.installed
	@$(BIN)/pydantic-ai-streaming demo

test: lint
	$(BIN)/pytest

lint: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.installed
	$(BIN)/python -m benchmarks

# Pins without registry addresses, for every platform and Python that the project supports.
constraints:
	uv pip compile --universal --python-version 3.11 --all-extras --no-header --no-annotate --no-emit-index-url \
		--quiet --upgrade pyproject.toml --output-file constraints.txt

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv dist .pytest_cache .ruff_cache .hypothesis

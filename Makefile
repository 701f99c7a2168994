# The two commands that do all the set-up on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint wheel-check lowest-check format bench clean

demo: $(INSTALLED)
	rm -rf demo-out
	$(BIN)/tagger demo --out demo-out

test: lint
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

# What an installation that is not editable lacks, and what the lowest allowed versions of libraries cannot do.
wheel-check:
	.ci/wheel-check $(PYTHON)

lowest-check:
	.ci/lowest-check $(PYTHON)

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/tagger bench

clean:
	rm -rf $(VENV) demo-out build *.egg-info

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

# The two commands that do all the set-up on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed

.PHONY: demo test lint wheel-check lowest-check format bench docs reference pictures clean

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

# The documentation as a site in build/site, which loads nothing from elsewhere; fails where its reference is stale.
docs: $(DOCS_INSTALLED)
	$(BIN)/python -m scripts.reference --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

reference: $(INSTALLED)
	$(BIN)/python -m scripts.reference

pictures: $(INSTALLED)
	$(BIN)/python -m scripts.pictures

clean:
	rm -rf $(VENV) demo-out build *.egg-info

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

$(DOCS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

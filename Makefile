# The two commands that do all the set-up on a fresh machine: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
DOCS_INSTALLED := $(VENV)/.docs-installed

# pytest's processes; each starts a Ray of its own where a test needs one.
TEST_PROCESSES ?= 2
# One that dies ends the run: a new one in its place would wait for ever for the tests of the dead one.
PYTEST := $(BIN)/python -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder \
	--max-worker-restart 0

.PHONY: demo test test-quick lint wheel-check lowest-check python-check gpu-check format bench docs reference pictures clean

demo: $(INSTALLED)
	rm -rf demo-out
	$(BIN)/tagger demo --out demo-out
	@echo 'In this shell: source $(BIN)/activate'

# All tests but those that `make docs` runs.
test: lint
	$(PYTEST) -m "not docs"

# The inner loop: what needs no Ray, no browser, no server and no training.
test-quick: $(INSTALLED)
	$(PYTEST) -m "not slow"

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

# The tests of test-quick on every Python that is allowed and can be had here.
python-check:
	.ci/python-check

# Engines, tagging, kills and training on a GPU; GPU_CHECK="engines tag --out DIR" chooses steps.
GPU_CHECK ?= --out gpu-check-out
gpu-check: $(INSTALLED)
	$(BIN)/python -m tests.gpu_check $(GPU_CHECK)

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)
	$(BIN)/tagger bench

# The documentation as a site in build/site, which loads nothing from elsewhere. It fails where the reference is stale, or
# where a command of a page or a cell of the notebook does not run.
docs: $(DOCS_INSTALLED)
	$(BIN)/python -m scripts.reference --check
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	$(PYTEST) -m docs

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

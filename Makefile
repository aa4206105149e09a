# Every target sets up what it needs in .venv; nothing has to be installed first but Python 3.11+ and make.
PYTHON ?= python3
TORCH  ?=
ARGS   ?=
JOBS   ?= 2
FUZZ   ?= 200

VENV    := .venv
BIN     := $(VENV)/bin
LEARNER := $(VENV)/.installed-learner
STAFF   := $(VENV)/.installed-staff
PINS    := pyproject.toml constraints.txt

PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt
# `TORCH=cpu`: PyTorch without CUDA, from an index of its own, asked for this one package only. There 2.13.0+cpu
# satisfies the pin and sorts above the 2.13.0 of the package index, so that pip takes it and later keeps it.
CPU = $(if $(filter cpu,$(TORCH)),@$(PIP) --no-deps --extra-index-url https://download.pytorch.org/whl/cpu torch,@:)

.DEFAULT_GOAL := help
.PHONY: help lab lint test tests fuzz release experiments site bench verify

help:  ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "  Options: PYTHON=python3.12 (to make .venv with), TORCH=cpu (PyTorch without CUDA), ARGS=\"…\" (passed on), JOBS=2 (tests at a time)"

lab: $(LEARNER)  ## open the course in JupyterLab, on your own copies in work/
	@$(BIN)/course lab $(ARGS)

lint: $(STAFF)  ## style, types and layers; and is notebooks/ up to date?
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/course release --check

test: lint tests  ## lint, then every test that this machine can run

fuzz: $(STAFF)  ## many spoilt notebooks, read and judged (FUZZ=200), a class of 400, and grading killed many times
	BPTT_FUZZ=$(FUZZ) BPTT_KILLS=300 BPTT_CROWD=400 $(BIN)/python -m pytest \
		tests/judge/test_fuzz.py tests/nbgrader/test_roads.py tests/nbgrader/test_crowd.py $(ARGS)

tests: $(STAFF)  ## every test that this machine can run, without lint
	$(BIN)/python -m pytest -n $(JOBS) $(ARGS)

release: $(STAFF)  ## build notebooks/ from solutions/
	@$(BIN)/course release $(ARGS)

experiments: $(STAFF)  ## measure again, over seeds, what the lessons show: results/
	$(BIN)/python -m experiments $(ARGS)

site: $(STAFF)  ## build the course's site into build/site (minutes at first: it runs every solution)
	@$(BIN)/python -m docs.site $(ARGS)

bench: $(STAFF)  ## what grading costs beside stock nbgrader; writes build/bench.json
	@$(BIN)/course bench $(ARGS)

verify: $(STAFF)  ## every check against right and wrong answers
	@$(BIN)/course verify $(ARGS)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Install Python 3.11 or newer, or say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1); the course needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# The stamps are newer than the pins once everything is installed, so a second run starts at once.
$(LEARNER): $(PINS) | $(BIN)/python
	@echo "Installing what a learner needs (a few minutes, once)"
	$(CPU)
	@$(PIP) -e .
	@touch $@

$(STAFF): $(PINS) | $(BIN)/python
	@echo "Installing what a learner, staff and the tests need (a few minutes, once)"
	$(CPU)
	@$(PIP) -e '.[staff,dev,site]'
	@touch $(LEARNER) $@

# make demo    set up, train on the embedded sample, say where the report is
# make test    set up, run the tests            make test-slow   the slow tier too
# make docs    the documentation into site/     make notebooks   the notebooks' outputs anew
# make contract   every backbone × every check, into docs/development/contract.md (an hour)
# make check   format, lint, types, layers      make bench       against plain Keras (QUICK=1: a few minutes)
#                                               make bench-finetune   the same with both phases
#                                               make bench-study      40 trials against an epoch of plain Keras
#                                               make bench-accuracy   accuracy against minutes, and its chart
#                                               make bench-cpu        a photo in Keras, JAX, PyTorch and here
#                                               make bench-explain    100 photos explained, against plain Keras
#                                               make bench-predict    predictions a second, against bare inference
#                                               make bench-serve      the server under load, against a plain one
#                                               make bench-report     the report of 60,000 photos, against flower_photos's
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is installed, as empty files: what a user needs, and what the tests need on top of it.
USER_READY := $(VENV)/.ready
DEV_READY := $(VENV)/.ready-dev
# Bytecode is left to the first import: TensorFlow alone has thousands of modules that nobody imports.
# It is kept then, whatever the environment says: to compile TensorFlow anew takes each process five seconds.
export PYTHONDONTWRITEBYTECODE :=
PIP_INSTALL := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt
ifneq ($(shell test -L $(VENV) && echo link),)
$(error $(VENV) is a link, and what make installs would go into the environment of another folder. Remove the link)
endif
export BUDWOOD_TEST_DATA ?= $(abspath ../shared)
# The tests' own processes share two cores better with one thread pool each.
WORKERS ?= 2
# A file stays in one process, which trains its runs once; tests/conftest.py puts the longest files first.
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-slow contract docs notebooks check bench bench-finetune bench-study bench-accuracy bench-cpu bench-explain bench-predict bench-report clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Budwood needs Python 3.11 to 3.13, and $(PYTHON) is {v[0]}.{v[1]}. Say which one to use: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

$(USER_READY): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable '.[lite]'
	@touch $@

$(DEV_READY): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) --editable '.[dev]'
	@touch $(USER_READY) $@

demo: $(USER_READY)
	@rm -rf demo
	$(BIN)/budwood sample digits demo/photos
	$(BIN)/budwood train demo/photos -o demo/run --recipe frozen-linear
	@echo
	@echo 'The report, for a browser:  $(CURDIR)/demo/run/report.html'
	@echo 'Your own photos, a folder for each class:  $(BIN)/budwood train PHOTOS -o runs/first'
	@echo 'After `. $(BIN)/activate` the command is `budwood`.'

test: $(DEV_READY)
	$(BIN)/pytest -m "not slow" $(SPREAD)

test-slow: $(DEV_READY)
	$(BIN)/pytest $(SPREAD)

contract: $(DEV_READY)
	-$(BIN)/pytest -q -n $(WORKERS) tests/backbones/test_backbone.py tests/backbones/test_applications.py --junitxml=contract.xml
	$(BIN)/python tests/backbones/contract_table.py docs/development/contract.md contract.xml
	@rm contract.xml

docs: $(DEV_READY)
	$(BIN)/python -m tools.docs

notebooks: $(DEV_READY)
	$(BIN)/python -m tools.notebooks

check: $(DEV_READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(DEV_READY)
	$(BIN)/python -m benchmarks.against_keras $(if $(QUICK),--quick)

bench-finetune: $(DEV_READY)
	$(BIN)/python -m benchmarks.two_phases $(if $(QUICK),--quick)

bench-study: $(DEV_READY)
	$(BIN)/python -m benchmarks.study

bench-accuracy: $(DEV_READY)
	$(BIN)/python -m benchmarks.accuracy_and_minutes

bench-cpu: $(DEV_READY)
	$(BIN)/python -m benchmarks.cpu

bench-report: $(DEV_READY)
	$(BIN)/python -m benchmarks.report_size

bench-predict: $(DEV_READY)
	$(BIN)/python -m benchmarks.predicting

bench-serve: $(DEV_READY)
	$(BIN)/python -m benchmarks.serving

bench-explain: $(DEV_READY)
	$(BIN)/python -m benchmarks.explaining

clean:
	rm -rf $(VENV) demo build dist site src/*.egg-info

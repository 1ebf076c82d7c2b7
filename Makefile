# make demo    set up, train on the embedded sample, say where the report is
# make test    set up, run the tests            make test-slow   the slow tier too
# make docs    the documentation into site/
# make contract   every backbone × every check, into docs/contract.md (an hour)
# make check   format, lint, types, layers      make bench       against plain Keras (QUICK=1: a few minutes)
#                                               make bench-finetune   the same with both phases
#                                               make bench-study      40 trials against an epoch of plain Keras
#                                               make bench-accuracy   accuracy against minutes, and its chart
#                                               make bench-explain    100 photos explained, against plain Keras
#                                               make bench-report     the report of 60,000 photos, against flower_photos's
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
export BUDWOOD_TEST_DATA ?= $(abspath ../shared)
# The tests' own processes share two cores better with one thread pool each.
WORKERS ?= 2

.PHONY: demo test test-slow contract docs check bench bench-finetune bench-study bench-accuracy bench-explain bench-report clean

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Budwood needs Python 3.11 to 3.13, and $(PYTHON) is {v[0]}.{v[1]}. Say which one to use: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)
	@rm -rf demo
	$(BIN)/budwood sample digits demo/photos
	$(BIN)/budwood train demo/photos -o demo/run --recipe frozen-linear

test: $(READY)
	$(BIN)/pytest -m "not slow" -n $(WORKERS)

test-slow: $(READY)
	$(BIN)/pytest -n $(WORKERS)

contract: $(READY)
	-$(BIN)/pytest -q -n $(WORKERS) tests/backbones/test_contract.py tests/backbones/test_applications.py --junitxml=contract.xml
	$(BIN)/python tests/backbones/contract_table.py docs/contract.md contract.xml
	@rm contract.xml

docs: $(READY)
	$(BIN)/python -m tools.docs

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)
	$(BIN)/python -m benchmarks.against_keras $(if $(QUICK),--quick)

bench-finetune: $(READY)
	$(BIN)/python -m benchmarks.two_phases $(if $(QUICK),--quick)

bench-study: $(READY)
	$(BIN)/python -m benchmarks.study

bench-accuracy: $(READY)
	$(BIN)/python -m benchmarks.accuracy_and_minutes

bench-report: $(READY)
	$(BIN)/python -m benchmarks.report_size

bench-explain: $(READY)
	$(BIN)/python -m benchmarks.explaining

clean:
	rm -rf $(VENV) demo build dist site src/*.egg-info

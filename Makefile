# make demo | test | check | lint | type | notebooks | bench
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(shell cat constraints.txt pyproject.toml | cksum | cut -d' ' -f1)
# One thread per process: small networks gain nothing from more, and busy machines lose a lot.
RUN := env -u PYTHONPATH OMP_NUM_THREADS=1 PYTHONHASHSEED=0

.PHONY: demo test check lint type notebooks bench clean

$(READY):
	@echo "Making $(VENV) and installing the tested versions (constraints.txt); this takes some minutes once."
	@$(PYTHON) -c 'import sys; sys.exit("tsseq needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(READY)
	@$(RUN) $(BIN)/tsseq demo

test: $(READY)
	@$(RUN) $(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered --cov-fail-under=90 -q --durations=10

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

type: $(READY)
	@$(BIN)/mypy

check: lint type test

notebooks: $(READY)
	@$(BIN)/jupytext --sync notebooks/*.py && $(RUN) $(BIN)/python -m pytest -q tests/test_notebooks.py

bench: $(READY)
	@$(RUN) $(BIN)/python benchmarks/accuracy.py --quick

clean:
	rm -rf $(VENV)

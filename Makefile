# make demo | check | quick | test | lint | type | cover | proof | mutants | matrix | clients | notebooks | docs | docs-serve | bench | guard | api | slow | clean
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready-$(shell cat constraints.txt pyproject.toml | cksum | cut -d' ' -f1)
# One thread per process: small networks gain nothing from more, and busy machines lose a lot.
RUN := env -u PYTHONPATH OMP_NUM_THREADS=1 PYTHONHASHSEED=0
PYTEST := $(RUN) $(BIN)/python -m pytest -q

.PHONY: demo check quick test lint type cover proof mutants matrix clients notebooks docs docs-serve bench guard api slow clean

$(READY):
	@echo "Making $(VENV) and installing the tested versions (constraints.txt); this takes some minutes once."
	@$(PYTHON) -c 'import sys; sys.exit("tsseq needs Python 3.11 or newer; set PYTHON=...") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

demo: $(READY)
	@$(RUN) $(BIN)/tsseq demo

# What must pass before a change lands.
check: lint type docs test

# At least three quarters of the tests in a minute or so, while you work.
quick: $(READY)
	@$(PYTEST) -n auto --maxprocesses 2 -m "not slow and not proof and not clients"

test: $(READY)
	@$(PYTEST) -n auto -m "not proof and not clients" --durations=10

cover: $(READY)
	@$(PYTEST) -n auto -m "not proof and not clients" --cov --cov-report=term:skip-covered --cov-fail-under=97

lint: $(READY)
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

type: $(READY)
	@$(BIN)/mypy && $(BIN)/basedpyright --pythonpath $(BIN)/python

# What takes long: kills, a soak, random tests with many more examples, and other versions of what tsseq stands on.
proof: $(READY)
	@$(PYTEST) -n auto -m "hypothesis or proof" --hypothesis-profile=proof
	@$(MAKE) --no-print-directory matrix

# Changes one operator or number at a time, 300 times, and lists which changes no test notices; more than an hour.
mutants: $(READY)
	@$(PYTEST) -n auto -m "not proof and not clients" --cov --cov-context=test --cov-report=
	@$(RUN) $(BIN)/python tests/mutants.py

# Lowest versions on Python 3.11, newest on each of 3.11 to 3.14 that is on the PATH.
matrix:
	@$(PYTHON) tests/matrix.py

# What needs other libraries: sktime, statsforecast, skforecast, onnxruntime, captum, ... in an environment of their own.
clients:
	@$(PYTHON) -m venv --clear .venv-clients
	@grep -v '^pandas==' constraints.txt > .venv-clients/constraints.txt
	@.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	@.venv-clients/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint .venv-clients/constraints.txt --editable '.[clients]'
	@$(RUN) .venv-clients/bin/python -m pytest -q -m clients tests/adapters tests/inference/test_tensors.py --durations=5

# Write the outputs of the notebooks anew; they are committed.
notebooks: $(READY)
	@$(BIN)/jupytext --sync $$(find notebooks -name "*.py") && $(RUN) $(BIN)/python tests/write_notebooks.py
	@$(PYTEST) tests/test_notebooks.py

# The site, in site/; a warning is an error.
docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(RUN) $(BIN)/python -m mkdocs build --strict --quiet

docs-serve: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(RUN) $(BIN)/python -m mkdocs serve

bench: $(READY)
	@$(RUN) $(BIN)/python benchmarks/accuracy.py --quick

# Ratios of speed, measured in one run, and their limits; fails if one is exceeded twice.
guard: $(READY)
	@$(RUN) $(BIN)/python benchmarks/speed.py --guard

# Accept a change of the public names and signatures.
api: $(READY)
	@$(RUN) $(BIN)/python tests/public_api.py

# Write tests/slow.txt anew, from the time that each test takes here.
slow: $(READY)
	@$(PYTEST) -n auto --list-slow 0.25

clean:
	rm -rf $(VENV) .venv-lowest-* .venv-newest-* .venv-clients

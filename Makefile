# Everything needs Python 3.11 or newer, git and make; each target sets up the rest for itself.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
CLIENTS := $(VENV)/clients
PIP := pip install --quiet --disable-pip-version-check

.PHONY: demo test soak lint bench format clean

demo: $(VENV)/.core ## the daemon at work on emulated services, in one command
	@$(BIN)/stagewatch demo

# Most tests wait for programs that they started, so there may be more at once than there are cores; in the order of
# their names those that wait and those that compute share the time.
test: $(VENV)/.test ## every test, against real clients, a real Prometheus and a real browser
	@sh .ci/system-packages
	$(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder

soak: $(VENV)/.test ## the proofs that take long, in full, with a new seed (SEED=n repeats one): about an hour and a half
	SOAK=1 $(BIN)/pytest -s tests/e2e/test_kill.py tests/soak
	$(BIN)/python -m tests.soak.memory

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.test ## figures and ratios beside peers, on this machine, in one run
	@set -e; for script in $(filter-out %/stub.py,$(wildcard tests/benchmarks/*.py)); do echo; echo "== $$script"; $(BIN)/python -m "tests.benchmarks.$$(basename $$script .py)"; done

format: $(VENV)/.test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: name one with 'make PYTHON=/path/to/python3.11 ...'" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "This Python has no venv: on Debian, 'apt-get install python3-venv'" >&2; exit 1; }

$(VENV)/.core: $(VENV)/bin/python pyproject.toml
	@$(BIN)/$(PIP) --editable .
	@touch $@

$(VENV)/.tools: $(VENV)/bin/python pyproject.toml
	@$(BIN)/$(PIP) --editable '.[test]'
	@touch $@ $(VENV)/.core

$(VENV)/.test: $(VENV)/.tools $(CLIENTS)/.stamp
	@$(BIN)/$(PIP) --no-deps --no-index $(CLIENTS)/wheels/*.whl
	@touch $@

# The SDK of Batch Compute and its command line, bcs: in an environment of their own, so that their old companions
# disturb nothing. The SDK alone, which needs nothing else, is lent as a wheel to the environment of the tests.
$(CLIENTS)/.stamp: .ci/clients.txt $(VENV)/bin/python
	@rm -rf $(CLIENTS)
	@$(BIN)/python -m venv $(CLIENTS)
	@$(CLIENTS)/bin/$(PIP) 'setuptools<81' wheel
	@$(CLIENTS)/bin/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(CLIENTS)/wheels \
		"$$(grep '^batchcompute==' $<)"
	@$(CLIENTS)/bin/$(PIP) --no-build-isolation --find-links $(CLIENTS)/wheels --requirement $<
	@touch $@

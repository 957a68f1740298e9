# make demo   set up .venv and fit a model to real data with exact derivatives
# make test   set up .venv and run ruff, mypy and every test; the last line says N passed, N failed
# make bench  measure against the peers (installs them: several GB)
# make clean  remove what the other targets made

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready-dev
READY_BENCH := $(VENV)/.ready-bench

.PHONY: demo test bench clean

demo: $(READY)
	$(BIN)/python examples/demo.py

test: $(READY)
	$(BIN)/python tools/check.py

bench: $(READY_BENCH)
	$(BIN)/python -m benchmarks.run

# The stamps: set-up happens once, and again when the list of dependencies changes.
$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

$(READY_BENCH): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,bench]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

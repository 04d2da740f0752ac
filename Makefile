# One place for the set-up: everything below works on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= runs/demo
SETS ?=

.PHONY: install demo test lint bench slurm-up slurm-down test-slurm clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[search,test,lint]"
	@touch $@

demo: install
	$(BIN)/hpcflow mock configs/demo.yaml --out $(DEMO)/mock $(SETS)
	$(BIN)/hpcflow run configs/demo.yaml --run $(DEMO) --ranks 2 --set "infer.catalogues=[$(DEMO)/mock/mock.fits]" $(SETS)

test: install
	$(BIN)/pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: install
	$(BIN)/pytest tests/benchmarks -m benchmark

# A SLURM of six pretended nodes on this machine, and the tests that need one; it has to be installed (see the script).
slurm-up:
	@slurm/devcluster/up

slurm-down:
	slurm/devcluster/down

test-slurm: install
	conf="$$(slurm/devcluster/up)" && eval "$$conf" && trap slurm/devcluster/down EXIT && $(BIN)/pytest -m slurm

clean:
	rm -rf $(VENV) runs

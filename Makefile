# One place for the set-up: everything below works on a fresh machine with Python 3.11 or newer.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEMO ?= runs/demo
SETS ?=
NAMES ?=

.PHONY: install demo test test-all test-lowest lint bench figures-of-docs slurm-up slurm-down test-slurm clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable ".[search,test,lint]"
	@touch $@

demo: install
	$(BIN)/hpcflow mock configs/demo.yaml --out $(DEMO)/mock $(SETS)
	$(BIN)/hpcflow run configs/demo.yaml --run $(DEMO) --ranks 2 --set "infer.catalogues=[$(DEMO)/mock/mock.fits]" $(SETS)

# Two processes side by side, of one thread each; who is done takes over the last half of what the other has left.
PYTEST = OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist worksteal
FAST = -m "not (slow or legus or slurm or benchmark)"

# What a change wants after every edit: minutes.
test: install
	$(PYTEST) $(FAST)

# The same at the lowest versions that pyproject.toml allows, with the newest of whatever those need in turn. torch stays
# that of constraints.txt, for another would bring gigabytes. Old releases use what newer ones below them deprecate.
test-lowest: BIN = $(VENV)-lowest/bin
test-lowest:
	$(PYTHON) -m venv $(VENV)-lowest
	grep '^torch==' constraints.txt | tee $(VENV)-lowest/constraints.txt
	sed -E 's/\[[a-z]+\]//' pyproject.toml | grep -oE '[A-Za-z0-9._-]+>=[0-9.]+' | sed '/^torch>/d; s/>=/==/' >> $(VENV)-lowest/constraints.txt
	$(BIN)/pip install --quiet --constraint $(VENV)-lowest/constraints.txt --editable ".[search,test]"
	$(PYTEST) $(FAST) -W ignore::DeprecationWarning

# What that leaves out: tests of more than ten seconds, and those on real catalogues. `.ci/run` runs both.
test-all: install
	$(PYTEST) -m "(slow or legus) and not (slurm or benchmark)" --durations=25

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# As workers are started (compute/local.py): one thread, and pages that malloc keeps.
ALONE = OMP_NUM_THREADS=1 MALLOC_TRIM_THRESHOLD_=4000000000 MALLOC_MMAP_THRESHOLD_=4000000000

bench: install
	$(ALONE) $(BIN)/pytest tests/benchmarks -m benchmark

# The tables of docs/performance.md, or only some: make figures-of-docs NAMES="simulator stage"
figures-of-docs: install
	$(ALONE) $(BIN)/python tests/benchmarks/rewrite.py docs/performance.md $(NAMES)

# A SLURM of six pretended nodes on this machine, and the tests that need one; it has to be installed (see the script).
slurm-up:
	@slurm/devcluster/up

slurm-down:
	slurm/devcluster/down

test-slurm: install
	conf="$$(slurm/devcluster/up)" && eval "$$conf" && trap slurm/devcluster/down EXIT && $(BIN)/pytest -m slurm

clean:
	rm -rf $(VENV) $(VENV)-lowest runs

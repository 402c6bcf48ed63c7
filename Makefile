# Everything runs in .venv, which the first target that needs it makes. PYTHON picks the interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
STAMP := $(VENV)/.developing

.PHONY: demo test check bench plot pictures fuzz soak format clean

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lazyipc needs Python >= 3.11; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[cli]'
	touch $(INSTALLED)

# The examples of hosts bring Qt and pygame: a hundred megabytes that `make demo` does without.
$(STAMP): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $(STAMP)

demo: $(INSTALLED)  ## start the example's server, send it each command, stop it
	$(BIN)/python -m examples.simple.demo

test: $(STAMP)  ## all tests; those against Rust need cargo, and must run where CI=true
	$(BIN)/python -m pytest

check: $(STAMP)  ## lint, types, documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/python -m pytest -q README.md docs tests/test_documents.py

bench: $(STAMP)  ## ratios against raw baselines of the same run; BENCH="--quick" for two minutes
	$(BIN)/python -m benchmarks $(BENCH)

plot: $(STAMP)  ## measure the plots of docs/performance.md and draw them
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	$(BIN)/python -m benchmarks.plot

pictures: $(STAMP)  ## draw what the command shows: docs/pictures/*.svg; PICTURES="call shell"
	$(BIN)/python -m docs.pictures.make $(PICTURES)

fuzz: $(STAMP)  ## invented types and forged bytes for a minute; FUZZ="--seconds 600 --seed 7"
	$(BIN)/python -m tests.fuzz $(FUZZ)

soak: $(STAMP)  ## the fifteen failure modes at full scale, and peers at random, at most 22 minutes; SOAK="--only 3"
	$(BIN)/python -m tests.soak $(SOAK)
	$(BIN)/python -m tests.rpc.model --seconds 120

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) dist tests/interop/peer/target tests/interop/bytes/target tests/interop/json/target

# Trueline. `make demo` and `make test` need Python 3.11, pip and make, nothing else.

PYTHON ?= $(shell command -v python3.11 || command -v python3 || command -v python)
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin

# A stamp is named by the checksum of what was installed: a changed lock installs again, a touched one does not.
checksum = $(shell cat pyproject.toml requirements/build.txt $(1) | cksum | tr ' ' '-')
TRAINING := $(VENV)/installed-training-$(call checksum,requirements/training.txt)
DEV := $(VENV)/installed-dev-$(call checksum,requirements/dev.txt)
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# Neither BentoML nor ONNX Runtime sends usage data from here.
export BENTOML_DO_NOT_TRACK := true
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help demo test lint format docs lock bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: $(TRAINING)  ## train on a real data set, serve it on PORT (3000), show a call and its answer
	@$(BIN)/python examples/demo.py --port $(PORT)

test: $(DEV)  ## the whole test suite, with coverage
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest $(PYTEST_ARGS)
	@$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

lint: $(DEV)  ## ruff (rules and format) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEV)  ## let ruff rewrite the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DEV)  ## write the lists and tables of docs/ anew, from the records in the code
	$(BIN)/python -m docs.reference

bench: $(DEV)  ## requests/s and latency beside other servers (needs wrk, taskset and a quiet machine)
	$(BIN)/python -m benchmarks.serving

# Every lock is a part of dev.txt, which is resolved first, so that one version of a package is in all of them.
# An existing lock's versions are kept where they still fit; `make lock LOCK_ARGS=--upgrade` moves them all.
lock: $(VENV)/uv/bin/uv  ## resolve requirements/*.txt and benchmarks/peers/*.txt anew, with hashes
	$(LOCK) pyproject.toml --extra training --extra dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra training -c requirements/dev.txt -o requirements/training.txt
	$(LOCK) pyproject.toml -c requirements/dev.txt -o requirements/service.txt
	$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(LOCK) benchmarks/peers/asgi.in -c requirements/dev.txt -o benchmarks/peers/asgi.txt
	$(LOCK) benchmarks/peers/bentoml.in -c requirements/dev.txt -o benchmarks/peers/bentoml.txt
	$(LOCK) benchmarks/peers/boosting.in -c requirements/dev.txt -o benchmarks/peers/boosting.txt
	@# The other peers bring pins of their own, which exclude each other.
	for peer in kserve litserve mlflow mlserver ray tensorflow; do \
		$(LOCK) benchmarks/peers/$$peer.in -o benchmarks/peers/$$peer.txt || exit; done

LOCK = $(VENV)/uv/bin/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(LOCK_ARGS)

clean:  ## remove what make, the tests and the demo made
	rm -rf $(VENV) .demo .bench .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(if $(PYTHON),,echo "Expected Python 3.11. Received: no python3 in PATH. Say make PYTHON=/path/to/python3.11."; exit 2)
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 13) else \
	"Expected Python 3.11 or 3.12. Received: %d.%d (%s). Say make PYTHON=/path/to/python3.11." % (v[0], v[1], sys.executable))'
	@echo "Making a virtual environment in $(VENV)"
	@# Debian's Python has no ensurepip of its own; its pip can install one into the new environment.
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV) >/dev/null 2>&1; then :; else \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --quiet --python $@ install pip; fi

$(TRAINING): | $(BIN)/python
	@echo "Installing requirements/training.txt (some minutes the first time)"
	@$(PIP_INSTALL) --require-hashes -r requirements/build.txt -r requirements/training.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/installed-training-* && touch $@

$(DEV): | $(BIN)/python
	@echo "Installing requirements/dev.txt (some minutes the first time)"
	@$(PIP_INSTALL) --require-hashes -r requirements/build.txt -r requirements/dev.txt
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/installed-* && touch $@ $(TRAINING)

$(VENV)/uv/bin/uv: | $(BIN)/python
	$(BIN)/python -m venv $(VENV)/uv
	$(VENV)/uv/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.8

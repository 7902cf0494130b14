# Trueline. `make demo` and `make test` need Python 3.11 to 3.14 with pip or venv, and make, nothing else.

# The first of these that fits makes .venv; say make PYTHON=/path/to/python3.12 for another.
# TensorFlow has no wheel for 3.14 yet: there training is on JAX.
PYTHON ?=
PYTHONS := $(or $(PYTHON),python3.13 python3.12 python3.11 python3.14 python3 python)
PORT ?= 3000
VENV := .venv
BIN := $(VENV)/bin

# A stamp is named by the checksum of what was installed: a changed lock installs again, a touched one does not.
checksum = $(shell cat pyproject.toml requirements/build.txt $(1) | cksum | tr ' ' '-')
BUILD := $(VENV)/installed-build-$(call checksum)
TRAINING := $(VENV)/installed-training-$(call checksum,requirements/training.txt)
DEV := $(VENV)/installed-dev-$(call checksum,requirements/dev.txt)
PIP_INSTALL := install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
# uv does not read pip's settings: an index of one's own is handed on.
UV_INSTALL := index=$$($(BIN)/python -m pip config get global.index-url 2>/dev/null || echo "$$PIP_INDEX_URL"); \
	[ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	$(BIN)/uv pip install --quiet --python $(BIN)/python

# Neither BentoML nor ONNX Runtime sends usage data from here.
export BENTOML_DO_NOT_TRACK := true
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint format docs transcripts lock bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: $(TRAINING)  ## train on a real data set, serve it on PORT (3000), show a call and its answer
	@$(BIN)/python examples/demo.py --port $(PORT)

install: $(TRAINING)  ## the command line, to train and to serve, in .venv: then . .venv/bin/activate

# Two processes share the tests; PYTEST_ARGS says more, such as -n 0 for one, or a file.
test: $(DEV)  ## the whole test suite, with coverage
	@rm -f .coverage .coverage.*
	$(BIN)/python -m coverage run -m pytest -n 2 $(PYTEST_ARGS)
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

transcripts: $(DEV)  ## run the commands that docs/ show (or PAGES=docs/http.md), and write what they print
	$(BIN)/python -m docs.reference --run $(PAGES)

bench: $(DEV)  ## requests/s and latency beside other servers (needs wrk, taskset and a quiet machine)
	$(BIN)/python -m benchmarks.serving

# Every lock is a part of dev.txt, which is resolved first, so that one version of a package is in all of them.
# One lock is for every Python: a package that only some need, or need in another version, has a marker.
# An existing lock's versions are kept where they still fit; `make lock LOCK_ARGS=--upgrade` moves them all.
lock: $(BUILD)  ## resolve requirements/*.txt and benchmarks/peers/*.txt anew, with hashes
	$(LOCK) --universal pyproject.toml --extra training --extra dev -o requirements/dev.txt
	$(LOCK) --universal pyproject.toml --extra training -c requirements/dev.txt -o requirements/training.txt
	$(LOCK) --universal pyproject.toml -c requirements/dev.txt -o requirements/service.txt
	$(LOCK) --universal requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	@# The benchmarks ran, and run, on Python 3.11: some peers have nothing for later ones.
	$(LOCK) benchmarks/peers/asgi.in -c requirements/dev.txt -o benchmarks/peers/asgi.txt
	$(LOCK) benchmarks/peers/bentoml.in -c requirements/dev.txt -o benchmarks/peers/bentoml.txt
	$(LOCK) benchmarks/peers/boosting.in -c requirements/dev.txt -o benchmarks/peers/boosting.txt
	@# The other peers bring pins of their own, which exclude each other.
	for peer in kserve litserve mlflow mlserver ray tensorflow; do \
		$(LOCK) benchmarks/peers/$$peer.in -o benchmarks/peers/$$peer.txt || exit; done

LOCK = $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --no-emit-find-links $(LOCK_ARGS)

clean:  ## remove what make, the tests and the demo made
	rm -rf $(VENV) .demo .bench .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Says what a Python is, and fails where it does not fit.
ABOUT := import sys; v = sys.version_info; print("Python %d.%d.%d (%s)" % (*v[:3], sys.executable)); \
	import venv; sys.exit(not (3, 11) <= v < (3, 15))

# Debian's Python may have neither pip nor ensurepip; either will do to install the locked pip and uv.
$(BIN)/python:
	@for name in $(PYTHONS); do \
		if about=$$($$name -c '$(ABOUT)' 2>/dev/null); then python=$$name; break; fi; \
		if [ -n "$$about" ]; then others="$${others:+$$others, }$$about"; fi; done; \
	if [ -z "$$python" ]; then \
		echo "Expected Python 3.11, 3.12, 3.13 or 3.14 with its venv module. Received: $${others:-no $(PYTHONS) that runs}." \
			"Install one (Debian: apt-get install python3-venv), or say make PYTHON=/path/to/python3.13." >&2; exit 2; fi; \
	echo "Found $$about: making a virtual environment in $(VENV)"; \
	if $$python -m pip --version >/dev/null 2>&1; then \
		$$python -m venv --without-pip $(VENV) && \
		$$python -m pip --python $@ $(PIP_INSTALL) || { rm -rf $(VENV); exit 1; }; \
	elif $$python -c 'import ensurepip' 2>/dev/null; then $$python -m venv $(VENV); \
	else echo "Expected pip or ensurepip in $$about. Received: neither." \
		"Install one of them (Debian: apt-get install python3-venv) and run make again." >&2; exit 2; fi

# pip, uv, which installs all else, and what builds the project.
$(BUILD): | $(BIN)/python
	@$(BIN)/python -m pip $(PIP_INSTALL)
	@rm -f $(VENV)/installed-build-* && touch $@

$(TRAINING): $(BUILD)
	@echo "Installing requirements/training.txt (a minute or more the first time)"
	@$(UV_INSTALL) --require-hashes -r requirements/training.txt
	@$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/installed-training-* && touch $@

$(DEV): $(BUILD)
	@echo "Installing requirements/dev.txt (a minute or more the first time)"
	@$(UV_INSTALL) --require-hashes -r requirements/dev.txt
	@$(UV_INSTALL) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/installed-training-* $(VENV)/installed-dev-* && touch $@ $(TRAINING)

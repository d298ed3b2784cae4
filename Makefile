# The commands of this project. All that is needed beforehand: Python 3.11 or newer (with its venv module) and make.
#
#   make demo    set up, then run the whole path on synthetic patients; ends in runs/phantom-quick/report.html
#   make test    set up, run `check`, then the tests
#   make check   ruff and mypy
#   make parity  install Meta's sam2 beside the environment, then run every comparison with other implementations
#   make venv    only set up (.venv, with the tools for development)
#   make clean   remove .venv, caches and build outputs; runs/ stays
#
# PYTHON=/path/to/python chooses another interpreter.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check parity venv clean

# Trust whom the machine trusts, as a hospital's proxy may need it.
export UV_SYSTEM_CERTS ?= 1

VENV := .venv
BIN := $(VENV)/bin
MANIFESTS := pyproject.toml runtime/pyproject.toml constraints.txt
PARITY := $(VENV)/parity
SAM2 := sam2==1.1.0 hydra-core==1.3.8 omegaconf==2.4.0 "antlr4-python3-runtime==4.9.3" iopath==0.1.10 portalocker==4.4.2 tqdm==4.70.1
IS_NEW_ENOUGH := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.base
	$(BIN)/agglo run recipes/phantom-quick.yaml

test: check
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What only this needs stays out of the environment (sam2 also brings a top-level package `training`). Nothing may be skipped.
parity: $(VENV)/.parity
	PYTHONPATH=$(PARITY) $(BIN)/python -m pytest -m "" tests/parity --junitxml=$(VENV)/parity.xml
	@skipped=$$(grep -c '<skipped' <(tr '>' '\n' < $(VENV)/parity.xml) || true); \
	echo "parity: $$(grep -o '<testcase ' $(VENV)/parity.xml | wc -l) comparisons, $$skipped skipped"; \
	[ "$$skipped" = 0 ] || { echo "parity: none may be skipped, see above" >&2; exit 1; }

venv: $(VENV)/.dev

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src runtime tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The first candidate that runs at all (a version manager's shim may not), is new enough and can make environments.
$(BIN)/python:
	@candidates="$${PYTHON:-python3.11 python3 python python3.12 python3.13}"; \
	for candidate in $$candidates; do \
	  if "$$candidate" -c '$(IS_NEW_ENOUGH)' 2>/dev/null; then found="$$candidate"; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "Agglo needs Python 3.11 or newer with its venv module; none was found (looked for: $$candidates)." \
	    "Install one, or say where it is: make PYTHON=/path/to/python" >&2; \
	  exit 2; \
	fi; \
	"$$found" -m venv --clear $(VENV)

# $(1): what to install. uv does in a minute what takes pip several, but reads none of pip's settings: a configured package
# index is handed on. Where uv cannot be had, or fails, pip does the same work.
define install
	@index=$$($(BIN)/python -m pip config list | sed -n "s/^[a-z:]*\.index.url='\(.*\)'$$/\1/p" | head -n 1); \
	if [ -n "$$index" ] && [ -z "$${UV_DEFAULT_INDEX:-}" ]; then export UV_DEFAULT_INDEX="$$index"; fi; \
	if { [ -x $(BIN)/uv ] || $(BIN)/python -m pip install --quiet -c constraints.txt uv; } \
	  && $(BIN)/uv pip install --python $(BIN)/python -c constraints.txt $(1); \
	then :; else \
	  echo "uv could not install the packages; trying with pip, which takes longer." >&2; \
	  $(BIN)/python -m pip install -c constraints.txt $(1); \
	fi
endef

$(VENV)/.base: $(BIN)/python $(MANIFESTS)
	$(call install,-e ./runtime -e .)
	@touch $@

$(VENV)/.dev: $(BIN)/python $(MANIFESTS)
	$(call install,-e ./runtime -e ".[dev]")
	@touch $(VENV)/.base $@

# Without its dependencies and without isolation, so that no second torch comes along; its CUDA extension is for masks only.
$(VENV)/.parity: $(VENV)/.dev
	$(BIN)/python -m pip install --quiet wheel setuptools
	SAM2_BUILD_CUDA=0 $(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --upgrade --target $(PARITY) $(SAM2)
	@touch $@

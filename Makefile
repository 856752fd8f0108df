# What a contributor runs. Needs make and Python 3.10 or newer; everything else goes into .venv.
#
#   make setup   install the package with every extra and the tools
#   make train   run the main job
#   make test    run the tests
#   make check   lint, formatting, types, then the tests: what CI runs
#   make bench   run every benchmark
#   make docs    regenerate the generated pages and pictures

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
NEW_ENOUGH := -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null

.PHONY: setup train test check bench docs

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@$(BIN)/python $(NEW_ENOUGH) || { echo "The Python in .venv is too old or does not start. Remove .venv, then run: make setup" >&2; exit 1; }
	@echo "Installing into .venv. The first time, this takes some minutes."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) $(NEW_ENOUGH) || { echo "$(PYTHON) is missing or older than Python 3.10. Name a newer one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv || { rm -rf .venv; echo "$(PYTHON) could not make a virtual environment. Debian and Ubuntu need: apt install python3-venv" >&2; exit 1; }

train: setup
	$(BIN)/paramgroups train

test: setup
	$(BIN)/python -m pytest

# pytest comes last, so that the run closes on its summary.
check: setup
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest

bench: setup
	@set -e; for script in $(sort $(wildcard bench/*.py)); do echo "== $$script"; $(BIN)/python $$script; done

docs: setup
	@set -e; for script in $(sort $(wildcard tools/docs_*.py)); do echo "== $$script"; $(BIN)/python -m tools.$$(basename $$script .py); done

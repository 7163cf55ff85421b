# Everything from nothing: each target makes the environment and the build that it needs.
#
#   make demo [DB=URL]   the example application, and the same on sqlalchemy.orm, with both times
#   make test            the tests, compiled and then pure          (ARGS="-k name" are for pytest)
#   make model           20,000 random programs, compared with sqlalchemy.orm step by step (SESSION_MODEL_EXAMPLES=n: another number)
#   make faults          each call of the driver fails in each way, in many scenarios: half an hour
#   make leaks           100,000 lives of each kind: nothing is left; half an hour (SESSION_LEAK_CYCLES=n: another number)
#   make memcheck        the compiled modules under valgrind: some minutes (Debian: apt-get install valgrind)
#                        What these four cover, and how long they take, stands in docs/long-runs.md.
#   make bench [DB=URL]  the table of figures against the other contenders; DB=postgresql makes a server and drops it
#   make bench-check     has a hot path become slower? Instructions against the baseline, ratios against their marks
#   make bench-baseline  count again, write the baseline of this Python, show what changed
#   make scale           up to 1,000,000 objects in one Session: time and memory for each
#   make figures         measure all of that for the README: its tables, and the plots
#   make plots           only the plots and tables, from what was measured last
#   make lint            ruff and mypy
#   make pypy            the tests on PyPy
#   make watched         the integration tests with every statement going through Core
#   make dist            sdist and wheel, the wheel made from the sdist
#   make pure-wheel      the wheel without compiled modules, for every Python
#   make clean           remove what these left, except the environment; `make distclean` removes that too
#
# PYTHON=python3.13 picks another interpreter, VENV=folder another place for its environment.

PYTHON ?= python3
VENV ?= .venv
DB ?=
ARGS ?=

BIN := $(VENV)/bin
PY := $(BIN)/python
TOOLS := $(VENV)/.tools
INSTALLED := $(VENV)/.installed
PLOTTING := $(VENV)/.plotting
PYPY_HOME ?= $(HOME)/.cache/session-pypy
COMPILED := SESSION_PURE_PYTHON=0
PURE := SESSION_PURE_PYTHON=1

.PHONY: help build demo test test-compiled test-pure watched model faults leaks memcheck bench bench-check bench-baseline scale figures plots lint pypy dist pure-wheel clean distclean
.DEFAULT_GOAL := help

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile

# -- the environment and the build ------------------------------------------------------------------

$(TOOLS): pyproject.toml
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --upgrade "pip>=24" "setuptools>=77" wheel "cython>=3.0"
	touch $@

$(INSTALLED): $(TOOLS) setup.py
	SESSION_PURE_PYTHON=1 $(PY) -m pip install --quiet --no-build-isolation --editable ".[postgresql,test,lint,perf]"
	touch $@

$(PLOTTING): $(INSTALLED)
	$(PY) -m pip install --quiet --no-build-isolation --editable ".[plots]"
	touch $@

# Built in place each time: what has not changed costs a second, and a stale module would be tested in silence.
build: $(INSTALLED)
	$(COMPILED) $(PY) setup.py --quiet build_ext --inplace

# -- what there is to do ----------------------------------------------------------------------------

demo: build
	$(PY) -m pip install --quiet --requirement examples/atlas/requirements.txt
	$(COMPILED) $(PY) -m examples.atlas --compare $(if $(DB),--db "$(DB)")

test: test-compiled test-pure

test-compiled: build
	$(COMPILED) $(PY) -m pytest $(ARGS)

# The parity tests run both implementations by themselves: once is enough.
test-pure: build
	$(PURE) $(PY) -m pytest --ignore tests/parity $(ARGS)

watched: build
	$(COMPILED) SESSION_TEST_WATCHED=1 $(PY) -m pytest tests/integration $(ARGS)

model: build
	$(COMPILED) $(PY) -m tests.model.seeds $${SESSION_MODEL_EXAMPLES:-20000} $(ARGS)

faults: build
	$(COMPILED) SESSION_FAULTS_ALL=1 $(PY) -m pytest tests/faults -o faulthandler_timeout=0 $(ARGS)

leaks: build
	$(COMPILED) SESSION_LEAK_CYCLES=$${SESSION_LEAK_CYCLES:-100000} $(PY) -m pytest tests/leaks -rP -o faulthandler_timeout=0 $(ARGS)

memcheck: build
	$(COMPILED) $(PY) -m tests.reentry.memcheck

bench: build
	$(COMPILED) $(PY) -m perf.table $(if $(DB),--db "$(DB)") $(ARGS)

bench-check: build
	$(COMPILED) $(PY) -m perf.check $(ARGS)

bench-baseline: build
	$(COMPILED) $(PY) -m perf.check --renew

scale: build
	$(COMPILED) $(PY) -m perf.scale $(ARGS)

figures: build $(PLOTTING)
	$(COMPILED) $(PY) -m perf.table --json perf/results/sqlite.json $(ARGS)
	$(COMPILED) $(PY) -m perf.table --db postgresql --json perf/results/postgresql.json $(ARGS)
	$(COMPILED) $(PY) -m perf.scale --json perf/results/scale.json
	$(PY) -m perf.readme
	$(PY) -m perf.plots

plots: $(PLOTTING)
	$(PY) -m perf.readme
	$(PY) -m perf.plots

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/mypy

pypy:
	.ci/pypy.sh "$(PYPY_HOME)"
	"$(PYPY_HOME)/venv/bin/python" -m pytest -p no:cacheprovider tests/integration tests/unit --ignore tests/unit/test_perf_programs.py --ignore tests/unit/test_perf_gate.py $(ARGS)

dist: $(INSTALLED)
	$(PY) -m pip install --quiet build
	$(COMPILED) $(PY) -m build

pure-wheel: $(INSTALLED)
	$(PY) -m pip install --quiet build
	$(PURE) $(PY) -m build --wheel

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -f session/_cy/*.so session/_cy/*.pyd session/_cy/*.c
	find cext docs examples perf session tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

distclean: clean
	rm -rf $(VENV)

# Every target sets up what it needs; `make demo` and `make test` are all a fresh machine has to be told.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo tour test test-slow lint bench gpu clean

SCENARIO ?= experiments/scenarios/departures.toml
TOUR ?= $(SCENARIO) experiments/scenarios/whole.toml experiments/scenarios/revival.toml
BIN := .venv/bin
STAMP := .venv/.installed

export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
export RAY_USAGE_STATS_ENABLED := 0
# Tests and runs start dozens of processes, each of which would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

help:  ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

demo: $(STAMP)  ## Play the departures scenario on Ray and write its report
	@lines=$$($(BIN)/lethe run $(SCENARIO) --engine ray --workers 2); \
	echo "$$lines"; \
	echo "The report: $${lines##*$$'\n'}/report.html"

tour: $(STAMP)  ## Play the departures, the whole story and the revival, and write their reports (40 minutes; the second time fewer)
	@reports=""; \
	for scenario in $(TOUR); do \
	  lines=$$($(BIN)/lethe run "$$scenario" --engine ray --workers 2); \
	  echo "$$lines"; \
	  reports+="The report: $${lines##*$$'\n'}/report.html"$$'\n'; \
	done; \
	echo -n "$$reports"

test: $(STAMP)  ## Run the tests (minutes)
	$(BIN)/pytest --numprocesses 2 --no-loadscope-reorder

test-slow: $(STAMP)  ## Run the tests that take longer, and those of properties with ten times as many examples
	$(BIN)/pytest -m "slow or hypothesis" --hypothesis-profile=thorough

lint: $(STAMP)  ## Check style, imports and types
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: $(STAMP)  ## Run every benchmark; results are printed and kept in experiments/benchmarks/results
	@failed=""; missed=""; \
	for script in experiments/benchmarks/[a-z]*.py; do \
	  echo "== $$script"; \
	  kept=experiments/benchmarks/results/$$(basename "$$script" .py).txt; \
	  if PYTHONPATH=. $(BIN)/python "$$script" | tee "$$kept.unfinished"; then mv "$$kept.unfinished" "$$kept"; \
	  elif tail -n 1 "$$kept.unfinished" | grep -q '^bars met: '; then mv "$$kept.unfinished" "$$kept"; missed+=" $$script"; \
	  else rm "$$kept.unfinished"; failed+=" $$script"; fi; \
	done; \
	if [ -n "$$failed" ]; then echo "make bench: these ended with an error, see above:$$failed" >&2; fi; \
	if [ -n "$$missed" ]; then echo "make bench: a bar is not met in these, whose results are kept:$$missed" >&2; fi; \
	[ -z "$$failed$$missed" ]

gpu: $(STAMP)  ## For whoever has a CUDA card: smoke tests, the revival benchmark and whole.toml on it, kept with date and hardware
	$(BIN)/python -m experiments.gpu

clean:  ## Remove what was installed and generated; runs are kept
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find clients server simulator experiments tests -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and alone: left to a range, pip takes the newest build with gigabytes of CUDA libraries.
$(STAMP): pyproject.toml constraints.txt
	@python=""; for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	  if command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$p; break; fi; \
	done; \
	if [ -z "$$python" ]; then echo "make: no Python 3.11 or newer on PATH; install one and run make again" >&2; exit 1; fi; \
	if [ ! -x $(BIN)/python ]; then $$python -m venv .venv; fi
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

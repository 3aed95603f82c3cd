# Everything from a fresh clone: `make demo` and `make test` do all set-up themselves.

VENV := .venv
PYTHON := $(VENV)/bin/python
# Exactly what the locks name, from whatever index pip is set up to use.
INSTALL := $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --requirement
# Pythons to try, in this order; name another one by: make PYTHON3=…
PYTHON3 := python3 python3.14 python3.13 python3.12 python3.11
CHECKED := cloudkon images fleet client demo benchmarks tests
# Twice the two cores of CI: many tests wait. A file's tests stay together, since they share an emulator.
TEST_PROCESSES := 4
# Fleets on the engine side by side; their tests wait more than they compute.
CONTAINER_PROCESSES := 4
# Before a command whose tests need the embedded emulator: installs it, and names it to them.
EMULATED = emulator=$$($(PYTHON) -m fleet.local.install) && CLOUDKON_EMULATOR="$$emulator"
# More words for pytest: make test WITH='-k ledger'
WITH :=
TIERS := tests/unit tests/contract tests/simulation tests/fuzz tests/fleet tests/integration tests/browser
# Simulation seeds of `make simulate`, from FIRST on. `make test` runs 300 that follow from the commit, `make test-long`
# the first LONG_SEEDS.
SEEDS := 10000
FIRST := 0
LONG_SEEDS := 2000
# Seconds of `make fuzz`, and the inputs of each of its seeds; `make fuzz FUZZ_SEED=7` runs one seed again.
FUZZ_SECONDS := 3600
FUZZ_EXAMPLES := 200

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test test-long test-all simulate fuzz containers trial-aws trial-aws-clean check bench clean
.SUFFIXES:

help: ## List what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | while IFS='	' read -r name what; do printf '  make %-15s %s\n' "$$name" "$$what"; done

setup: $(VENV)/dev-installed ## Install what development needs into .venv

demo: $(VENV)/demo-installed ## Run a fleet on this machine, end to end; PHOTOS=folder for your own pictures
	@$(PYTHON) -m demo

test: $(VENV)/dev-installed ## Run the tests, without those marked long and with few simulation seeds (minutes)
	@$(EMULATED) \
		$(PYTHON) -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile -m 'not long' $(TIERS) $(WITH)

test-long: $(VENV)/dev-installed ## Run what `make test` leaves out: the tests marked long, thousands of simulation seeds, more fuzzing
	@$(EMULATED) \
		SIMULATION_FIRST=0 SIMULATION_SEEDS=$(LONG_SEEDS) FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) \
		$(PYTHON) -m pytest --numprocesses $(TEST_PROCESSES) --dist loadfile -m 'long or seeds' $(TIERS) $(WITH)

test-all: test test-long containers ## Run every test; containers need a Docker engine

simulate: $(VENV)/dev-installed ## Search for a schedule that breaks a promise; SEEDS=100000 for a night
	@SIMULATION_FIRST=$(FIRST) SIMULATION_SEEDS=$(SEEDS) $(PYTHON) -m pytest --quiet --numprocesses $(TEST_PROCESSES) \
		tests/simulation -k schedule_breaks

fuzz: $(VENV)/dev-installed ## Search for an input that breaks a reader; FUZZ_SECONDS=36000 for a night
	@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) FUZZ_SEED=$(FUZZ_SEED) \
		$(PYTHON) -m pytest --quiet --timeout 0 tests/fuzz $(WITH)

containers: $(VENV)/dev-installed ## Test the real images and the compose file on a running Docker engine
	@$(EMULATED) \
		$(PYTHON) -m pytest --numprocesses $(CONTAINER_PROCESSES) --dist loadscope tests/containers $(WITH)

trial-aws: $(VENV)/dev-installed ## Try it all on a real AWS account and leave nothing: costs money, see docs/operations.md
	@CLOUDKON_REAL_AWS=$(CLOUDKON_REAL_AWS) $(PYTHON) -m tests.aws trial

trial-aws-clean: $(VENV)/dev-installed ## Take down what a killed trial left on the account
	@CLOUDKON_REAL_AWS=$(CLOUDKON_REAL_AWS) $(PYTHON) -m tests.aws clean

check: $(VENV)/dev-installed ## Check format, lint, types, the direction of imports, and that no machine's path is in a file
	@$(VENV)/bin/ruff format --quiet --check . || { echo 'format them with: $(VENV)/bin/ruff format .' >&2; exit 1; }
	@$(VENV)/bin/ruff check --quiet .
	@$(PYTHON) -m mypy --no-error-summary $(CHECKED)
	@$(VENV)/bin/lint-imports --no-logo > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@! git grep --line-number --extended-regexp '(^|[^[:alnum:]._-])/(root|work|Users)/[a-z]' -- . || \
		{ echo 'these name a path of one machine' >&2; exit 1; }

bench: $(VENV)/dev-installed ## Measure budgets, peers, memory and push; write docs/benchmarks.md (a quarter of an hour); NAMES=budgets for some
	@$(PYTHON) -m benchmarks $(NAMES)

clean: ## Take the local fleet down, and remove all that was made here, except videos
	@if [ -x $(PYTHON) ] && [ -e .cloudkon ]; then \
		$(PYTHON) -m fleet down; CLOUDKON_STATE_DIR=.cloudkon/demo CLOUDKON_FLEET=demo $(PYTHON) -m fleet down; fi
	@rm -rf $(VENV) .cloudkon .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find cloudkon images fleet client demo benchmarks tests -name __pycache__ -prune -exec rm -rf {} +

$(VENV)/demo-installed: locks/animoto.txt $(VENV)/made
	@echo 'installing what the demo needs into $(VENV) (once)' >&2
	@$(INSTALL) $<
	@touch $@

$(VENV)/dev-installed: locks/dev.txt $(VENV)/made
	@echo 'installing what the tests need into $(VENV) (once)' >&2
	@$(INSTALL) $<
	@touch $@

# --clear only where what is there doesn't run: a Python that has been removed leaves such environments behind.
$(VENV)/made:
	@for python in $(PYTHON3); do \
		if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo 'error: no Python of 3.11 or newer was found (tried $(PYTHON3)). Install one, or name it: make PYTHON3=/path/to/python3' >&2; \
		exit 1; \
	elif ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "error: $$found can't make virtual environments. On Debian and Ubuntu, install it with: apt install python3-venv" >&2; \
		exit 1; \
	elif $(PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then :; \
	else $$found -m venv --clear $(VENV); fi
	@touch $@

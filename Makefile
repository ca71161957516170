# Every target sets up what it needs: a virtual environment in .venv, nothing outside the checkout.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
COMPILED := $(VENV)/.compiled
SOURCES := $(wildcard smg/*/*.py smg/*/*/*.py)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help setup demo test fmt lint types layers proto unit cov proof faults faults-full fuzz soak bench bench-peers
.PHONY: micro test-engines run clean plain wheel

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a minute on a fresh machine)"
	@$(PIP) --upgrade 'pip>=25.1' > $(VENV)/install.log 2>&1 || (cat $(VENV)/install.log; exit 1)
	@$(PIP) --editable . --group dev > $(VENV)/install.log 2>&1 || (cat $(VENV)/install.log; exit 1)
	@touch $@

$(COMPILED): $(READY) scripts/compile.py $(SOURCES)
	@echo "compiling what a request passes through (most of a minute)"
	@$(BIN)/python scripts/compile.py
	@touch $@

setup: $(COMPILED) ## Create the virtual environment, and compile what a request passes through

plain: $(READY) ## Remove what was compiled, so that what is edited is what runs; setup brings it back
	@$(BIN)/python scripts/compile.py --remove
	@rm -f $(COMPILED)

wheel: $(COMPILED) ## A wheel for this machine's Python, in dist/
	@$(BIN)/python -m scripts.wheel

demo: $(READY) $(wildcard $(COMPILED)) ## Four simulated engines behind one gateway, and a sample answer
	@$(BIN)/smg demo

test: $(COMPILED) ## Everything that must hold: format, lint, types, layers, stubs, tests
	@$(BIN)/ruff format --check --quiet . && echo "format: ok"
	@$(BIN)/ruff check --quiet . && echo "lint: ok"
	@$(BIN)/mypy --no-error-summary && echo "types: ok"
	@$(BIN)/lint-imports --no-cache > .lint-imports.log 2>&1 && echo "layers: ok" || (cat .lint-imports.log; exit 1)
	@$(BIN)/python scripts/gen_protos.py --check && echo "stubs: ok"
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not engines and not proof"

fmt: $(READY) ## Format and fix what can be fixed
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lint: $(READY) ## Lint only
	@$(BIN)/ruff check .

types: $(READY) ## Types only
	@$(BIN)/mypy

layers: $(READY) ## Import contracts only
	@$(BIN)/lint-imports

proto: $(READY) ## Make smg/stubs from protos/
	@$(BIN)/python scripts/gen_protos.py

unit: $(READY) ## Tests only
	@$(BIN)/python -m pytest -q -n 2 --dist worksteal -m "not engines and not proof"

cov: plain ## Tests with branch coverage
	@$(BIN)/python -m coverage run -m pytest -q -m "not engines and not proof"
	@$(BIN)/python -m coverage report --skip-covered

proof: $(COMPILED) ## The measured promises that need real minutes: dead workers, dead connections
	@$(BIN)/python -m pytest -q -m proof -s tests/faults tests/workers

faults: $(COMPILED) ## The fault catalogue at a tenth of its size, against the gateway and against a control
	@$(BIN)/python scripts/faults.py --size scaled

faults-full: $(COMPILED) ## The fault catalogue with its full counts and times (hours)
	@$(BIN)/python scripts/faults.py --size full

bench: $(COMPILED) ## Gateways side by side: ours, nginx, and those that bench-peers installed (BENCH="--rounds 5")
	@$(BIN)/python -m scripts.bench $(BENCH)

micro: $(COMPILED) ## The hot functions, timed one by one (MICRO="-k relay")
	@$(BIN)/python -m pytest -q tests/micro --benchmark-enable --benchmark-columns=median,iqr,ops,rounds \
		--benchmark-sort=name --benchmark-min-time=0.001 --benchmark-timer=time.process_time $(MICRO)

bench-peers: ## Install the gateways that ours is compared with, each in an environment of its own
	@scripts/bench/peers.sh

test-engines: $(COMPILED) ## Real engines on this machine behind the gateway (installs several GB)
	@scripts/engines/setup.sh
	@$(BIN)/python -m pytest -q -m engines -s

fuzz: plain ## Any bytes at all that reads bytes, for SECS=60 in all; CASE=path tries one input again
	@$(BIN)/python -c 'import atheris' 2> /dev/null || $(PIP) --group fuzz > $(VENV)/install.log 2>&1 \
		|| echo "atheris cannot be installed here: no coverage guides the choice of inputs"
	@$(BIN)/python scripts/fuzz.py --secs $(or $(SECS),60) $(if $(CASE),--case $(CASE))

soak: $(COMPILED) ## Load for MINUTES=5 with a worker ill every ten seconds, and a verdict on every request (SEED=1)
	@$(BIN)/python scripts/soak.py --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

run: $(COMPILED) ## A gateway with no workers on port 30000
	@$(BIN)/smg launch

clean: ## Remove the virtual environment and caches
	find smg -name '*.so' -delete
	rm -rf $(VENV) dist .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info

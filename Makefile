# Every habit of the project is one word: make run, make test, make fuzz, make check, make bench, make matrix, make samples, make screenshot.
# Each sets up what it needs first; a second call finds it in place.

PY := .venv/bin/python
RUNTIME := .venv/.installed
DEVELOPMENT := .venv/.installed-development
TSC := node_modules/.bin/tsc
.DEFAULT_GOAL := help
.PHONY: help install develop run test fuzz check check-python check-viewer format bench matrix samples screenshot clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(RUNTIME): requirements.txt
	@echo "Setting up .venv (the first time takes a few minutes: torch is large)"
	@sh scripts/install.sh requirements.txt
	@touch $@

$(DEVELOPMENT): requirements.txt tests/requirements.txt
	@echo "Setting up .venv with the packages for tests"
	@sh scripts/install.sh requirements.txt tests/requirements.txt
	@touch $(RUNTIME) $@

install: $(RUNTIME) ## the set-up alone
develop: $(DEVELOPMENT)

run: $(RUNTIME) ## open Lightbox in the browser (http://127.0.0.1:8501)
	@$(PY) -m streamlit run app.py

test: $(DEVELOPMENT) ## all tests; choose with ARGS="tests/rules -k plus"
	@$(PY) -m pytest $(ARGS)

fuzz: $(DEVELOPMENT) ## thousands of random networks against autograd and their own books; ARGS="--count 500 --seed 7"
	@$(PY) -m tests.fuzz --count 3000 $(ARGS)

check: check-python check-viewer ## ruff, mypy, import directions, types of the viewer

check-python: $(DEVELOPMENT)
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

# The viewer is plain JavaScript with types in comments. Where npm is missing its check is left out, aloud.
check-viewer:
	@if [ ! -f package.json ]; then echo "viewer: no package.json, nothing to check"; \
	elif ! command -v npm >/dev/null; then echo "viewer: types not checked, npm is not installed"; \
	elif ! $(MAKE) --no-print-directory $(TSC); then echo "viewer: types not checked, the packages of package.json cannot be installed"; \
	else $(TSC) --project . && echo "viewer: types hold"; fi

$(TSC): package.json
	@npm install --silent --no-audit --no-fund --no-save
	@touch $@

format: $(DEVELOPMENT) ## let ruff write the code's form
	@.venv/bin/ruff check --fix . && .venv/bin/ruff format .

bench: $(DEVELOPMENT) ## measured time and memory beside other libraries; ARGS="--write" puts the table into the README
	@$(PY) -m tests.benchmarks $(ARGS)

matrix: $(DEVELOPMENT) ## every explainer on every network; ARGS="--write" puts the table into the README
	@$(PY) -m tests.matrix $(ARGS)

samples: $(DEVELOPMENT) ## render the packaged films again
	@$(PY) scripts/make_samples.py $(ARGS)

screenshot: $(DEVELOPMENT) ## the picture at the top of the README, from the running page
	@$(PY) scripts/screenshot.py $(ARGS)

clean: ## remove caches, keep .venv
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis htmlcov .coverage

# Everything a person or a CI runs, by the same name. `make` alone lists it.
#
# Setting up is done by stamps (.venv/stamps/*): each names the files it was made from, so that a second run does nothing
# and needs no network. Remove .venv to begin anew. What a step does stands in scripts/; here stands only what depends on what.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
# Never asks, never looks for a newer pip; whatever index the machine is set up with is used, with hashes that must match.
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input
say = @printf 'runwire setup: %s\n'

# The client is a package of its own in the same repository; `runwire run` needs it.
PACKAGES := . $(patsubst %/pyproject.toml,%,$(wildcard clients/python/pyproject.toml))
EDITABLES := $(addprefix -e ,$(PACKAGES))

##@ Begin
.PHONY: help
help: ## List what there is
	@awk 'BEGIN { FS = ":.*## " } /^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z][a-z-]*:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: setup
setup: $(STAMPS)/local $(STAMPS)/dev ## Set up everything that running, testing and checking need

$(STAMPS)/venv:
	@scripts/venv.sh $(VENV)
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/run: requirements/run.txt | $(STAMPS)/venv
	$(say) "installing the server's dependencies (pinned, with hashes)"
	@$(PIP) install -qq --require-hashes -r $<
	@touch $@

$(STAMPS)/dev: requirements/dev.txt | $(STAMPS)/run
	$(say) "installing the tools for tests and checks (pinned, with hashes)"
	@$(PIP) install -qq --require-hashes -r $<
	@touch $@

$(STAMPS)/local: $(addsuffix /pyproject.toml,$(PACKAGES)) | $(STAMPS)/run
	$(say) "installing this checkout: $(PACKAGES)"
	@$(PIP) install -qq --no-deps --no-build-isolation $(EDITABLES)
	@touch $@

WEB_SOURCES := $(shell find clients/web -name node_modules -prune -o -name dist -prune -o -type f -print 2>/dev/null)

# A stamp that is not empty holds the reason why its step was skipped; whoever needs the step says it and does not try again.
$(STAMPS)/web: $(WEB_SOURCES) requirements/node.txt scripts/web.sh | $(STAMPS)/venv
	@scripts/web.sh build $@

$(STAMPS)/chromium: requirements/run.txt | $(STAMPS)/local
	@$(BIN)/python scripts/chromium.py $@

# A headless shell does for everything else: only the tests ask for a whole one (another 80 MB with apt-get).
$(STAMPS)/whole-chromium: requirements/run.txt | $(STAMPS)/chromium
	@$(BIN)/python scripts/chromium.py --whole $@

.PHONY: web
web: | $(STAMPS)/venv ## Build the web page again (clients/web)
	@scripts/web.sh build
	@: >$(STAMPS)/web

.PHONY: chromium
chromium: | $(STAMPS)/local ## Look for a Chromium again, or get one
	@$(BIN)/python scripts/chromium.py
	@: >$(STAMPS)/chromium

##@ Use
.PHONY: run
run: $(STAMPS)/local $(STAMPS)/web $(STAMPS)/chromium ## Set up what is missing and start the server on 127.0.0.1:8700, data in ./data
	@cat $(STAMPS)/web $(STAMPS)/chromium
	@$(BIN)/runwire db upgrade
	@exec $(BIN)/runwire serve

##@ Trust
# A test with real processes and deadlines may miss one on a starved machine. It is run once more, with the first failure
# in the summary; six failures in one suite, or one of a unit test, are believed at once (docs/decisions/0001-packaging.md).
ONCE_MORE := --reruns 1 --max-suite-reruns 5 --rerun-exclude-path tests/unit --rerun-show-tracebacks

.PHONY: test
test: setup $(STAMPS)/web $(STAMPS)/chromium $(STAMPS)/whole-chromium ## Set up everything and run the whole suite, browser tests included
	@cat $(STAMPS)/web $(STAMPS)/chromium $(STAMPS)/whole-chromium
	$(BIN)/python -m pytest -m 'not faults' $(ONCE_MORE)
	scripts/web.sh test

.PHONY: coverage
coverage: setup $(STAMPS)/web $(STAMPS)/chromium $(STAMPS)/whole-chromium ## The suite with branch coverage: missing lines here, HTML in htmlcov/
	$(BIN)/python -m pytest -m 'not faults' --cov --cov-report=term-missing:skip-covered --cov-report=html

.PHONY: faults
faults: setup $(STAMPS)/chromium ## The long fault tests: kills, cuts, freezes, leaks (under 15 minutes)
	$(BIN)/python -m pytest -m 'faults and not soak' --timeout=600

.PHONY: soak
soak: setup ## Half an hour of load with faults: nothing lost, nothing grown
	$(BIN)/python -m pytest -m soak --timeout=2400

# Every gate is a target of its own, so that one can be repeated alone; `make -k check` goes on after a failure.
PYTHON_FOLDERS = $(wildcard server clients/python alembic tests bench examples scripts)
TYPED_FOLDERS = $(wildcard server clients/python tests bench examples scripts)

.PHONY: check
check: check-format check-lint check-types check-floors check-migrations check-schema check-web check-docs check-wheel ## All gates

.PHONY: check-format
check-format: setup ## ruff format, changing nothing
	$(BIN)/ruff format --check $(PYTHON_FOLDERS)

.PHONY: check-lint
check-lint: setup ## ruff check
	$(BIN)/ruff check $(PYTHON_FOLDERS)

.PHONY: check-types
check-types: setup ## mypy --strict on source and tests
	$(BIN)/mypy $(TYPED_FOLDERS)

.PHONY: check-floors
check-floors: setup ## import-linter: the floors of the house
	$(BIN)/lint-imports

.PHONY: check-migrations
check-migrations: setup ## The migrations lead to exactly the tables of the code
	scripts/check_migrations.sh

.PHONY: check-schema
check-schema: setup ## docs/api holds the schemas that the code makes
	$(BIN)/runwire schema --check docs/api

.PHONY: check-web
check-web: setup ## The page's types fit, and those of the protocol are the schemas'
	scripts/web.sh check

.PHONY: check-docs
check-docs: setup ## Links, paths and settings that the documents name exist
	$(BIN)/python scripts/generated_docs.py --check
	$(BIN)/python scripts/check_docs.py

.PHONY: check-wheel
check-wheel: setup $(STAMPS)/web ## Build the packages and look into them
	@cat $(STAMPS)/web
	$(BIN)/python scripts/check_wheel.py

.PHONY: format
format: setup ## Let ruff mend format and imports
	$(BIN)/ruff check --fix $(PYTHON_FOLDERS)
	$(BIN)/ruff format $(PYTHON_FOLDERS)

##@ Measure
.PHONY: bench
bench: setup ## Runwire beside a bare uvicorn endpoint: every row of the goals table (about ten minutes)
	$(BIN)/python -m bench

.PHONY: bench-quick
bench-quick: setup ## The same, the main rows only (about one minute)
	$(BIN)/python -m bench --quick

.PHONY: bench-browser
bench-browser: setup $(STAMPS)/chromium ## The browser host beside a cold browser per run and a kept one per thread (about six minutes)
	$(BIN)/python -m bench.browser

.PHONY: bench-isolation
bench-isolation: setup ## Start to first event of an agent in a process of its own, beside one in a thread (ten seconds)
	$(BIN)/python -m bench.isolation

.PHONY: bench-ui
bench-ui: setup $(STAMPS)/web $(STAMPS)/chromium ## The page in real Chromium: frames while it streams, size and first paint of long runs (about two minutes)
	@cat $(STAMPS)/web $(STAMPS)/chromium
	$(BIN)/python -m bench.page

##@ Keep
.PHONY: docs
docs: setup ## Write the pages that are made from the code (settings, states, schemas), and the page's types from those
	$(BIN)/python scripts/generated_docs.py
	$(BIN)/runwire schema --out docs/api
	scripts/web.sh types

.PHONY: images
images: setup $(STAMPS)/web $(STAMPS)/chromium ## Photograph the page and a terminal anew (docs/images)
	@cat $(STAMPS)/web $(STAMPS)/chromium
	$(BIN)/python scripts/images.py

.PHONY: pins
pins: setup ## Write requirements/*.txt anew from pyproject.toml
	scripts/pins.sh

.PHONY: clean
clean: ## Remove everything made here but ./data
	rm -rf $(VENV) build dist htmlcov .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	rm -rf server/runwire/static clients/web/node_modules clients/web/dist
	find server clients tests bench examples scripts alembic -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

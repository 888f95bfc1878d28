# Everything runs from here. A machine needs Python 3.11 or later and make; the rest is fetched from PyPI
# into this directory, pinned by hash (local/uv.txt for uv itself, uv.lock for all that uv installs).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# python3.13 is what the cloud runs; any python3 from 3.11 on will do.
PYTHON ?= $(shell for p in python3.13 python3 python3.14 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
UV := .uv/bin/uv
PACKAGE := layers/common/python/contactsync
REQUIREMENTS := layers/common/python/requirements.txt
SOURCES = $(wildcard $(PACKAGE) functions local tests bench)

export UV_PYTHON_DOWNLOADS := never
# As pip does: what the system trusts (a company's own proxy, too) is trusted here.
export UV_SYSTEM_CERTS ?= 1
export UV_CACHE_DIR ?= $(if $(HOME),$(HOME)/.cache/uv,$(CURDIR)/.cache/uv)
export SAM_CLI_TELEMETRY := 0

run: .venv/.ready ## start everything on this machine (ALLOW_HOSTS=host:port,… lets sources read private hosts)
	@exec .venv/bin/python -m local

# Processes of tests, each with a stack of its own. Tests of one file stay together, for they share what is dear to set up;
# unit tests, the shortest, come last, so that no process waits long for another.
WORKERS ?= 2
test: .venv/.ready ## run all tests (ARGS="-k phone" narrows them, WORKERS=0 keeps them in one process)
	.venv/bin/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-thorough: .venv/.ready ## the property tests with twenty times the examples, others in each run
	env -u CI HYPOTHESIS_PROFILE=thorough .venv/bin/pytest -n $(WORKERS) tests/property --timeout 3600 $(ARGS)

fuzz-api: .venv/.ready ## 2,000 requests made from the OpenAPI document, against the local stack
	FUZZ=70 .venv/bin/pytest --timeout 3600 tests/journeys/test_fuzzed.py -rP --show-capture=stdout $(ARGS)

fuzz: .venv/.ready ## 20,000 odd inputs for each reader of files, cards, rules and providers' answers; 200 odd bodies for each operation
	env -u CI HYPOTHESIS_PROFILE=fuzz FUZZ=200 .venv/bin/pytest --timeout 3600 tests/property/test_odd_answers_are_read.py tests/property/test_any_bytes_end.py \
		tests/unit/test_api_fuzzed.py --hypothesis-show-statistics $(ARGS)

SECONDS ?= 60
fuzz-guided: .venv-guided/.ready ## odd inputs for the same readers, chosen by coverage, each for SECONDS (60); ARGS="files card" names some
	@for law in $(or $(ARGS),files google microsoft carddav card rule); do \
		echo "$$law"; .venv-guided/bin/python -m tests.support.guided $$law -max_total_time=$(SECONDS) -print_final_stats=1 2>&1 | grep -v Instrumenting; done

faults: .venv/.ready ## let every call to a table, bucket or provider fail in every way, and N seeds of random faults (make test: one call in 37)
	FAULTS=all N=$(N) SEED=$(SEED) .venv/bin/pytest -n $(WORKERS) --maxschedchunk 1 tests/faults --timeout 3600 $(ARGS)

check: .venv/.ready .venv-sam/.ready ## lint, types, import rules, template, state machine
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy $(SOURCES)
	.venv/bin/lint-imports
	.venv/bin/cfn-lint template.yaml
	AWS_ACCESS_KEY_ID=none AWS_SECRET_ACCESS_KEY=none AWS_DEFAULT_REGION=eu-west-1 .venv-sam/bin/sam validate --lint --template template.yaml
	.venv/bin/python -m local.asl_lint statemachine/*.yaml
	@$(UV) lock --check --quiet || { echo "uv.lock does not fit pyproject.toml: run make lock"; exit 1; }
	@$(EXPORT) | diff -q - $(REQUIREMENTS) >/dev/null || { echo "$(REQUIREMENTS) does not fit uv.lock: run make lock"; exit 1; }

format: .venv/.ready ## put the code into the one format
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

bench: .venv-bench/.ready ## measure against named peers, and the cold start of each handler
	.venv-bench/bin/python -m bench $(ARGS)

million: .venv/.ready ## a million rows through the state machine on the local stack (ARGS="--rows 50000" for a look)
	.venv/bin/python -m bench.million $(ARGS)

load: .venv/.ready ## 200 accounts on the local stack, 20 imports at once, schedules firing (ARGS="--accounts 20 --schedules 4" for a look)
	.venv/bin/python -m bench.load $(ARGS)

audit: .venv-audit/.ready .cache ## security findings in the template, known vulnerabilities in the lock
	.venv-audit/bin/checkov --file template.yaml --framework cloudformation --quiet --compact
	.venv-audit/bin/pip-audit --requirement $(REQUIREMENTS) --disable-pip --require-hashes --format json --output .cache/audit.json
	@$(PYTHON) -c 'import json; found = json.load(open(".cache/audit.json"))["dependencies"]; unknown = [one["name"] for one in found if "skip_reason" in one]; \
		print(f"{len(found) - len(unknown)} of {len(found)} packages were looked up.", *(["THE OTHERS WERE NOT: this says nothing of", *unknown] if unknown else []))'

.cache:
	@mkdir -p $@

build: .venv-sam/.ready ## build functions and layer for AWS
	PATH="$(CURDIR)/.uv/bin:$$PATH" .venv-sam/bin/sam build

# An environment is a section of samconfig.toml; one that is not there yet is asked for.
ENV ?= default
KNOWN := $(shell grep -s '^\[$(ENV)[.]deploy[.]' samconfig.toml)
NAMED := $(if $(filter default,$(ENV)),contact-sync,contact-sync-$(ENV))
ASKED := --guided --confirm-changeset --stack-name $(NAMED) --parameter-overrides Environment=$(if $(filter default,$(ENV)),production,$(ENV))

deploy: build ## deploy to AWS (asks at first, remembers the answers; ENV=staging is a second environment beside the first)
	.venv-sam/bin/sam deploy --config-env $(ENV) $(if $(KNOWN),,$(ASKED)) --capabilities CAPABILITY_IAM

account: .venv/.ready ## make a customer's account in a deployed stack (STACK=… NAME=… EMAIL=… COUNTRY=GB, PLAN=… if not the default)
	@.venv/bin/python -m contactsync account --stack "$(STACK)" --name "$(NAME)" --email "$(EMAIL)" --country "$(COUNTRY)" --plan "$(PLAN)"

accounts: .venv/.ready ## list, show, suspend, resume, delete accounts, change their plans (STACK=… DO="plan a01… business contacts=50000")
	@.venv/bin/python -m contactsync accounts --stack "$(STACK)" $(DO)

redeliver: .venv/.ready ## send the events of the dead-letter queue again (STACK=…)
	@.venv/bin/python -m contactsync redeliver --stack "$(STACK)"

redrive: .venv/.ready ## take up again the runs that failed for a reason of ours (STACK=…; DRY_RUN=1 only lists)
	@.venv/bin/python -m contactsync redrive --stack "$(STACK)" $(if $(DRY_RUN),--dry-run)

lock: $(UV) ## resolve the dependencies anew and export the layer's share
	$(UV) lock
	$(EXPORT) > $(REQUIREMENTS)

docs: .venv/.ready ## write docs/errors.md and the API's OpenAPI document anew from the code
	.venv/bin/python -m tests.docs.catalogue
	.venv/bin/python -m tests.docs.openapi

costs: .venv/.ready ## write docs/costs.md anew: what AWS asks for it, from the template
	.venv/bin/python -m bench.cloud

clean: ## remove what make made: environments, caches, builds, the local stack's files
	rm -rf .venv .venv-* .uv .local .aws-sam .cache .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|' 2>/dev/null \
		|| grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST)

EXPORT = $(UV) export --quiet --frozen --no-default-groups --no-emit-project --no-header

$(UV): local/uv.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed and was not found. Install it, or say where it is: make PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -m venv .uv || { echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	.uv/bin/pip install --quiet --disable-pip-version-check --require-hashes --requirement local/uv.txt
	@touch $@

# Each environment holds what cannot live in another: sam and checkov pin boto3 to versions of their own.
.venv/.ready: uv.lock pyproject.toml $(UV)
	UV_PROJECT_ENVIRONMENT=.venv $(UV) sync --quiet --frozen --python $(PYTHON)
	@touch $@
.venv-bench/.ready: uv.lock pyproject.toml $(UV)
	UV_PROJECT_ENVIRONMENT=.venv-bench $(UV) sync --quiet --frozen --python $(PYTHON) --no-default-groups --group test --group bench
	@touch $@
.venv-guided/.ready: uv.lock pyproject.toml $(UV)
	UV_PROJECT_ENVIRONMENT=.venv-guided $(UV) sync --quiet --frozen --python $(PYTHON) --no-default-groups --group test --group guided
	@touch $@
.venv-sam/.ready .venv-audit/.ready: .venv-%/.ready: uv.lock pyproject.toml $(UV)
	UV_PROJECT_ENVIRONMENT=.venv-$* $(UV) sync --quiet --frozen --python $(PYTHON) --only-group $*
	@touch $@

.PHONY: costs million run test fuzz fuzz-api fuzz-guided faults test-thorough check format bench audit build deploy account accounts redeliver redrive docs lock clean help

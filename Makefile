# Everything is installed into .local/ of the checkout. `make help` lists the targets.
PYTHON ?= python3
PEOPLE ?= 5000
SEEDS ?= 300
ARGS ?=
DEV := .local/venvs/dev/bin
PICTURES := list-overview fields person holds automations
# By name, since what is called console is left out: most of it is no Python.
CONSOLE := functions/console/handler.py
# sam validate asks for a region, whatever the template says; nobody is called.
SAM := AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0 __SAM_CLI_APP_DIR=.local/sam .local/venvs/sam/bin/sam

.DEFAULT_GOAL := help
.PHONY: help run test endtoend check stack twins stop bench screenshots simulate console dev sam

help: ## this list
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: dev ## local AWS, app, twins, an initial sync; stays until Ctrl-C (PEOPLE=5000, ARGS=)
	@$(DEV)/python -m local run --people $(PEOPLE) $(ARGS)

stack: dev ## local AWS with the app deployed; returns when ready
	@$(DEV)/python -m local up $(ARGS)

twins: dev ## the twins alone (PEOPLE=5000, ARGS=)
	@$(DEV)/python -m local twins --people $(PEOPLE) $(ARGS)

stop: dev ## ends what the others started
	@$(DEV)/python -m local stop

test: check ## every check and every test but that of killed workers
	@# The end-to-end tests mostly wait, so all others run meanwhile, on what is left of the machine.
	@$(DEV)/python -m pytest tests/e2e --ignore tests/e2e/test_trouble.py $(ARGS) \
		> .local/endtoend.log 2>&1 & waiting=$$!; \
	nice -n 10 $(DEV)/python -m pytest -n 2 --ignore tests/e2e $(ARGS); others=$$?; \
	wait $$waiting; endtoend=$$?; cat .local/endtoend.log; \
	exit $$((others + endtoend))

endtoend: dev sam ## all end-to-end tests, that of killed workers too
	$(DEV)/python -m pytest tests/e2e $(ARGS)

check: dev sam ## style, types, the template and the console
	$(DEV)/ruff check . $(CONSOLE)
	$(DEV)/ruff format --check . $(CONSOLE)
	$(DEV)/mypy layers/core/python functions $(CONSOLE) local bench tests
	$(SAM) validate --lint
	@$(DEV)/python -m local.frontend check

console: ## the staff console, which sam build and the local stack build too
	@$(PYTHON) -m local.frontend build

screenshots: dev sam ## pictures of the console in .local/screenshots, those of docs/console.md too
	$(DEV)/python -m pytest tests/e2e/test_console.py -k "guide or every_page or persons_page"
	@for name in $(PICTURES); do cp .local/screenshots/1280/$$name.png docs/images/; done

simulate: dev ## the whole application under faults, from seeds (SEEDS=300)
	PYTHONPATH=layers/core/python $(DEV)/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

bench: dev ## counts and ratios of one run
	PYTHONPATH=layers/core/python $(DEV)/python -m bench $(ARGS)

dev:
	@$(PYTHON) -m local.venvs dev

sam:
	@$(PYTHON) -m local.venvs sam

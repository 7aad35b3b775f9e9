# One word each; every target installs what it needs first, into .venv, so none depends on another having been run.
.DEFAULT_GOAL := help
.PHONY: help demo test check format train bench build emulate sam-local clean

# The first Python of a supported version that really starts; override with `make PYTHON=/path/to/python3 …`.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
SAM := .venv-sam/bin/sam
CHECKOV := .venv-checkov/bin/checkov
export SAM_CLI_TELEMETRY = 0

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/ready ## upload the sample images to an embedded cloud and show the predictions
	@$(BIN)/python -m infra demo

test: .venv/ready ## run every test but those of the package, which emulate runs
	$(BIN)/python -m pytest $(ARGS)

check: .venv/ready .venv-sam/ready .venv-checkov/ready ## check format, lint, types and the template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint
	$(CHECKOV) --file template.yaml --framework cloudformation --quiet --compact --skip-download

format: .venv/ready ## format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

train: .venv/ready ## train the model that ships (four hours on two cores), or go on after an interruption, into handler/artifact
	@$(BIN)/python -m training.recipes.fashion_mnist $(if $(PRECISION),--precision $(PRECISION))

bench: .venv/ready ## measure cold start, speed and memory
	@$(BIN)/python -m infra bench

build: .venv/ready .venv-sam/ready ## make the deployable package and print its size
	$(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)

emulate: export ARCHITECTURE := $(subst aarch64,arm64,$(shell uname -m))
emulate: build ## run every event through the package under AWS's own emulator (Linux, no Docker)
	$(BIN)/python -m pytest -m emulator --no-cov $(ARGS)

sam-local: build ## run every event through sam local invoke (needs Docker)
	@$(BIN)/python -m infra sam-local --architecture $(ARCHITECTURE)

clean: ## remove everything that was installed, built or trained
	rm -rf .venv .venv-sam .venv-checkov .aws-sam .demo .training .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

# `sam build` calls this one for template.yaml's ScoringFunction. It does not pass the architecture on, so the environment does.
export ARCHITECTURE ?= x86_64
.PHONY: build-ScoringFunction
build-ScoringFunction: .venv/ready
	@$(BIN)/python -m infra package "$(ARTIFACTS_DIR)" --architecture $(ARCHITECTURE)

.venv/ready: requirements.txt constraints.txt handler/requirements.txt
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11, 3.12 or 3.13 on the PATH; set PYTHON=/path/to/python3"; exit 1; }
	@echo "installing into .venv, about 2.2 GB, most of it TensorFlow"
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

# A virtual environment of its own: the SAM CLI pins exact versions of libraries that are used here too.
.venv-sam/ready: Makefile
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11, 3.12 or 3.13 on the PATH; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv --clear .venv-sam
	.venv-sam/bin/python -m pip install --quiet --disable-pip-version-check aws-sam-cli==1.170.0
	@touch $@

# Another one of its own, for the same reason.
.venv-checkov/ready: Makefile
	@test -n "$(PYTHON)" || { echo "error: expected Python 3.11, 3.12 or 3.13 on the PATH; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv --clear .venv-checkov
	.venv-checkov/bin/python -m pip install --quiet --disable-pip-version-check checkov==3.3.30
	@touch $@

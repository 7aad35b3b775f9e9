# Every target first installs what it needs into .venv, so that no target needs another one to have been run before.
.DEFAULT_GOAL := help
.PHONY: help demo score test check format train bench build emulate rehearse soak mutants ray docs docs-check sam-local lock audit clean

# The first Python of a supported version that really starts; override with `make PYTHON=/path/to/python3 …`.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
	$(name) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $(name))))
BIN := .venv/bin
SAM := .venv-sam/bin/sam
CHECKOV := .venv-checkov/bin/checkov
export SAM_CLI_TELEMETRY = 0

# Targets run one at a time, since several install into .venv.
.NOTPARALLEL:

define create
@test -n "$(PYTHON)" || { echo "error: expected Python 3.11, 3.12 or 3.13 on the PATH; set PYTHON=/path/to/python3"; exit 1; }
$(PYTHON) -m venv --clear $(1)
endef

# Packages are not compiled when they are installed: each module is compiled once, at its first import.
unexport PYTHONDONTWRITEBYTECODE

# uv installs several times as fast as pip. pip does it where there is no uv, or where uv finds no package index, since uv reads
# none of pip's settings. Both are told to be quiet about all but errors.
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
PIP_OPTIONS := -qq --disable-pip-version-check --no-compile
install = $(if $(UV),uv pip install --quiet --python $(1)/bin/python $(2) || )$(1)/bin/python -m pip install $(PIP_OPTIONS) $(2)

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

demo: .venv/coatcheck ## upload the sample images to an embedded cloud and show the predictions
	@$(BIN)/coatcheck demo

# IMAGES may begin with ~, which the command itself reads. MODEL is the folder of an artifact, or the name of one that ships.
OUT ?= scored
score: .venv/coatcheck ## score IMAGES=FOLDER here, by MODEL=clothes-photos or another; the documents, a table and a page are written to OUT=scored
	@test -n "$(IMAGES)" || { echo "error: expected a folder of images; run make score IMAGES=~/photos"; exit 2; }
	@$(BIN)/coatcheck score "$(IMAGES)" $(if $(MODEL),--artifact "$(MODEL)") --out "$(OUT)/documents" --failed "$(OUT)/failed.txt" \
		--table "$(OUT)/predictions.csv" --page "$(OUT)/predictions.html"

# One process more than there are cores, since many tests wait for others; four at most, since a process that has
# loaded TensorFlow takes up to 1.6 GB. More threads of TensorFlow would only get in each other's way.
PROCESSES ?= $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
test: export TF_NUM_INTRAOP_THREADS = 1
test: export TF_NUM_INTEROP_THREADS = 1
test: .venv/test .venv/train .venv/coatcheck .venv-ministack/ready ## run every test but those of the package, which emulate runs
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --dist loadfile --no-loadscope-reorder --cov=handler $(ARGS)

check: .venv/test .venv/train .venv-sam/ready .venv-checkov/ready ## check format, lint, types and the template
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/cfn-lint template.yaml
	AWS_DEFAULT_REGION=us-east-1 $(SAM) validate --lint
	$(CHECKOV) --file template.yaml --framework cloudformation --quiet --compact --skip-download

format: .venv/test ## format the code and fix what can be fixed
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

train: .venv/train ## train the model that ships (six hours on two cores), or go on after an interruption, into handler/artifact
	@$(BIN)/python -m training.recipes.fashion_mnist $(if $(PRECISION),--precision $(PRECISION))

# QUICK=1 shows in a minute that it works, and writes nothing unless RESULTS names a folder.
RESULTS ?= $(if $(QUICK),,docs/bench)
bench: build .venv/coatcheck .venv/train .venv-peers/ready ## measure speed, starts and memory against peers, into docs/bench; QUICK=1 for a glance
	@$(BIN)/coatcheck bench $(if $(QUICK),--quick) $(if $(RESULTS),--out $(RESULTS))

build: .venv/coatcheck .venv-sam/ready ## make the deployable package and print its size
	$(SAM) build --parameter-overrides Architecture=$(ARCHITECTURE)

emulate rehearse: export ARCHITECTURE := $(subst aarch64,arm64,$(shell uname -m))
# The package runs on this machine here, with its libstdc++; 3.4.30 is what the libraries for arm64 need.
emulate rehearse: export GLIBCXX ?= 3.4.30
emulate: build .venv/test ## run every event through the package under AWS's own emulator (Linux, no Docker)
	$(BIN)/python -m pytest -m emulator $(ARGS)

rehearse: build .venv-ministack/ready ## deploy the package to a second emulator, and use the stack as an operator does (Linux)
	@$(BIN)/coatcheck rehearse

# The tests that `make test` runs in a bounded form are run in full here; nothing depends on it, so it is run by hand and nightly.
# SOAK_SECONDS is the time of all fuzzers together.
soak: export SOAK_SECONDS ?= 420
soak: .venv/test .venv/train .venv/coatcheck .venv-ministack/ready .venv-fuzz/ready ## run every fault, history and fuzzer in full (an hour)
	$(BIN)/python -m pytest -m soak --no-cov $(ARGS)

MUTANTS ?= 1000
SEED ?= 27
mutants: .venv/test .venv/train .venv/coatcheck .venv/mutants .venv-ministack/ready ## break each guard, and MUTANTS=1000 places of the function drawn by SEED, and count what the tests notice (hours)
	$(BIN)/python -m tests.mutants.guards
	$(BIN)/python -m tests.mutants.sampling $(MUTANTS) $(SEED)

ray: .venv/test .venv-ray/ready ## score files over a cluster of Ray, and compare the rows with those of coatcheck score
	$(BIN)/python -m pytest -m ray --no-cov tests/infra/ray $(ARGS)

docs: .venv-docs/ready ## serve the documentation site on http://127.0.0.1:8000, built again when a page changes
	@$(PYTHON) -m infra.site serve

docs-check: .venv-docs/ready ## build the documentation site into .site, and find links that lead nowhere
	@$(PYTHON) -m infra.site check

sam-local: build ## run every event through sam local invoke (needs Docker)
	@$(BIN)/coatcheck sam-local --architecture $(ARCHITECTURE)

lock: $(if $(UV),,.venv-uv/ready) ## lock what each group of pyproject.toml needs; LOCK_OPTIONS=--upgrade takes newer versions
	PATH="$(CURDIR)/.venv-uv/bin:$$PATH" $(PYTHON) -m infra.lock $(LOCK_OPTIONS)

audit: .venv-audit/ready ## ask the database of known vulnerabilities about everything that is locked (needs the network)
	@.venv-audit/bin/python -m infra.supply

clean: ## remove everything that was installed, built or trained
	rm -rf .venv .venv-sam .venv-checkov .venv-peers .venv-ray .venv-ministack .venv-fuzz .venv-audit .venv-docs .venv-uv *.egg-info
	rm -rf .aws-sam .cache .demo .fuzz .site .training mutants .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage

# `sam build` calls this target for ScoringFunction. It does not pass the architecture or HEIC on, so the environment does.
export ARCHITECTURE ?= x86_64
export HEIC
.PHONY: build-ScoringFunction
build-ScoringFunction: .venv/coatcheck
	@$(BIN)/coatcheck package "$(ARTIFACTS_DIR)" --architecture $(ARCHITECTURE) $(if $(GLIBCXX),--glibcxx $(GLIBCXX)) $(if $(HEIC),--heic)

# Each group of pyproject.toml is added to .venv by its lock; what other targets have put there stays.
.venv/cloud .venv/test .venv/train .venv/mutants: .venv/%: requirements/%.txt | .venv/python
	@echo "installing $< into .venv$(SIZE)"
	@$(call install,.venv,--require-hashes --no-deps -r $<)
	@touch $@
.venv/cloud: SIZE = , 0.4 GB
.venv/test: SIZE = , 0.5 GB
.venv/train: SIZE = , 1.6 GB, most of it TensorFlow

# The command `coatcheck`, which runs the files of this checkout.
.venv/coatcheck: pyproject.toml .venv/cloud
	@$(call install,.venv,--no-deps --no-build-isolation --editable .)
	@touch $@

.venv/python:
	$(call create,.venv)
	@touch $@

# Virtual environments of their own: the SAM CLI and checkov pin exact versions of libraries that are used here too.
# The peers of the benchmark have versions of their own too.
.venv-peers/ready: requirements/peers.txt handler/artifact/model.tflite
	$(call create,$(@D))
	@echo "installing $< into $(@D), 2 GB, most of it TensorFlow"
	@$(call install,$(@D),--require-hashes --no-deps -r $<)
	@TF_CPP_MIN_LOG_LEVEL=3 $(@D)/bin/python -m tf2onnx.convert --tflite handler/artifact/model.tflite \
		--output $(@D)/model.onnx --opset 18 >$(@D)/convert.log 2>&1 || { cat $(@D)/convert.log; exit 1; }
	@touch $@

# A cluster of Ray has an environment of its own, which each of its machines needs.
.venv-ray/ready: requirements/ray.txt
	$(call create,$(@D))
	@echo "installing $< into $(@D), 0.7 GB"
	@$(call install,$(@D),--require-hashes --no-deps -r $<)
	@touch $@

# A second emulator, which `make test` and `make rehearse` start on 127.0.0.1.
.venv-ministack/ready: requirements/ministack.txt
	$(call create,$(@D))
	@echo "installing $< into $(@D)"
	@$(call install,$(@D),--require-hashes --no-deps -r $<)
	@touch $@

# A fuzzer, with what the function needs and no more; what asks about known vulnerabilities; what builds the site.
.venv-fuzz/ready .venv-audit/ready .venv-docs/ready: .venv-%/ready: requirements/%.txt
	$(call create,$(@D))
	@echo "installing $< into $(@D)"
	@$(call install,$(@D),--require-hashes --no-deps -r $<)
	@touch $@

.venv-sam/ready: PACKAGE = aws-sam-cli==1.170.0
.venv-checkov/ready: PACKAGE = checkov==3.3.30
.venv-uv/ready: PACKAGE = uv==0.13.9
.venv-sam/ready .venv-checkov/ready .venv-uv/ready: Makefile
	$(call create,$(@D))
	@echo "installing $(PACKAGE) into $(@D)"
	@$(call install,$(@D),$(PACKAGE))
	@touch $@

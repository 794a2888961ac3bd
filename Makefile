# Everything a checkout needs: `make run` trains and evaluates, `make test` runs every check. Both make .venv first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)

PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3,$(if $(shell command -v $(name)),$(name))))
UV_VERSION := $(shell sed -n 's/^uv==\([^ ]*\).*/\1/p' envs/requirements.lock)
STAMP := .venv/.sensorium

IMAGE ?= sensorium
ENGINE ?= $(firstword $(foreach name,podman docker,$(if $(shell command -v $(name)),$(name))))
# The machine's settings for finding packages are passed to the build as secrets, which no layer keeps.
FOUND = $(firstword $(wildcard $(1)))
RESOLVER := $(call FOUND,$(HOME)/.config/pip/pip.conf /etc/pip.conf) \
	$(call FOUND,$(HOME)/.config/uv/uv.toml /etc/uv/uv.toml) $(call FOUND,/etc/ssl/certs/ca-certificates.crt)

.PHONY: help env run report studies test tests mutations image check format lock config clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

env: $(STAMP) ## make .venv from the lock file

# Installed beside the workflow, in place: packages/snakemake-executor-plugin-submitit
PLUGIN := packages/snakemake-executor-plugin-submitit

$(STAMP): envs/requirements.lock pyproject.toml $(wildcard $(PLUGIN)/pyproject.toml)
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or 3.12 is needed: apt-get install python3 python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' || \
		{ echo "$(PYTHON) is $$($(PYTHON) -V); Python 3.11 or 3.12 is needed (make env PYTHON=/path/to/python3.11)" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "$(PYTHON) lacks the venv module: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet uv==$(UV_VERSION)
	.venv/bin/uv pip install --python .venv/bin/python --compile-bytecode --require-hashes -r envs/requirements.lock
	.venv/bin/uv pip install --python .venv/bin/python --no-deps --no-build-isolation --editable . --editable $(PLUGIN)
	@touch $@

# Without a GPU as many programs at once as cores and memory allow. Small models gain little from many threads.
CORES = $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
HALF = $(shell echo $$((($(CORES) + 1) / 2)))
FREE_MB = $(shell awk '/^MemAvailable/ {print int($$2 / 1024)}' /proc/meminfo)
AT_ONCE = -j$(CORES) --max-threads $(HALF) --resources gpu=$(CORES) mem_mb=$(FREE_MB)

run: env ## the whole workflow on this machine -> results/eval.json
	snakemake --profile local $(if $(shell nvidia-smi --list-gpus 2>/dev/null),-j1,$(AT_ONCE))

report: env ## Snakemake's report of what was run -> report.html
	snakemake --report report.html

studies: env ## every study, many seeds each -> results/studies, then the tables of docs/studies.md
	snakemake --profile local -j1 studies
	sensorium study-tables results/studies/*.json

test: env ## run every check and every test
	$(MAKE) --no-print-directory --jobs 2 check tests

tests: env # in one run: those that wait beside those that compute (tests/conftest.py)
	pytest tests --numprocesses 5 --dist loadgroup

mutations: env ## break each mechanism in turn: its tests must turn red (minutes)
	python tests/mutations/mutations.py

image: ## the container image; IMAGE, BASE_IMAGE, ENGINE and IMAGE_FLAGS may be given
	@[ -n "$(ENGINE)" ] || { echo "podman or docker is needed to build an image" >&2; exit 1; }
	$(ENGINE) build $(IMAGE_FLAGS) --tag $(IMAGE) $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) \
		--build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		$(foreach file,$(RESOLVER),--secret id=$(notdir $(file)),src=$(file)) .

check: env ## format, lint, types
	ruff format --check .
	ruff check .
	snakefmt --check Snakefile rules workflow
	mypy
	snakemake --lint

format: env ## bring all sources into form
	ruff format .
	ruff check --fix .
	snakefmt Snakefile rules workflow

lock: env ## pin the newest versions that envs/requirements.in allows
	uv pip compile envs/requirements.in --upgrade --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-annotate --no-header --output-file envs/requirements.lock

config: env ## regenerate config.yaml, studies.yaml, their tables and the schema from the models
	python -m sensorium.config_export

clean: ## remove the environment and all caches, but no results
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache build src/*.egg-info packages/*/build packages/*/src/*.egg-info

# Two commands: `make lab` to learn, `make test` to check. `make help` lists the others.
# Needed: git, make and Python 3.11 or newer. Written for GNU Make 3.81 (macOS) and later.

PYTHON ?= python3
WORKERS = 2
ARGS =
VENV := .venv
BIN := $(VENV)/bin
# What make soak runs beside tests/soak: properties, with many more examples, and what is marked soak.
SOAKED = $(shell grep -rlE --include='test_*.py' --exclude-dir=soak '^@given|mark\.soak' tests)
# What has a test module of its own beside it, and neither a browser nor a process to wait for.
QUICK = tests/test_*.py tests/training tests/datasets tests/evaluation tests/experiments tests/audit tests/tutorial

# The stamp is written last, so that an interrupted build is built again, and its name holds TORCH,
# so that a later call without TORCH keeps the choice.
TORCH ?= $(or $(patsubst $(VENV)/.built-%,%,$(wildcard $(VENV)/.built-*)),default)
BUILT = $(VENV)/.built-$(TORCH)
# For one test, and apart: where torchmetrics is installed, lightning_fabric imports it, which takes
# every process that trains five seconds more and 100 MB.
LIGHTNING = $(VENV)/.lightning

# Python keeps what it compiles, also where the environment forbids it, as that of a container may:
# each start of torch would else compile it anew and take three times as long.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help lab explore test quick lint bench bench-ui bench-gpu soak notebooks instructor assignment site pictures picture hooks lock clean

help: ## show this text
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo '  ARGS="..."      handed on:  make lab ARGS="--no-browser --port 8890"   make test ARGS="-k losses"'
	@echo '  PYTHON=...      the Python to build with (3.11 or newer; default python3)'
	@echo '  WORKERS=...     processes that share the tests (default 2, each takes up to 2 GB; 0 for none)'
	@echo '  TORCH=cpu       for machines without a GPU: PyTorch comes from its own package index, without'
	@echo '                  the CUDA libraries, a far smaller download. Kept until "make clean".'

lab: $(BUILT) ## open JupyterLab on your own copies of the notebooks, in my-notebooks
	@$(BIN)/rnsl lab my-notebooks $(ARGS)

explore: $(BUILT) ## open the explorers alone, without code, for a lecture
	@$(BIN)/rnsl explore $(ARGS)

test: lint $(LIGHTNING) ## check the style and the types, run all tests, and print the coverage
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder $(or $(ARGS),--cov)

quick: $(BUILT) ## run the tests of the inner loop, in less than a minute
	@$(BIN)/python -m pytest -n $(WORKERS) -m 'not slow and not soak' --no-header $(QUICK) $(ARGS)

lint: $(BUILT) ## check the style and the types
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/lint-imports --no-logo --no-cache
	@$(BIN)/mypy

bench: $(BUILT) ## print the measured figures, which takes minutes (RNSL_AID names the AID images)
	@for name in noise knn features experiment lab notebook_runs scenes augmentation epoch scale audit_scale $(if $(RNSL_AID),data audit_time); do \
		$(BIN)/python benchmarks/$$name.py && echo || exit 1; done

bench-ui: $(BUILT) ## print how fast each slider repaints, in JupyterLab in Chromium
	@$(BIN)/python benchmarks/ui.py $(ARGS)

bench-gpu: $(BUILT) ## measure on a CUDA GPU in twelve minutes (ARGS=--small tries it on the CPU)
	@$(BIN)/python benchmarks/gpu.py $(ARGS)

soak: $(BUILT) ## try to break everything for half an hour or more, and write benchmarks/RELIABILITY.md
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -p tests.reliability -m 'soak or not soak' \
		--reliability benchmarks/RELIABILITY.md tests/soak $(SOAKED) $(ARGS)

notebooks: $(BUILT) ## write notebooks/*.ipynb anew from notebooks/source/*.py
	@$(BIN)/python notebooks/build.py

instructor: $(BUILT) ## write the notebooks with their solutions to build/instructor
	@$(BIN)/python notebooks/build.py --instructor build/instructor
	@echo 'Solved notebooks: build/instructor    Lesson plan: notebooks/TEACHING.md'

assignment: $(BUILT) ## write the notebooks for nbgrader to build/assignment: release, solution, tests
	@$(BIN)/python notebooks/assignment.py build/assignment
	@echo 'A course folder of nbgrader: build/assignment'

site: $(BUILT) ## execute the notebooks and build the site, which needs no kernel and no network, in build/site
	@$(BIN)/python docs/build.py $(ARGS)

pictures: $(BUILT) ## draw anew, in Chromium, what stands where explorers cannot move
	@$(BIN)/python tools/pictures.py $(ARGS)

picture: $(BUILT) ## record the moving picture of the README in Chromium
	@$(BIN)/python docs/moving_picture.py $(ARGS)

hooks: $(BUILT) ## let git check each commit: style, layout, notebooks, no images; types before a push
	@$(BIN)/pre-commit install

lock: ## compile requirements.lock from pyproject.toml; ARGS=--upgrade raises the pins
	$(call venv-with-uv,build/lock,uv)
	@build/lock/bin/uv pip compile --universal --python-version 3.11 --extra dev --extra lightning --generate-hashes \
		--no-emit-index-url --no-annotate --no-header -q $(ARGS) pyproject.toml -o requirements.lock
	@awk '$(UNHASHED)' requirements.lock > build/lock/unhashed && mv build/lock/unhashed requirements.lock

clean: ## remove the environment and everything else that was generated
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache

# PyTorch's own index has other files under the same versions, so their hashes stay out of the lock.
UNHASHED = /^[a-z]/ { bare = /^(torch|torchvision|triton)==/ } bare { sub(/ \\$$/, "") } !bare || !/--hash/

# The lock is handed over as constraints. pip takes uv by its hash, and uv the rest by theirs. It is universal: it also pins what other machines need,
# above all the CUDA libraries, which must stay away where TORCH=cpu leaves them out.
$(BUILT): pyproject.toml requirements.lock
	$(call venv-with-uv,$(VENV),-r $(VENV)/uv.txt)
	@$(BIN)/uv pip install --python $(BIN)/python -c requirements.lock \
		$(if $(filter-out default,$(TORCH)),--torch-backend $(TORCH)) -e ".[dev]"
	@touch $@

$(LIGHTNING): $(BUILT)
	@$(BIN)/uv pip install --python $(BIN)/python -c requirements.lock --no-deps -q \
		--target $(VENV)/lightning pytorch-lightning torchmetrics
	@touch $@

# An empty virtual environment in folder $(1) with uv in it; $(2) is what pip is asked for.
define venv-with-uv
	$(if $(problem),$(error $(problem)))
	@$(PYTHON) -m venv --clear $(1)
	@sed -n '/^uv==/,/[^\]$$/p' requirements.lock > $(1)/uv.txt
	@$(1)/bin/python -m pip install -q --disable-pip-version-check $(2)
endef

# What is wrong with $(PYTHON), in one line; nothing if it will do.
problem = $(shell \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || { \
		echo 'Python 3.11 or newer is needed; "$(PYTHON)" is older or missing: install one, or name one: PYTHON=python3.12'; exit; }; \
	$(PYTHON) -c 'import ensurepip, venv' >/dev/null 2>&1 || \
		echo 'The venv module of $(PYTHON) is missing: install it (Debian and Ubuntu: apt install python3-venv)')

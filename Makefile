# Two commands do everything: `make demo` and `make test`. Each builds .venv from requirements.lock when it has to.
SHELL := /bin/bash
# The first on the path that has venv and, for the engine, Python.h, unless another is faster by a tenth: some, as
# pyenv's, are compiled without profile-guided optimization.
MICROSECONDS := import ensurepip, os, sysconfig, time, timeit; os.stat(sysconfig.get_path("include") + "/Python.h"); \
  rounds = timeit.repeat("sorted(map(str, range(100_000)), key=len)", timer=time.process_time, number=1, repeat=9); \
  print(round(1e6 * min(rounds)))
PYTHON ?= $(shell best=python3.11; for python in $$(type -ap python3.12 python3.11); do \
  time=$$($$python -c '$(MICROSECONDS)' 2>/dev/null) || continue; \
  if [ $$((time * 10)) -lt $$(($${least:-1000000} * 9)) ]; then best=$$python least=$$time; fi; done; echo $$best)
CORPUS ?= libreoffice-help
BIN := .venv/bin
READY := .venv/.ready
TOOLS := .venv/.tools
PACKAGES := .venv/.packages
ENGINE := .venv/.engine
# A module stays in one process, which makes what its tests share once.
PARALLEL := -n 2 --dist loadscope --no-loadscope-reorder
# Two threads on a shared core are slower than one: parallelism comes from running trainings side by side.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1

.PHONY: help demo systems frontier wmt14-en-de wmt14-en-fr test test-slurm test-arm soak quick lint readmes bench wheels wheel-arm gpu-check lock clean

help: ## show this list
	@grep -hE '^[a-zA-Z0-9%_ -]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

INSTALL := $(BIN)/python -m pip install --quiet --no-compile
SOURCES := pyproject.toml $(shell find nmt_prune/runtime/src nmt_prune/runtime/CMakeLists.txt -type f)
# The engine is compiled while pip, which works on one core, installs the packages.
$(READY): requirements.lock $(SOURCES)
	@$(MAKE) --no-print-directory -j 2 $(PACKAGES) $(ENGINE)
	@touch -r $(ENGINE) $@  # what changed since then is compiled next time

$(TOOLS): requirements.lock
	@python="$(PYTHON)"; $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || \
	  { echo "nmt-prune needs Python 3.11 or 3.12; name one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }; \
	echo $$python -m venv .venv && $$python -m venv .venv
	$(INSTALL) $$(grep -E '^(cmake|nanobind|ninja|packaging|pathspec|scikit[-_]build[-_]core)==' requirements.lock)
	@touch $@

$(PACKAGES): $(TOOLS)
	$(INSTALL) "$$(grep '^torch==' requirements.lock)"
	$(INSTALL) -r requirements.lock
	@$(BIN)/python -m compileall -q -j 0 -x "/tests?/" .venv/lib >/dev/null || true  # pip does it on one core; some are templates
	@touch $@

# The compiled engine lies beside its sources: built anew when they change.
$(ENGINE): $(TOOLS) $(SOURCES)
	MAKEFLAGS= $(INSTALL) --no-deps --no-build-isolation -e .  # ninja would wait for make's other job
	@touch $@

demo: $(READY) ## real text, dense and pruned Transformers, table and plot (CORPUS=numbers for the five-minute one)
	$(BIN)/nmt-prune run nmt_prune/recipes/demo-$(CORPUS).yaml

systems: $(READY) ## every system on real text, three seeds, hours on 2 cores (CORPUS=numbers: one seed, ten minutes)
	$(BIN)/nmt-prune run nmt_prune/recipes/systems-$(CORPUS).yaml

frontier: $(READY) ## ours against lottery tickets at equal updates, three seeds, in sittings (CORPUS=numbers: minutes)
	$(BIN)/nmt-prune run nmt_prune/recipes/frontier-$(CORPUS).yaml

wmt14-en-de wmt14-en-fr: $(READY) ## download, clean and binarize WMT14 (OPTIONS="--mirror URL ...")
	$(BIN)/nmt-prune data $@ $(OPTIONS)

test: $(READY) ## lint, types and all tests, the slow ones too
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/python -m pytest $(PARALLEL) --durations=25

test-slurm: $(READY) ## a recipe on a SLURM of two nodes, installed from Debian's packages (as root)
	$(BIN)/python -m pytest -s -rs --durations=0 tests/experiments/execution/test_slurm.py

test-arm: $(READY) ## the engine for 64-bit ARM, compiled here and run by qemu (as root on Debian: it installs both)
	apt-get install --yes --no-install-recommends g++-aarch64-linux-gnu mmdebstrap qemu-user-static
	$(BIN)/python -m pytest -rs --durations=0 tests/runtime/test_arm.py

quick: $(READY) ## lint, types and the tests that train nothing
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

lint: $(READY) ## format and check
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/mypy

soak: $(READY) ## kills, full disks and damaged files strike small sweeps, which must end with the same bytes (OPTIONS="--kills 20")
	$(BIN)/python -m tests.soak $(OPTIONS)

bench: $(READY) ## benchmarks; JSON in tests/benchmarks/results
	$(BIN)/python -m tests.benchmarks

WHEELS ?= dist
ARM := aarch64-linux-gnu
WHEEL = rm -rf $(WHEELS)/built && $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(WHEELS)/built
REPAIR = PATH="$(abspath $(BIN)):$$PATH" $(BIN)/auditwheel repair --wheel-dir $(WHEELS) $(WHEELS)/built/*.whl && rm -r $(WHEELS)/built
wheels: $(READY) ## wheels with the engine, for who has no compiler: for this Python, on this processor and on 64-bit ARM
	$(WHEEL) . && $(REPAIR)
	@if command -v $(ARM)-g++ >/dev/null; then $(MAKE) --no-print-directory wheel-arm; \
	  else echo "no wheel for ARM: there is no $(ARM)-g++ here (Debian: apt-get install g++-$(ARM))" >&2; fi

# Python's headers are those of this machine: for Linux on both processors they say the same. Debian's ask for a folder
# of the other processor's.
HEADERS = $(abspath $(WHEELS))/headers
wheel-arm: $(READY)
	rm -rf $(HEADERS) && mkdir -p $(HEADERS) && \
	ln -s /usr/include/$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_config_var("MULTIARCH"))') $(HEADERS)/$(ARM)
	export _PYTHON_HOST_PLATFORM=linux-aarch64 && \
	export SETUPTOOLS_EXT_SUFFIX=".$$($(BIN)/python -c 'import sys; print(sys.implementation.cache_tag)')-$(ARM).so" && \
	$(WHEEL) --config-settings cmake.define.CMAKE_SYSTEM_NAME=Linux --config-settings cmake.define.CMAKE_SYSTEM_PROCESSOR=aarch64 \
	  --config-settings cmake.define.CMAKE_CXX_COMPILER=$(ARM)-g++ --config-settings cmake.define.CMAKE_CXX_FLAGS=-I$(HEADERS) .
	rm -r $(HEADERS)
	$(REPAIR)

readmes: $(READY) ## write the tables of the READMEs that are made from the code
	$(BIN)/python -m tests.readme_tables

# On a machine with a GPU the Python is its own, whose torch knows the GPU; that of the lock need not.
GPU_PYTHON ?= $(if $(wildcard $(BIN)/python),$(BIN)/python,python3)
gpu-check: ## tests and benchmarks on a GPU, in ten minutes (GPU_PYTHON=/path/to/python with a torch that sees it)
	$(GPU_PYTHON) -m tests.benchmarks.gpu_check

lock: ## resolve pyproject.toml anew into requirements.lock
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet torch==2.13.0
	.venv-lock/bin/python -m pip install --quiet scikit-build-core nanobind cmake ninja && .venv-lock/bin/python -m pip install --quiet --no-build-isolation -e '.[dev]'
	.venv-lock/bin/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -v -e '^nvidia-' -e '^triton' > requirements.lock.tmp
	mv requirements.lock.tmp requirements.lock && rm -rf .venv-lock

clean: ## remove runs, data and the environment
	rm -rf .venv data data-bin runs

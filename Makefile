# make serve   an environment without torch, and the service with the bundled model
# make test    an environment with everything, and every check
# make train   that environment alone, with .venv/bin/goodserve-train
# make docs    the documents as a site, in site/
#
# The checks one by one, as CI and the commit hooks call them too:
# make format-check | lint | types | imports | tests      make tests TESTS=tests/service

PYTHON ?= python3
HOST ?= 127.0.0.1
PORT ?= 8000
REPOSITORY ?= models
# CUDA where a driver answers, else the CPU.
RUNTIME ?= $(shell nvidia-smi >/dev/null 2>&1 && echo gpu || echo cpu)
# What `make tests` runs, and how: everything by two processes, a file by one of them, or what is named here.
# `make coverage` runs everything too, and says what it did not reach.
TESTS ?=
PYTEST := $(if $(TESTS),$(TESTS),--numprocesses 2 --dist loadfile --no-loadscope-reorder -m "not long")

SERVE := .venv-serve-$(RUNTIME)
DEV := .venv
INSTALL := -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
SOURCES := pyproject.toml constraints.txt

.PHONY: serve train test format-check lint types imports tests coverage format docs docs-serve grpc lock clean

serve: $(SERVE)/.done $(REPOSITORY)/active.json
	$(SERVE)/bin/goodserve serve --host $(HOST) --port $(PORT) --repository $(REPOSITORY)

train: $(DEV)/.done

# The quick checks first; make stops at the first that fails.
test: format-check lint types imports tests

format-check: $(DEV)/.done
	$(DEV)/bin/ruff format --check .

lint: $(DEV)/.done
	$(DEV)/bin/ruff check .

types: $(DEV)/.done
	$(DEV)/bin/mypy

imports: $(DEV)/.done
	$(DEV)/bin/lint-imports

tests: $(DEV)/.done
	$(DEV)/bin/pytest $(PYTEST)

coverage: $(DEV)/.done
	$(DEV)/bin/pytest $(PYTEST) --cov --cov-report=term:skip-covered

format: $(DEV)/.done
	$(DEV)/bin/ruff format .
	$(DEV)/bin/ruff check --fix .

# Links and anchors that lead nowhere are errors. `make docs-serve` shows changes as they are saved.
docs: $(DEV)/.done
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/mkdocs build --strict

docs-serve: $(DEV)/.done
	NO_MKDOCS_2_WARNING=1 $(DEV)/bin/mkdocs serve

# Writes service/grpc/inference_pb2.py anew, from the .proto beside it.
grpc:
	$(PYTHON) -m venv .venv-grpc
	.venv-grpc/bin/python -m pip install --quiet --disable-pip-version-check grpcio-tools==1.81.1
	.venv-grpc/bin/python -m grpc_tools.protoc --proto_path=. --python_out=. --pyi_out=. \
		service/grpc/inference.proto

# Writes docker/requirements/ anew: what the images install, by version and hash. Takes minutes.
lock:
	$(PYTHON) docker/lock.py

clean:
	rm -rf .venv .venv-serve-* .venv-grpc site .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache \
		.ruff_cache

# The folder that is served and published into: at first a copy of the bundled model.
$(REPOSITORY)/active.json:
	mkdir -p $(REPOSITORY)
	cp -r model/bundled/. $(REPOSITORY)/

$(SERVE)/.done: $(SOURCES)
	$(call environment,$(SERVE))
	$(SERVE)/bin/python $(INSTALL) --editable '.[$(RUNTIME),client]'
	touch $@

$(DEV)/.done: $(SOURCES)
	$(call environment,$(DEV))
	$(DEV)/bin/python $(INSTALL) --editable '.[$(RUNTIME),train,dev,docs]'
	touch $@

define environment
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "goodserve needs Python 3.11 or later; name one with PYTHON=..." >&2; exit 1; }
@$(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	{ echo "python cannot make environments here: apt-get install python3-venv" >&2; exit 1; }
$(PYTHON) -m venv $(1)
endef

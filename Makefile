# Everything a fresh clone needs: `make demo` shows the main job, `make test` proves it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: help install demo test lint types imports wheel regression check clean

help:
	@echo "make demo   set up $(VENV) and run the main job on simulated muscle ultrasound"
	@echo "make test   set up $(VENV) and run the tests"
	@echo "make regression  measure the packaged engine against .ci/baseline.json"
	@echo "make check  lint, types, import contracts, and the wheel in a clean environment"

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: install
	$(BIN)/edgeneuro build-engine --int8 --out $(DEMO)/myositis-int8.edge --force
	$(BIN)/edgeneuro data make phantom --seed 7 --out $(DEMO)/frames --force
	$(BIN)/edgeneuro run $(DEMO)/myositis-int8.edge '$(DEMO)/frames/images/*-00?_00.png'
	$(BIN)/edgeneuro evaluate $(DEMO)/myositis-int8.edge --data $(DEMO)/frames
	$(BIN)/edgeneuro benchmark $(DEMO)/myositis-int8.edge --data $(DEMO)/frames --threads 1 --budget 15 --report $(DEMO)/report --force

test: install
	$(BIN)/python -m pytest -n 2 --dist loadfile --durations 15

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

wheel: install
	bash .ci/check_wheel $(BIN)/python

regression: install
	bash .ci/benchmark $(BIN)/python

check: lint types imports wheel

clean:
	rm -rf $(VENV) build dist runs/demo *.egg-info

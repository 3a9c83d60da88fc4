# The two commands: `make demo` and `make test`. Everything goes into .venv; ARGS reach the program.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: demo run test check format train-demo starts study studies distil report bench clean

demo: $(VENV)/serve
	@$(BIN)/echosieve demo $(ARGS)

run: $(VENV)/serve
	@$(BIN)/echosieve serve $(ARGS)

test: $(VENV)/dev
	$(BIN)/python -m pytest --numprocesses 3 $(ARGS)

check: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

train-demo: $(VENV)/serve
	$(BIN)/echosieve train --recipe demo --out sieve/demo $(ARGS)

STARTS := docs/figures/starts
starts: $(VENV)/serve
	$(BIN)/python -m sieve.train.demo.starts --run runs/train --out $(STARTS)

study: $(VENV)/serve
	$(BIN)/python -m sieve.train.demo.study --starts $(STARTS) --run runs/study --out runs/study.json $(ARGS)

STUDIES := arms streams published abilities ablations regret memory newest horizon
studies: $(VENV)/dev
	for study in $(STUDIES); do $(BIN)/echosieve eval --study $$study --out runs/$$study $(ARGS) || exit 1; done
	$(BIN)/echosieve report $(STUDIES:%=runs/%)

distil: $(VENV)/serve
	$(BIN)/python -m sieve.eval.distillation --folder runs/distilled $(ARGS)

report: $(VENV)/dev
	$(BIN)/echosieve report $(ARGS)

bench: $(VENV)/serve
	$(BIN)/echosieve bench prefill $(ARGS)
	$(BIN)/echosieve bench live $(ARGS)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/serve: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[serve]'
	@touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $(VENV)/serve $@

clean:
	rm -rf $(VENV) build dist

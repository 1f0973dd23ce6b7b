# Everything a fresh machine with Python 3.11 to 3.13 and make needs: each target sets itself up.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: docs bench-review demo test test-all test-gpu-install fuzz lint rules bench bench-check bench-quality bench-measures bench-speed clean

$(VENV)/.ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[offline,test]"
	touch $@

demo: $(VENV)/.ready  ## build a dataset from the sample clips
	$(BIN)/captioner build sample_dataset/raw --trigger ema_voice --yes

test: $(VENV)/.ready  ## the tests that every change must pass
	$(BIN)/python -m pytest -m "not slow and not gpu" $(ARGS)

test-all: $(VENV)/.ready  ## long fuzzing and full fault counts too
	$(BIN)/python -m pytest -m "not gpu" $(ARGS)

test-gpu-install:  ## the gpu extra in a clean environment, everything imported, the tests of what needs torch; 3 GB
	$(PYTHON) tests/gpu_install.py

fuzz: $(VENV)/.ready  ## readers of foreign files, 30 s each; guided by coverage where atheris installs
	-$(BIN)/python -m pip install --quiet --disable-pip-version-check "atheris>=3,<4"
	$(BIN)/python tests/fuzz/run.py $(ARGS)

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.ready  ## the pages that are made from tables: rules of the check, keys of the review
	$(BIN)/python -m captioner.checks.ruledocs docs/rules.md
	$(BIN)/python -m captioner.review.keydocs > docs/keys.md

bench-review: $(VENV)/.ready  ## the review screen with 20,000 and 100,000 clips in a real terminal
	$(BIN)/python bench/review.py

DATA ?= sample_dataset

bench-quality: $(VENV)/.ready  ## words, speakers, cuts and trust against the truth
	$(BIN)/python bench/quality.py $(DATA)

bench-measures: $(VENV)/.ready  ## voice, room, gates, sounds and identity against what was composed
	$(BIN)/python bench/measures.py
	$(BIN)/python bench/sounds.py
	$(BIN)/python bench/identity.py $(DATA)

bench-check: $(VENV)/.ready  ## 20,000 clips checked, fresh and again
	$(BIN)/python bench/check.py

bench-speed: $(VENV)/.ready  ## ratios of time and memory
	$(BIN)/python bench/speed.py

bench: bench-quality bench-measures bench-speed

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Two commands do everything: `make demo` and `make test`. Both install what they need into .venv first.
PYTHON ?= python3.11
UV_VERSION := 0.13.9
UV := .uv/bin/uv
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
DEVICES ?= 1000
ROUNDS ?= 2
SEED ?= 7
FUZZ_SECONDS ?= 600

.PHONY: install demo test lint format test-slow test-cloud fuzz audit-nightly bench clean

install: .venv/.installed

$(UV):
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check "uv==$(UV_VERSION)"

.venv/.installed: $(UV) pyproject.toml uv.lock
	$(UV) sync --frozen --quiet --python $(PYTHON)
	@touch $@

demo: install
	.venv/bin/tacita demo --devices $(DEVICES) --rounds $(ROUNDS) --seed $(SEED)

lint: install
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache

format: install
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

test: lint
	.venv/bin/pytest -n 2 -m "not slow"

test-slow: install
	.venv/bin/pytest -n 2 -m slow

# The key-encryption key's providers; their libraries, and what plays the clouds, live in an environment of their own.
test-cloud: $(UV)
	UV_PROJECT_ENVIRONMENT=.venv-cloud $(UV) sync --frozen --quiet --python $(PYTHON) --group cloud
	.venv-cloud/bin/pytest tests/cloud tests/unit/crypto/test_kek_sources.py

audit-nightly: install
	.venv/bin/tacita privacy audit --runs 10000 --canaries 1 --at-least 0.8

bench: install
	.venv/bin/python -m bench.line
	.venv/bin/python -m bench.front_door

# Each target for FUZZ_SECONDS, one after the other; its figures are a JSON line. Findings lie in .fuzz/.
fuzz: install
	$(UV) sync --frozen --quiet --inexact --group fuzz --python $(PYTHON)
	for target in envelope graph sealed device door; do .venv/bin/python -m tests.fuzz.campaign $$target $(FUZZ_SECONDS) || exit 1; done

clean:
	rm -rf .venv .venv-cloud .uv demo-out

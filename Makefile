# Two commands do all the set-up: `make run` ends with the page being served, `make test` with the
# tests passed. Both need Python >= 3.11 with pip; `make test` installs Chromium, Node.js and eSpeak NG
# by apt-get where they are missing. The tests export the networks with torch; where pip would take its
# build for GPUs (several GB): make test TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
APT := $(if $(filter 0,$(shell id -u)),,sudo )apt-get

# Where ARGS choose tests, one of the turns may have none (pytest's exit code 5).
OR_NONE := || test $$? -eq 5
BESIDE := --numprocesses 2 --dist loadgroup
UNTIMED := -o cache_dir=.pytest_cache/untimed -m 'not (alone or browser)'
# Has what others leave of the machine, and gives it back at once.
LAST := nice -n 19 $(shell command -v chrt >/dev/null && echo chrt --idle 0)

.PHONY: run test check clean untimed timed

run: $(VENV)/.runtime
	@$(BIN)/visavis serve $(ARGS)

# Two turns at once: what is held to a time, and, in what that leaves of the machine, what is not;
# then browsers, apart from the rest (tests/conftest.py).
test: check
	+$(MAKE) --no-print-directory --jobs 2 --output-sync=line untimed timed
	$(BIN)/pytest $(BESIDE) -m 'browser and not alone' $(ARGS) $(OR_NONE)

# What fails for want of a processor is given one, once.
untimed:
	$(LAST) $(BIN)/pytest $(BESIDE) $(UNTIMED) --timeout 300 $(ARGS) $(OR_NONE) \
		|| $(BIN)/pytest $(UNTIMED) --last-failed --last-failed-no-failures none $(ARGS)

timed:
	$(BIN)/pytest -m alone $(ARGS) $(OR_NONE)

# What needs no running server: style, types, the layers between the packages.
check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Debian splits `ensurepip` out of its Python: without it `virtualenv` makes the environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Visavis needs Python 3.11 or newer; name one by: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null && $(PYTHON) -m venv $(VENV) || { \
		$(PYTHON) -m pip install --quiet --target $(VENV).bootstrap virtualenv \
		&& PYTHONPATH=$(VENV).bootstrap $(PYTHON) -m virtualenv --quiet $(VENV) \
		&& rm -r $(VENV).bootstrap; }

$(VENV)/.runtime: pyproject.toml | $(BIN)/python
	@echo "Installing Visavis into $(VENV) (once, about a minute) …"
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.runtime web_client/package.json
	@echo "Installing what the tests need …"
	@$(BIN)/python -m pip install --quiet --group test --group export --editable '.[openvino,rtx]' \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@command -v chromium >/dev/null || { $(APT) update -qq && $(APT) install -y -qq chromium; }
	@command -v npm >/dev/null || { $(APT) update -qq && $(APT) install -y -qq nodejs npm; }
	@command -v espeak-ng >/dev/null || { $(APT) update -qq && $(APT) install -y -qq espeak-ng; }
	@npm --prefix web_client ci --silent --no-audit --no-fund
	@touch $@

clean:
	rm -rf $(VENV) web_client/node_modules .mypy_cache .ruff_cache .pytest_cache

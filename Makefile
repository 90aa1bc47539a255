# make          lists the targets
# make book     from nothing to a built book
# make test     from nothing to a tested one

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
FROM_NPM := book/_tools/node_modules/.installed
BUILT_WITH := _build/.built-with
LIBRARY := $(shell find lib/convbook -name "*.py" -o -name "*.js" -o -name "*.css") $(wildcard book/_tools/*.py) requirements.txt

# The first Python that TensorFlow has packages for. Name another with: make book PYTHON=/path/to/python3.12
SUITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	"$$p" -c '$(SUITS)' >/dev/null 2>&1 && echo "$$p" && break; done)

.DEFAULT_GOAL := help
.PHONY: help book pdf chromium serve test lint notebooks format ledger benchmark clean

help:  ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-11s %s\n", $$1, $$2}'

book: $(INSTALLED) $(FROM_NPM) $(BUILT_WITH)  ## Install what is needed, run the lessons that changed, build the book
	@$(BIN)/jupyter-book build . -W -n --keep-going
	@echo
	@echo "The book: $(CURDIR)/_build/html/index.html"

pdf: export CONVBOOK_PDF := yes
pdf: chromium book  ## Build the book and print the whole of it into one PDF, with Chromium
	@echo "The PDF:  $(CURDIR)/_build/html/convolutional-networks-run.pdf"

chromium: $(INSTALLED)
	@$(BIN)/python book/_tools/pdf.py

serve: book  ## Build the book and serve it on this machine
	@echo "The book is at http://localhost:8000/ until you press Ctrl-C"
	@$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

test: book lint  ## Build the book and run every test, the notebooks among them
	@$(BIN)/python -m pytest

lint: $(INSTALLED)  ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

notebooks: $(INSTALLED)  ## Run every lesson and store its results in it
	@$(BIN)/python book/_tools/notebooks.py

format: $(INSTALLED)  ## Format the code, in the notebooks too
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

ledger: $(INSTALLED)  ## List which statements are answered, and where
	@$(BIN)/python book/_tools/ledger.py

benchmark: $(INSTALLED)  ## Measure how fast the library convolves and trains, side by side with others
	@$(BIN)/python -m convbook.benchmark conv
	@$(BIN)/python -m convbook.benchmark training

clean:  ## Remove everything that was made: the environment and the built book
	@rm -rf $(VENV) _build $(dir $(FROM_NPM))

# The results of the lessons are cached by their code alone: when the library changes, they are made anew.
$(BUILT_WITH): $(LIBRARY)
	@rm -rf _build
	@mkdir -p _build
	@touch $@

$(INSTALLED): requirements.txt lib/pyproject.toml
	@test -n "$(PYTHON)" && "$(PYTHON)" -c '$(SUITS)' 2>/dev/null || { \
		echo "Python 3.11, 3.12 or 3.13 is needed, and $(or $(PYTHON),python3) is not one of them: $$($(or $(PYTHON),python3) --version 2>&1)."; \
		echo "Install one, or name it: make book PYTHON=/path/to/python3.12"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments: its module venv or ensurepip is missing."; \
		echo "On Debian and Ubuntu: sudo apt install python3-venv"; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -c '$(SUITS)' 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV)
	@echo "Installing into $(VENV) (nearly 3 GB, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt || { \
		echo; echo "The packages could not be installed; the last lines above say which and why."; \
		echo "Most often there is no network, or a proxy that pip does not know, or no room on the disk."; exit 1; }
	@touch $@

$(FROM_NPM): book/_tools/package.json book/_tools/package-lock.json | $(INSTALLED)
	@$(BIN)/npm ci --prefix book/_tools --ignore-scripts --no-audit --no-fund --loglevel=error || { \
		echo; echo "The packages of book/_tools/package.json could not be fetched from npm: is there a network, and does npm know its proxy?"; exit 1; }
	@touch $@

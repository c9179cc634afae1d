# One command builds the book, one tests it; `make` alone prints what there is.
# PYTHON=...       the interpreter to make .venv with: by itself that which .venv has, else the first
#                  from 3.11 to 3.13 that can make environments
# TORCH_INDEX=...  where processor-only wheels of PyTorch are looked for
# SHIFT=7 CPU=plain THREADS=4 CHAPTERS="linear/*"  what `make challenge` changes, and where
.PHONY: help install book pdf test quick challenge lab notebooks bench lock clean
.NOTPARALLEL:
CAN = import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell own=$$(sed -n 's/^executable = //p' .venv/pyvenv.cfg 2>/dev/null); \
	for one in "$$own" python3.11 python3 python3.12 python3.13; do \
	"$$one" -c '$(CAN)' 2>/dev/null && echo "$$one" && exit; done; echo python3)
SHIFT ?=
CPU =
THREADS =
CHAPTERS =
IN_VENV = .venv/bin/python

help: ## print this list
	@echo "Grokbook: an executable companion to seven papers on grokking"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

install: ## make .venv with the pinned set and grokbook (done by the others when needed)
	@"$(PYTHON)" tools/install.py

book: install ## execute the chapters that changed, build the site, print its path
	@$(IN_VENV) -m tools.build

pdf: install ## what `book` does, then the whole book as one PDF (needs Chromium)
	@$(IN_VENV) -m tools.pdf

# A failed claim stops at once. nbval compares what `book` has executed; GROKBOOK_NBVAL=run executes
# each chapter again.
test : export GROKBOOK_STRICT = 1
test: book ## the whole suite: unit, ledger, every notebook, every page in a browser
	@$(IN_VENV) -m pytest -n 2 --dist loadscope

quick: install ## unit tests and guards alone, under two minutes
	@$(IN_VENV) -m pytest tests -m "not site and not browser" -n 2 --dist loadscope

challenge: install ## the claims with other seeds (SHIFT=7) or as another processor (CPU=plain THREADS=4)
	@$(IN_VENV) -m tools.challenge --shift="$(SHIFT)" --cpu="$(CPU)" --threads="$(THREADS)" --chapters="$(CHAPTERS)"

lab: install ## JupyterLab on the chapters
	@$(IN_VENV) -m jupyterlab book

notebooks: install ## write the set-up cells, re-execute the changed chapters in place
	@$(IN_VENV) -m tools.setup_cell
	@$(IN_VENV) book/_ext/chapters.py --in-place

bench: install ## measure the fast paths against the obvious ones and their floors
	@$(IN_VENV) -m benchmarks

lock: install ## make requirements.lock and environment.yml anew from pyproject.toml
	@$(IN_VENV) -m tools.lock

clean: ## remove what was built and cached (.venv stays)
	@rm -rf _build book/_figures book/scoreboard.md book/what-it-costs.md build dist
	@rm -rf .pytest_cache .ruff_cache .hypothesis
	@find grokbook tests tools benchmarks book -name __pycache__ -type d -prune -exec rm -rf {} +

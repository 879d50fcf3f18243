# Short names for the commands of CONTRIBUTING.md.  They run in the active virtual environment.

.DEFAULT_GOAL := help
.PHONY: help lint type test bench matrix schema

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' Makefile

lint: ## ruff: rules and layout
	ruff check
	ruff format --check

type: ## mypy, strict
	mypy

test: ## all tests
	pytest

bench: ## side by side with peers; slow, prints figures, never part of the tests
	@set -e; for script in $$(grep -l __main__ tests/benchmarks/*.py); do echo "== $$script"; python "$$script"; done

matrix: ## export and convert some ninety classifiers; hours; prints a table, writes matrix.json
	python tests/matrix/matrix.py

schema: ## write report-v1.json again after the report model has changed
	python -m geoaudit_reports.schema

# Short names for the commands of CONTRIBUTING.md.  They run in the active virtual environment.

.DEFAULT_GOAL := help
.PHONY: help lint type test bench matrix methods moons schema docs

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-8s %s\n", $$1, $$2}' Makefile

lint: ## ruff: rules and layout
	ruff check
	ruff format --check

type: ## mypy, strict
	mypy

test: ## all tests
	pytest

bench: ## beside captum, saliency, Quantus and bare loops: table, README, pictures; 25 minutes
	python tests/benchmarks/bench.py --write-readme

matrix: ## export and convert some ninety classifiers; hours; prints a table, writes matrix.json
	python tests/matrix/matrix.py

methods: ## every method on the demo's photographs: the README's table; an hour
	python tests/benchmarks/methods.py --write-readme

moons: ## half-moons: NCC violation and purity of the path methods over noise; minutes; draws moons.png
	python tests/benchmarks/moons.py --picture moons.png

schema: ## write report-v1.json again after the report model has changed
	python -m geoaudit_reports.schema

docs: ## build the documentation into site/, strictly; needs the extra `docs`
	NO_MKDOCS_2_WARNING=1 python -m mkdocs build --strict

"""Builds the parts of the documentation site that are data: from click, the registry, models and docstrings."""

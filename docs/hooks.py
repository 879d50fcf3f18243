"""What mkdocs calls while it builds the site."""

from __future__ import annotations

from typing import Any

from geoaudit_docs import formulas, site
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Complete the menu with the generated pages."""
    config.nav = site.menu(config.nav or [])
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for name, text in site.pages().items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in what guides leave to be generated."""
    return site.fill(markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Show formulas without a script."""
    return formulas.mathml(html)

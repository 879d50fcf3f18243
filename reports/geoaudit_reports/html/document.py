"""The templates filled in, styles and script inlined, and the content security policy made to match."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from geoaudit_reports.html.plain import plain
from geoaudit_reports.html.tiles import palette
from geoaudit_reports.html.views.gallery import Gallery
from geoaudit_reports.html.views.gallery_page import GalleryPage
from geoaudit_reports.html.views.image_table import ImageTable
from geoaudit_reports.html.views.page import SECTIONS, Page


def fill(page: Page, gallery: Gallery, images: ImageTable) -> str:
    """report.html as a document."""
    return _document("page.html", gallery, page=page, images=images, sections=SECTIONS)


def fill_gallery_page(page: GalleryPage, gallery: Gallery) -> str:
    """A gallery page as a document."""
    return _document("gallery_page.html", gallery, page=page)


def fill_template(template: str, **content: object) -> str:
    """A page without photographs, in the same frame and under the same policy."""
    return _framed(template, [], content)


def _document(template: str, gallery: Gallery, **content: object) -> str:
    return _framed(template, [_pictures(gallery)], {"gallery": gallery, **content})


def _framed(template: str, pictures: list[str], content: Mapping[str, object]) -> str:
    styles = [_asset("report.css"), _asset("print.css"), *pictures]
    script = _asset("report.js")
    return _environment().get_template(template).render(
        policy=_policy(styles, script),
        styles=[Markup(style) for style in styles],
        script=Markup(script),
        **content,
    )  # fmt: skip


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("geoaudit_reports.html", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _asset(name: str) -> str:
    return files("geoaudit_reports.html").joinpath("assets", name).read_text(encoding="utf-8")


def _pictures(gallery: Gallery) -> str:
    """Photographs as backgrounds: each is in the file once, though it lies under every map of its image."""
    colours = palette()
    stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in colours[::5])
    rules = [f".scale {{ background-image: linear-gradient(90deg, {stops}) }}"]
    rules += [
        f'.{image.photo_class} {{ background-image: url("{image.photo_uri}") }}'
        for image in gallery.images if image.photo_uri
    ]  # fmt: skip
    return "\n".join(rules) + "\n"


def _policy(styles: list[str], script: str) -> str:
    """Nothing may load but inline pictures; styles and scripts run only if they are exactly these."""
    allowed = " ".join(_digest(style) for style in styles)
    return (
        f"default-src 'none'; img-src data:; style-src {allowed}; script-src {_digest(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"

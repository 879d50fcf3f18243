"""Gallery pages of an earlier rendering, removed with care."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from geoaudit.errors import OutputError
from geoaudit_reports.html.views.images import PAGE_FOLDER

_PAGE = re.compile(r"images-\d{3,}\.html")


def remove(folder: Path, written: Collection[str]) -> None:
    """Remove the pages in `folder` that are not among the `written` names, then their folder if it is empty.

    Links are not followed and never removed.

    Raises:
        OutputError: a page cannot be removed.
    """
    gallery = folder / PAGE_FOLDER
    if gallery.is_symlink() or not gallery.is_dir():
        return
    try:
        for path in sorted(gallery.iterdir()):
            ours = _PAGE.fullmatch(path.name) and path.is_file() and not path.is_symlink()
            if ours and f"{PAGE_FOLDER}/{path.name}" not in written:
                path.unlink()
        if not any(gallery.iterdir()):
            gallery.rmdir()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        way_out = "Remove the folder by hand, or choose another one with -o."
        raise OutputError(str(gallery), f"pages of an earlier report cannot be removed: {reason}", way_out) from error

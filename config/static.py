"""Static files in production: smaller, with hashed names, compressed, with the imports inside our ES modules hashed too.

Styles are written by component and served as one sheet: what desk.css imports stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rcssmin import cssmin
from rjsmin import jsmin
from whitenoise.storage import CompressedManifestStaticFilesStorage

MINIFIERS = {".js": jsmin, ".css": cssmin}
_IMPORT = re.compile(r'@import url\("([\w/.-]+)"\);')


def whole_sheet(path: Path) -> str:
    """A style sheet with what it imports in the place of its imports."""
    return _IMPORT.sub(lambda found: whole_sheet(path.parent / found[1]), path.read_text())


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    support_js_module_import_aggregation = True
    # A module's name is the hash of what it is, the names that it imports included: each step of the longest chain of imports
    # takes a pass.
    max_post_process_passes = 12
    # A page (the error page above all) must not fail because a file is missing from the manifest.
    manifest_strict = False

    def hashed_name(self, name: str, content: Any = None, filename: str | None = None) -> str:
        """A vendored file may import a bare module name ("htmx"), which is no file of ours: it stays as it is."""
        try:
            return str(super().hashed_name(name, content, filename))
        except ValueError:
            return name

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        """Our own files lose comments and blanks first; collecting them a second time changes nothing."""
        for name in paths:
            minify = MINIFIERS.get(Path(name).suffix)
            if minify and name.startswith("desk/") and not dry_run:
                file = Path(self.path(name))
                file.write_text(str(minify(whole_sheet(file))))
        yield from super().post_process(paths, dry_run, **options)

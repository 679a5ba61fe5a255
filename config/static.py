"""Static files in production: hashed names, compressed, with the imports inside our ES modules hashed too."""

from __future__ import annotations

from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    support_js_module_import_aggregation = True
    # A page (the error page above all) must not fail because a file is missing from the manifest.
    manifest_strict = False

    def hashed_name(self, name: str, content: Any = None, filename: str | None = None) -> str:
        """A vendored file may import a bare module name ("htmx"), which is no file of ours: it stays as it is."""
        try:
            return str(super().hashed_name(name, content, filename))
        except ValueError:
            return name

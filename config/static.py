"""Static files in production: hashed names, compressed, with the imports inside our ES modules hashed too."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    support_js_module_import_aggregation = True
    # A page (the error page above all) must not fail because a file is missing from the manifest.
    manifest_strict = False

"""Files in a folder, each there as a whole or not at all: what a full disk or a killed process cut short is never named."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from django.core.files.base import File
from django.core.files.storage import FileSystemStorage

UNFINISHED = ".unfinished"
KEPT_SECONDS = 86_400  # an unfinished file that is older has no writer any more


class WholeFiles(FileSystemStorage):
    """Writes under another name, syncs, then renames over: POSIX rename(2) is atomic within one file system.

    A name that exists is replaced, because our names are digests of the content (conversations/messages/files.py).
    """

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return name

    def _save(self, name: str, content: File) -> str:
        final = Path(self.path(name))
        final.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(suffix=UNFINISHED, dir=final.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                for chunk in content.chunks():
                    stream.write(chunk)
                stream.flush()
                os.fchmod(stream.fileno(), self.file_permissions_mode or 0o640)
                os.fsync(stream.fileno())
            Path(unfinished).replace(final)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(unfinished).unlink()
            raise
        # The new name, and the folders that were made for it, are on the disk only when their folder is.
        for folder in [final.parent, *final.parent.parents][:3]:
            _sync(folder)
            if folder == Path(self.location):
                break
        return name

    def forget_unfinished(self) -> int:
        """Remove what killed processes left; how many files. Those of a day are left to their writers."""
        gone = 0
        for left in Path(self.location).rglob(f"*{UNFINISHED}"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > KEPT_SECONDS:  # noqa: TID251 - the same file system's clock
                    left.unlink()
                    gone += 1
        return gone


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

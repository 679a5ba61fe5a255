"""Where the bytes of files stand, from the environment: a folder, or a bucket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import env

GOOGLE = "https://storage.googleapis.com"


def store(local_dir: Path) -> dict[str, Any]:
    """The storage "attachments" of `STORAGES`. Raises ImproperlyConfigured for a bucket without a name, or half a key."""
    where = env.text("ATTACHMENTS_STORE", "file", choices=("file", "s3", "gcs"))
    folder = env.text("ATTACHMENTS_DIR", "") or str(local_dir / "attachments")
    bucket = {
        "bucket": env.text("ATTACHMENTS_BUCKET", ""),
        "prefix": env.text("ATTACHMENTS_PREFIX", ""),
        "endpoint": env.text("ATTACHMENTS_ENDPOINT", "") or (GOOGLE if where == "gcs" else ""),
        "region": env.text("ATTACHMENTS_REGION", "") or ("auto" if where == "gcs" else "us-east-1"),
        "key_id": env.text("ATTACHMENTS_KEY_ID", ""),
        "secret": env.text("ATTACHMENTS_KEY", ""),
        "timeout": env.number("ATTACHMENTS_TIMEOUT_SECONDS", 10.0, low=0.1),
    }
    if where == "file":
        return {"BACKEND": "conversations.storage.WholeFiles", "OPTIONS": {"location": folder, "base_url": None}}
    if not bucket["bucket"]:
        raise ImproperlyConfigured(f"ATTACHMENTS_STORE is {where!r}; set ATTACHMENTS_BUCKET to the bucket's name.")
    if bucket["endpoint"] and not bucket["endpoint"].startswith(("https://", "http://")):
        raise ImproperlyConfigured("ATTACHMENTS_ENDPOINT has no scheme. Write https://s3.example.com.")
    if bool(bucket["key_id"]) != bool(bucket["secret"]) or (where == "gcs" and not bucket["key_id"]):
        raise ImproperlyConfigured("Set both ATTACHMENTS_KEY_ID and ATTACHMENTS_KEY (s3: or neither).")
    return {"BACKEND": "conversations.storage.objects.ObjectStorage", "OPTIONS": bucket}

"""The product's settings, made quick and fixed for tests. The database is a throw-away cluster (tests/conftest.py)."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# Everything that running makes goes to a folder of this run, and the environment of the person running it is not read.
for _name in (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "CHROMA_URL",
    "DRAFTER",
    "EMBEDDINGS_URL",
    "SMTP_OVERRIDE",
    "VENDOR_OVERRIDE",
    "EMAIL_HOST",
    "DEMO",
):
    os.environ.pop(_name, None)
if "COUNTERSIGN_LOCAL_DIR" not in os.environ:
    os.environ["COUNTERSIGN_LOCAL_DIR"] = tempfile.mkdtemp(prefix="countersign-test-")
    atexit.register(shutil.rmtree, os.environ["COUNTERSIGN_LOCAL_DIR"], ignore_errors=True)
os.environ.setdefault("SECRET_KEY", "tests-only-not-a-secret-0123456789-0123456789-0123456789")
os.environ.setdefault("FIELD_ENCRYPTION_KEYS", "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy1rZXk=")

from config.settings import *  # noqa: E402, F403

INSTALLED_APPS = [*INSTALLED_APPS, "allauth.socialaccount.providers.openid_connect"]  # noqa: F405
TESTING = True
DEBUG = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {**CACHES, "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}  # noqa: F405
EMAIL_HOST = "mail.desk.test"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MESSAGE_ID_KEY = b"tests-only-message-id-key"
MAIL_DOMAIN = "desk.test"
SMTP_TIMEOUT_SECONDS = 2.0
IMAP_TIMEOUT_SECONDS = 2.0
DELIVERY_LEASE_SECONDS = 2.0
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # noqa: F405
LOGGING["root"]["level"] = "WARNING"  # type: ignore[index]  # noqa: F405
TEST_LOCAL_DIR = Path(os.environ["COUNTERSIGN_LOCAL_DIR"])
ALLOWED_HOSTS = ["testserver", "127.0.0.1", "localhost"]
for _alias in DATABASES:  # noqa: F405
    DATABASES[_alias]["CONN_MAX_AGE"] = None  # noqa: F405

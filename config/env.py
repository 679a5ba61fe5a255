"""Reads the environment strictly: a typo in a boolean or a number is refused, never taken for a default."""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}

#: Every variable that was asked for, with its default: the README's table and a test are made from it.
ASKED: dict[str, str] = {}

_env = environ.FileAwareEnv()
BASE_DIR = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "", *, choices: tuple[str, ...] = ()) -> str:
    """`NAME`, or the content of the file that `NAME_FILE` names (container secrets)."""
    ASKED[name] = default
    value = str(_env.str(name, default=default)).strip()
    if choices and value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}. Set it to one of: {', '.join(choices)}.")
    return value


def flag(name: str, default: bool) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value in TRUE | FALSE:
        return value in TRUE
    raise ImproperlyConfigured(f"{name} is {value!r}, which is neither true nor false. Set it to true or false.")


def number(name: str, default: int | float, *, low: float = 0) -> Any:
    value = text(name, str(default))
    try:
        found = type(default)(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} is {value!r}, which is not a number. The default is {default}.") from None
    if found < low:
        raise ImproperlyConfigured(f"{name} is {value}; the least that works is {low:g}.")
    return found


def words(name: str, default: str = "") -> list[str]:
    return [part.strip() for part in text(name, default).split(",") if part.strip()]


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    found = []
    for each in words(name):
        try:
            found.append(ip_network(each))
        except ValueError:
            raise ImproperlyConfigured(
                f"{name} has {each!r}, which is no network. Write 10.2.0.0/16, fd00::/8."
            ) from None
    return found


def database(name: str, url: str) -> dict[str, Any]:
    try:
        found = environ.Env.db_url_config(url, engine="django.db.backends.postgresql")
    except Exception as error:
        raise ImproperlyConfigured(f"{name} is not a database URL: postgres://user:password@host:port/name") from error
    if not found.get("NAME"):
        raise ImproperlyConfigured(f"{name} names no database: postgres://user:password@host:port/name")
    if "," in str(found.get("HOST", "")):
        # Of several servers we mean the one that can be written to, whichever it is today (libpq asks each).
        found["OPTIONS"] = {"target_session_attrs": "read-write", **found.get("OPTIONS", {})}
    return dict(found)


def give(name: str, value: str) -> None:
    """To a library that reads the environment by itself; what somebody set stays."""
    os.environ.setdefault(name, value)


def is_set(name: str) -> bool:
    return any(os.environ.get(each, "").strip() for each in (name, f"{name}_FILE"))


def local_dir() -> Path:
    """Where this checkout keeps what is its own: the embedded database, secrets, files, logs."""
    return Path(text("COUNTERSIGN_LOCAL_DIR") or BASE_DIR / ".local")

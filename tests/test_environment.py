"""The variables that settings ask for, the example file of a deployment, and the README's table: one list, three places."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings

from config import env

BASE = Path(settings.BASE_DIR)
EXAMPLE = BASE / "deploy" / "countersign.env.example"
README = BASE / "README.md"


def in_example() -> dict[str, str]:
    """NAME=value lines, also those that are commented out because they show a default."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))


def in_readme() -> set[str]:
    table = README.read_text().partition("## Environment variables")[2].partition("\n## ")[0]
    first_cells = re.findall(r"^\|([^|]*)\|", table, re.MULTILINE)
    return set(re.findall(r"`([A-Z][A-Z0-9_]*)`", " ".join(first_cells)))


def test_the_settings_ask_for_something() -> None:
    assert {"DATABASE_URL", "SECRET_KEY", "OIDC_NAME"} <= set(env.ASKED)
    assert len(env.ASKED) > 40


def test_no_other_file_reads_the_products_environment() -> None:
    """What `env` did not see could be missing below without anybody noticing."""
    allowed = {"config/env.py", "config/postgres.py", "config/demo/__main__.py", "config/asgi.py", "config/wsgi.py"}
    found = {
        file.relative_to(BASE).as_posix()
        for app in ("config", "conversations", "ingestion", "drafts")
        for file in (BASE / app).rglob("*.py")
        if re.search(r"os\.(environ|getenv)|environb", file.read_text())
    }
    assert found <= allowed


def test_the_example_file_lists_every_variable_and_no_other() -> None:
    assert set(in_example()) == set(env.ASKED)


def test_the_readme_lists_every_variable_and_no_other() -> None:
    assert in_readme() == set(env.ASKED)


def test_the_defaults_shown_in_the_example_file_are_the_defaults() -> None:
    shown = dict(re.findall(r"^#([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(), re.MULTILINE))
    del shown["HTTPS"]  # it follows SITE_URL, which the example file sets
    assert len(shown) > 30
    assert shown == {name: env.ASKED[name] for name in shown}


def test_the_example_file_can_be_read_by_systemd_and_compose() -> None:
    """Neither knows quotes or comments behind a value."""
    values = in_example().values()
    assert values
    for value in values:
        assert "#" not in value
        assert "'" not in value and '"' not in value

"""The texts of prompts, which lie beside the file: added as versions that still have to pass their evaluation."""

from __future__ import annotations

from pathlib import Path

from conversations.models import Account, User
from drafts.configuration.desk import digest
from drafts.configuration.shapes import Configuration
from drafts.learning import prompts
from drafts.models import PromptVersion


def add_missing(*, account: Account, actor: User, file: Configuration, folder: Path) -> list[str]:
    """A draft version of each text that the file names and nobody knows yet; what was done, in words."""
    done = []
    for entry in file.prompts or ():
        source = folder / f"{entry.key}.md"
        text = source.read_text(encoding="utf-8").strip() if source.is_file() else ""  # as it is stored
        known = {digest(one.text) for one in PromptVersion.objects.filter(account=account, key=entry.key)}
        if digest(text) != entry.active_sha256 or entry.active_sha256 in known:
            continue
        version = prompts.add(
            account_id=account.pk, actor=actor, text=text, note="From the configuration file", key=entry.key
        )
        done.append(f"added: {version.label}, as a draft")
    return done

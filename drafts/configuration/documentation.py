"""Where the handbook tells of a place of the configuration. A section that is not there is not named."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from django.conf import settings

from conversations.answer_shapes import DocumentationLink
from drafts.configuration.differences import Place

FILE = DocumentationLink(file="docs/deployment.md", section="The configuration as a file")
_Named = tuple[str, str | None]
_SECTIONS: dict[str, _Named] = {
    "retention": ("docs/deployment.md", "7. Backup and restore"),
    "policy": ("docs/architecture.md", "People"),
    "channels": ("docs/deployment.md", "Mail in"),
    "prompts": ("docs/quality.md", "Learning"),
    "lanes": ("docs/quality.md", "Lanes"),
    "sites": ("docs/knowledge.md", "Crawling"),
}
#: Settings, by how their names begin.
_SETTINGS: dict[str, _Named] = {
    "lane": ("docs/quality.md", "Lanes"),
    "canary": ("docs/quality.md", "Lanes"),
    "agent_approval": ("docs/architecture.md", "People"),
    "due_minutes": ("docs/reports.md", None),
    "business_hours": ("docs/reports.md", None),
    "holidays": ("docs/reports.md", None),
    "hold_seconds": ("docs/architecture.md", "The life of a message"),
    "draft_burst": ("docs/architecture.md", "The life of a message"),
    "close_after": ("docs/architecture.md", "States"),
}


def link_of(place: Place) -> DocumentationLink | None:
    found = _SECTIONS.get(place.section)
    if place.section == "settings":
        found = next((of for name, of in _SETTINGS.items() if place.field.startswith(name)), None)
    if found is None:
        return None
    return link(DocumentationLink(file=found[0], section=found[1]))


def link(wanted: DocumentationLink) -> DocumentationLink | None:
    """The same, if the handbook of this installation has it."""
    return wanted if _exists(wanted.file, wanted.section) else None


@cache
def _exists(file: str, section: str | None) -> bool:
    path = Path(settings.BASE_DIR) / file
    if not path.is_file():
        return False
    return section is None or section in re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)

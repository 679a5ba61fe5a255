"""The files that are to leave with a draft's reply, fetched along with the draft or asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef
from django.db.models.functions import JSONObject

from conversations.models import Attachment
from drafts.models.drafts import Draft

#: What an envelope says of a file; its digest is what was seen.
_SAID = ("name", "sha256", "key", "type", "size")
_COLUMNS = JSONObject(
    id="id",
    name="file_name",
    size="size_bytes",
    sha256="sha256",
    key="storage_key",
    type="mime_type",
    verdict="verdict",
)


def own_files() -> ArraySubquery:
    """A draft's files as JSON, in the order in which they were added: a part of the question that fetches the draft."""
    return ArraySubquery(Attachment.objects.filter(draft_id=OuterRef("pk")).order_by("id").values(json=_COLUMNS))


def files_of(draft: Draft) -> list[dict[str, Any]]:
    """What the envelope says of the draft's files; one statement if they were not fetched with it (`own_files`)."""
    found = draft.__dict__.get("own_files")
    if found is None:
        found = Attachment.objects.filter(draft_id=draft.pk).order_by("id").values_list(_COLUMNS, flat=True)
    return [_said(file) for file in found]


def _said(file: Mapping[str, Any]) -> dict[str, Any]:
    return {name: file[name] for name in _SAID}

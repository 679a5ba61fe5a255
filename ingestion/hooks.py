"""What the apps above ask to be told. Filled once, in their `apps.py`; see conversations/hooks.py."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

from ingestion.models import SourceDocument

SourceHandler = Callable[[SourceDocument, Sequence[uuid.UUID]], None]

#: Passages of a document changed (their ids are new) or went. Called in the transaction that takes them away.
on_passages_gone: list[SourceHandler] = []

"""The personal API (docs/decisions/0070): a person's chats, answers, cards and practices, for a token of their own.

Each operation is a page's verb with another entrance. Mounted beside `ingestion.api`, which has the errors and the description.
"""

from __future__ import annotations

from drafts.assistant_api import actions, practice, sessions, turns
from drafts.assistant_api.persons import router

__all__ = ["actions", "practice", "router", "sessions", "turns"]

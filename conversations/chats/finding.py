"""Finding a person's own words: in what was said in their chats, and in the titles. Nobody else's are looked at."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db import connection

from conversations.search import plain_terms

MOST = 200  # the newest; a page shows fewer


@dataclass(frozen=True, slots=True)
class Said:
    """`message` None: it is the title of the chat that holds the words."""

    conversation: uuid.UUID
    message: uuid.UUID | None


def by_words(text: str, *, most: int = MOST) -> list[Said]:
    """The newest of the person whom this transaction names that hold every word; "words in quotes" in this order, -word not."""
    terms = plain_terms(text)
    if not any(not term.negative for term in terms):
        return []
    columns = ([getattr(term, name) for term in terms] for name in ("text", "phrase", "negative"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, conversation_id FROM search_own_messages(%s, %s, %s, %s)", [*columns, most])
        return [Said(chat, None if pk == chat else pk) for pk, chat in cursor.fetchall()]

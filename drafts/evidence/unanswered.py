"""What customers asked and no source answered: which page to write next."""

from __future__ import annotations

import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from ingestion.knowledge.words import stem, terms

MAX_QUESTIONS = 5000  # the newest of the period
LINES = 8
EXAMPLES = 3
WORDS = 3  # in the name of a gap
SHARED = 0.8  # of its questions hold each of them
AT_LEAST = 2  # conversations: what one customer asked is no gap of the pages yet
#: A word names a gap where at least this share of the questions that hold it was left open: "hose" stands in answered ones too.
MOSTLY_OPEN = 0.6

# Of each message the newest draft counts: a page that was written since has answered it.
_ASKED = """
SELECT conversation_id, question ->> 'text', question -> 'answer' = 'null'
  FROM (SELECT DISTINCT ON (d.base_message_id) d.conversation_id, d.questions, d.created_at
          FROM drafts_draft d
          JOIN conversations_conversation c ON c.account_id = d.account_id AND c.id = d.conversation_id
          LEFT JOIN conversations_channel ch ON ch.account_id = d.account_id AND ch.id = c.channel_id
         WHERE d.account_id = %(account)s AND d.created_at >= %(since)s AND d.created_at < %(until)s
           AND NOT d.is_canary AND d.erased_at IS NULL AND (%(channel)s = '' OR ch.type = %(channel)s)
         ORDER BY d.base_message_id, d.created_at DESC) newest,
       jsonb_array_elements(questions) question
 ORDER BY created_at DESC
 LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class Question:
    conversation: uuid.UUID
    text: str
    is_open: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """What several customers asked about in words that no source answers. `words` are those they share, as most wrote them."""

    words: str
    conversations: int
    examples: tuple[str, ...]


def gaps_of(account_id: uuid.UUID, *, since: datetime, until: datetime, channel: str = "") -> list[Gap]:
    """The gaps of a period, what most conversations asked about first; one statement. The caller is in the tenant."""
    asked: dict[str, Any] = {
        "account": account_id,
        "since": since,
        "until": until,
        "channel": channel,
        "most": MAX_QUESTIONS,
    }
    with connection.cursor() as cursor:
        cursor.execute(_ASKED, asked)
        return gaps(Question(*row) for row in cursor.fetchall())


def gaps(questions: Iterable[Question]) -> list[Gap]:
    """Word by word: the one that stands in the open questions of most conversations, then the same of the rest."""
    asked = [(one, frozenset(word for word in terms(one.text) if not word[0].isdigit())) for one in questions]
    holds: Counter[str] = Counter(word for _, words in asked for word in words)
    opened: Counter[str] = Counter(word for one, words in asked if one.is_open for word in words)
    telling = {word for word in opened if opened[word] >= MOSTLY_OPEN * holds[word]}
    left = [(one, words & telling) for one, words in asked if one.is_open]
    found: list[Gap] = []
    while len(found) < LINES:
        asking: defaultdict[str, set[uuid.UUID]] = defaultdict(set)
        for one, words in left:
            for word in words:
                asking[word].add(one.conversation)
        # Of two words that as many asked with, the longer one mostly says more.
        best = max(asking, key=lambda word: (len(asking[word]), len(word), word), default="")
        if not best or len(asking[best]) < AT_LEAST:
            break
        about = [(one, words) for one, words in left if best in words]
        texts = [one.text for one, _ in about]
        shared = Counter(word for _, words in about for word in words)
        among = [word for word in dict.fromkeys(terms(texts[0])) if shared[word] >= SHARED * len(about)]
        name = [word for word in among if word in sorted(among, key=len)[-WORDS:]]
        found.append(
            Gap(
                " ".join(_as_written(word, texts) for word in name),
                len(asking[best]),
                tuple(dict.fromkeys(texts))[:EXAMPLES],
            )
        )
        left = [(one, words) for one, words in left if best not in words]
    return found


def _as_written(word: str, texts: Iterable[str]) -> str:
    written = (each.strip(".,;:!?()\"'“”").lower() for text in texts for each in text.split())
    same = Counter(each for each in written if each and stem(each) == word)
    return same.most_common(1)[0][0] if same else word

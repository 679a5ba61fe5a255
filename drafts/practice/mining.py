"""Scenarios from what really happened: closed conversations that were answered, personal data replaced, for a person to look through.

The replacing is the training export's. Nothing mined is ever ready by itself, and erasing the conversation erases the scenario.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter

from django.db.models import Exists, OuterRef

from conversations import audit
from conversations.channels.email.reading.language import detect
from conversations.models import Conversation, Delivery, Message
from drafts.learning.redaction import Known, redact
from drafts.learning.training import colleagues, own_words
from drafts.models import Scenario
from drafts.models.practice import LANGUAGES
from drafts.models.rubric import MAX_FACTS, phrases_of
from drafts.practice.words import requests
from drafts.writing.sentences import split_sentences
from drafts.writing.statements import factual_sentences

NAME = "Robin"  # nobody's: who they were is not told
SHORTEST, KEY_WORDS, GOAL_WORDS = 40, 2, 2
LIKE_WORDS, LIKE_CHARS, LIKE_WEIGHT = 8, 200, 15
_WORD = re.compile(r"[^\W\d_]{5,}")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)? [^\W\d_]{3,}")  # "30 days"
RUBRIC = [
    {"kind": "resolves", "text": "", "weight": 40},
    {"kind": "sourced", "text": "", "weight": 25},
    {"kind": "no_promise", "text": "", "weight": 20},
    {"kind": "greets", "text": "", "weight": 15},
]


def mine(*, account_id: uuid.UUID, actor: audit.Actor, most: int, dry_run: bool = False) -> Counter[str]:
    """Drafts of scenarios from the newest closed conversations that none was made of; returns how many, and what was left out."""
    found: Counter[str] = Counter()
    people, vocabulary = colleagues(), own_words(account_id)
    for conversation in _closed_and_sent(account_id):
        if found["mined"] >= most:
            break
        scenario = _of(conversation, people, vocabulary)
        if isinstance(scenario, str):
            found[scenario] += 1
            continue
        found["mined"] += 1
        found["details replaced"] += scenario.redacted
        if not dry_run:
            scenario.save()
            audit.record(
                audit.Kind.SCENARIO_CHANGED,
                actor=actor,
                about=scenario,
                data={"what": "mined", "version": 1, "status": "draft"},
            )
    return found


def _closed_and_sent(account_id: uuid.UUID) -> list[Conversation]:
    sent = Delivery.objects.filter(conversation=OuterRef("pk"), status__in=["sent", "delivered"])
    mined = Scenario.objects.filter(mined_from=OuterRef("pk"))
    closed = Conversation.objects.of_customers().filter(
        Exists(sent), ~Exists(mined), account_id=account_id, status=Conversation.Status.CLOSED,
        merged_into=None, archived_at=None,
    )  # fmt: skip
    return list(closed.order_by("-last_message_at")[:500])


def _of(conversation: Conversation, people: tuple[str, ...], vocabulary: frozenset[str]) -> Scenario | str:
    """A draft of a scenario, or why none comes of this conversation."""
    thread = list(Message.objects.shown().filter(conversation=conversation, erased_at=None).order_by("seq"))
    theirs = [one for one in thread if one.direction == Message.Direction.INBOUND and not one.is_automatic]
    if not theirs:
        return "without a customer's message"
    text = theirs[0].body_new or theirs[0].body_text
    language = detect(text)
    if len(text) < SHORTEST or language not in dict(LANGUAGES):
        return "too short, or in a language that the persona does not speak"
    report: Counter[str] = Counter()
    names = (*people, conversation.customer_name, *(one.details.sender_name for one in theirs))
    known = Known(names, vocabulary)

    def clean(words: str, most: int) -> str:
        return redact(words, report, known)[:most].strip()

    replies = [one.body_text for one in thread if one.direction == Message.Direction.OUTBOUND]
    figures, words = _stated(clean(replies[-1], 20_000)) if replies else ([], [])
    goal = ", ".join((figures or words)[:GOAL_WORDS])
    if not goal:
        return "whose reply states nothing"
    alike = _within_chars([*figures, *words][:LIKE_WORDS])
    facts = [
        {"key": key, "sentence": said}
        for key, words in _told(thread)
        if (said := clean(words, 400)) and key.isprintable() and clean(key, 80) == key
    ]
    return Scenario(
        account_id=conversation.account_id,
        title=clean(conversation.subject or split_sentences(text)[0].text, 80) or "A mined scenario",
        language=language,
        persona_name=NAME,
        subject=clean(conversation.subject, 200),
        opening=clean(text, 2000),
        facts=facts[:MAX_FACTS],
        goal=goal,
        rubric=[*RUBRIC, {"kind": "like_sent", "text": alike, "weight": LIKE_WEIGHT}],
        mined_from=conversation,
        redacted=sum(report.values()),
    )


def _told(thread: list[Message]) -> list[tuple[str, str]]:
    """What the customer told when they were asked: the asking words, and the first sentences of the answer."""
    found, asked = [], ""
    for message in thread:
        text = message.body_new or message.body_text
        if message.direction == Message.Direction.OUTBOUND:
            asked = " ".join(one.text for one in requests(text))
        elif asked:
            words = sorted(set(_WORD.findall(asked.casefold())), key=lambda word: (-len(word), word))[:KEY_WORDS]
            said = " ".join(one.text for one in split_sentences(text)[:2])
            if words and said:
                found.append((", ".join(words), said))
            asked = ""
    return found


def _stated(reply: str) -> tuple[list[str], list[str]]:
    """Figures, and long words, of what the real reply said that counts: a first guess for the person who looks through it. A few of
    them are the goal, more of them what a reply like it says."""
    stated = " ".join(one.text for one in factual_sentences(reply) if "[" not in one.text)
    figures = phrases_of(",".join(_FIGURE.findall(stated)))
    return figures, sorted(set(_WORD.findall(stated)), key=lambda word: (-len(word), word))


def _within_chars(phrases: list[str]) -> str:
    """As many of them, whole, as a criterion has room for."""
    while len(", ".join(phrases)) > LIKE_CHARS:
        phrases = phrases[:-1]
    return ", ".join(phrases)

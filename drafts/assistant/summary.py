"""A conversation in three lines, each with the message it stands in: who wants what, what we promised, what is open."""

from __future__ import annotations

import re
from collections.abc import Sequence

from conversations.answer_shapes import AnswerClaim
from drafts.assistant.port import Case, CaseMessage
from drafts.writing.relevance import asks_of
from drafts.writing.sentences import split_sentences
from drafts.writing.statements import is_courtesy

LONGEST = 240  # characters of a line
_SETS = re.compile(
    r"\d|\b(?:today|tomorrow|tonight|monday|tuesday|wednesday|thursday|friday|saturday|sunday|next week|by the end|heute|morgen|hoy|mañana)\b",
    re.IGNORECASE,
)
_PROMISES = re.compile(r"\b(?:we(?:'ll|’ll| will| are going to| can)|i(?:'ll|’ll| will| am going to)|will be|wir (?:werden|senden|schicken)|vamos a|le enviaremos)\b", re.IGNORECASE)  # fmt: skip


def summarise(case: Case) -> tuple[str, list[AnswerClaim]]:
    """The lines, and for each the message that says so. Only the messages' own sentences, never others."""
    theirs = [message for message in case.messages if not message.ours]
    ours = [message for message in case.messages if message.ours]
    lines: list[tuple[str, str, CaseMessage]] = []
    if theirs:
        lines.append(("Wants", _asked(theirs[0], case.subject), theirs[0]))
    for message, sentence in _promised(ours)[-2:]:
        lines.append(("Promised", sentence, message))
    waits = bool(theirs) and case.messages[-1] is theirs[-1]
    open_ask = _asked(theirs[-1], "", last=True) if waits else ""
    if waits and open_ask != lines[0][1]:
        lines.append(("Open", open_ask, theirs[-1]))
    text, claims = "", []
    for label, sentence, message in lines:
        text += f"{chr(10) if text else ''}{label}: "
        claims.append(
            AnswerClaim(start=len(text), end=len(text) + len(sentence), said=[case.said(message)], label=label)
        )
        text += sentence
    if theirs:
        text += (
            "\n\nNobody has answered yet."
            if not ours
            else ""
            if waits
            else "\n\nNothing is open: the last word is ours."
        )
    return text, claims


def _asked(message: CaseMessage, subject: str, *, last: bool = False) -> str:
    """What a message asks first (or last): a question of it, else its first sentence that says something."""
    outright = [ask.text for ask in asks_of(message.text, subject=subject) if ask.outright]
    said = [one.text for one in split_sentences(message.text) if not is_courtesy(one.text) or one.text.endswith("?")]
    return _short(outright[-1] if last and outright else next(iter([*outright, *said]), message.text))


def _promised(ours: Sequence[CaseMessage]) -> list[tuple[CaseMessage, str]]:
    """What we said that binds us: sentences with a number or a day that say what will be, else those with a number."""
    sentences = [
        (message, one.text) for message in ours for one in split_sentences(message.text) if not is_courtesy(one.text)
    ]
    binding = [(message, text) for message, text in sentences if _PROMISES.search(text) and _SETS.search(text)]
    found = binding or [
        (message, text) for message, text in sentences if _PROMISES.search(text) or re.search(r"\d", text)
    ]
    return [(message, _short(text)) for message, text in found]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST].rsplit(' ', 1)[0]} …"

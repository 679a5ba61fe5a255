"""What a draft's text is, at this moment: its words, its statements, what about it a person should look at twice."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conversations.models import PolicyRule
from drafts.desk import findings
from drafts.diffing import diff_ops
from drafts.models import BY_A_PERSON, Draft, DraftRevision
from drafts.writing.port import Statement
from drafts.writing.statements import HOLDING_SENTENCES, rebase_statements

Kind = PolicyRule.Kind
_MONEY = re.compile(
    r"[$€£¥]\s?\d|\d\s?(?:[$€£¥]|USD|EUR|GBP|dollars?|euros?)\b|\brefund(?:ed|ing|s)?\b|\bstore credit\b|\bdiscount\b",
    re.IGNORECASE,
)
#: Lines of before they said what they are about.
_FORMER = re.compile(r"No price, refund or stock promised|Every statement sourced|\d+ statements? ha(?:s|ve) no source")


#: What a reply says that is not the answer yet: the offline drafter's own sentences, and how models and people put it.
_PERSON = re.compile(
    r"\b(?:get|gets|come|comes) back to you\b|\bbe in touch\b|\byou(?:'ll| will) hear (?:back )?from\b"
    r"|\b(?:a colleague|somebody|someone|one of us|I|we)(?:'ll| will) (?:look into|check|find out|ask)\b"
    r"|\bpassed (?:this|it|your (?:message|question)) (?:on )?to\b"
    r"|\bmeldet sich\b|\bmelden uns\b|\brevien(?:t|drons|dra) vers vous\b|\bpond(?:rá|remos) en contacto\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Text:
    """A text with its statements. `kind` is what the approval policy is asked about."""

    text: str
    statements: tuple[Statement, ...]

    @property
    def unsourced(self) -> int:
        return sum(1 for statement in self.statements if not statement.source_ids)

    @property
    def is_about_money(self) -> bool:
        return _MONEY.search(self.text) is not None

    @property
    def kind(self) -> Kind:
        if self.is_about_money:
            return Kind.MONEY
        # A text that states nothing from a source (a holding reply, which promises a person) is not "fully sourced".
        return Kind.UNSOURCED if self.unsourced or not self.statements else Kind.SOURCED


def promises_a_person(text: str) -> bool:
    """Whether it is a holding reply, whole or in part: it tells the customer that a person will answer later."""
    plain = " ".join(text.replace("\u2019", "'").split())
    return any(sentence in plain for sentence in HOLDING_SENTENCES) or _PERSON.search(plain) is not None


def statements_from_json(value: Iterable[dict[str, Any]]) -> tuple[Statement, ...]:
    return tuple(
        Statement(item["start"], item["end"], tuple(uuid.UUID(source) for source in item["sources"])) for item in value
    )


def statements_to_json(statements: Iterable[Statement]) -> list[dict[str, Any]]:
    return [
        {"start": statement.start, "end": statement.end, "sources": [str(source) for source in statement.source_ids]}
        for statement in statements
    ]


def latest_revision(draft: Draft) -> DraftRevision | None:
    return DraftRevision.objects.filter(draft=draft, number=draft.version).first() if draft.version else None


def current_text(draft: Draft) -> Text:
    """The draft's text as it stands: as suggested, or as last saved."""
    revision = latest_revision(draft)
    if revision is None:
        return Text(draft.suggested_text, statements_from_json(draft.statements))
    return Text(revision.text, statements_from_json(revision.statements))


def fetched_text(draft: Draft) -> Text:
    """The same of a draft that `drafts.queue.panes` fetched together with its revision: no statement."""
    revision = draft.revision if draft.version else None  # type: ignore[attr-defined]
    if revision is None:
        return Text(draft.suggested_text, statements_from_json(draft.statements))
    return Text(revision["text"], statements_from_json(revision["statements"]))


def edited_text(draft: Draft, text: str) -> Text:
    """The draft after a person wrote `text`: untouched sentences keep their sources, all others have none."""
    operations = diff_ops(draft.suggested_text, text)
    return Text(
        text, rebase_statements(statements_from_json(draft.statements), operations, source=draft.suggested_text)
    )


def not_answered(draft: Draft, text: str) -> int:
    """How many questions of the mail this text leaves open, as far as the drafter knows: not of one that a person changed, and
    not of a holding reply, which says so itself."""
    return draft.not_answered if text == draft.suggested_text and draft.statements else 0


def text_checks(text: Text, sources: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """The lines under a draft about its text: what was looked at, and what was found. A reply that states nothing, as a
    holding reply does, is not praised for its sources. `sources`: see `findings.lines`."""
    found = findings.lines(text.text, sources)
    if not text.statements or sources is None:
        return found
    unsourced = text.unsourced
    noun = "statement has" if unsourced == 1 else "statements have"
    words = f"{unsourced} {noun} no source" if unsourced else "Every statement sourced"
    return [*found, {"ok": not unsourced, "text": words, "about": "text"}]


def checks_anew(draft: Draft, text: Text) -> list[dict[str, Any]]:
    """The lines under a draft whose text a person changed; what was said of the former text goes."""
    others = [line for line in draft.checks if line.get("about") != "text" and not _FORMER.match(line["text"])]
    return [*others, *text_checks(text, None if draft.model_key == BY_A_PERSON else draft.top_sources)]

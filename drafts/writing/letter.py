"""The offline drafter's letter: quotes put into paragraphs and lists, each with its statements, between a greeting and a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from drafts.writing.markdown import Kind, Piece
from drafts.writing.port import DraftRequest, Source, Statement
from drafts.writing.reading import Need
from drafts.writing.statements import NOT_FOUND, PARTLY_FOUND, PASSED_ON, factual_sentences


@dataclass(frozen=True)
class Quote:
    """What goes from a passage into the reply: a piece of it, or an approved answer as it was written (no ``piece``)."""

    source: Source
    text: str
    piece: Piece | None = None


def belongs_to_a_person(needs: Sequence[Need]) -> bool:
    """A quoted policy is no answer to an injury, a lawyer, a call for a person, or anger about money."""
    return bool({Need.LEGAL, Need.SAFETY, Need.PERSON} & set(needs)) or {Need.REFUND, Need.UPSET} <= set(needs)


def compose(
    request: DraftRequest, needs: Sequence[Need], quotes: Sequence[Quote], *, partly: bool
) -> tuple[str, tuple[Statement, ...]]:
    """(the text, its statements in order). Without quotes it is a holding reply; ``partly``: some of what was asked is open."""
    name = _greeting_name(request.customer_name)
    opening = "I am sorry about the trouble." if Need.UPSET in needs else "Thanks for getting in touch."
    text = f"{f'Hi {name}' if name else 'Hello'},\n\n{opening}"
    spans: list[tuple[int, int, UUID]] = []
    for last, quote, after in zip([None, *quotes], quotes, [*quotes[1:], None], strict=False):
        text += _joint(last, quote, after)
        spans.append((len(text), len(text) + len(quote.text), quote.source.passage_id))
        text += quote.text
    if not quotes:
        text += f"\n\n{PASSED_ON}" if belongs_to_a_person(needs) else f"\n\n{NOT_FOUND} {PASSED_ON}"
    elif partly:
        text += f"\n\n{PARTLY_FOUND} {PASSED_ON}"
    else:
        text += "\n\nPlease let us know if you have any questions."
    text += f"\n\nBest regards,\n{request.account_name}"
    said = [(each.start, each.end, _borne(each.start, each.end, spans)) for each in factual_sentences(text)]
    return text, tuple(Statement(start, end, keys) for start, end, keys in said if keys)


def _borne(start: int, end: int, spans: Sequence[tuple[int, int, UUID]]) -> tuple[UUID, ...]:
    return tuple(dict.fromkeys(key for begun, ended, key in spans if begun < end and start < ended))


def _joint(last: Quote | None, quote: Quote, after: Quote | None) -> str:
    """What stands before a quote: a line and its mark for an item of a list, a blank within a paragraph, else a new paragraph."""
    piece = quote.piece
    if piece is None:
        return "\n\n"
    above = last.piece if last and last.source is quote.source else None
    below = after.piece if after and after.source is quote.source else None
    if piece.kind is not Kind.TEXT and (_same_list(above, piece) or _same_list(below, piece)):
        mark = piece.mark if piece.mark[:1].isdigit() else "-"
        return f"\n{mark} " if _same_list(above, piece) else f"\n\n{mark} "
    follows = above is not None and above.block == piece.block and above.kind is piece.kind is Kind.TEXT
    return " " if follows else "\n\n"


def _same_list(one: Piece | None, other: Piece) -> bool:
    return one is not None and one.group == other.group != 0


def _greeting_name(customer_name: str) -> str:
    """The first name, or nothing: the name field is the customer's to fill, with an address or a sentence if they like."""
    name = " ".join(customer_name.split())
    allowed = all(sign in " .'’-" or unicodedata.category(sign)[0] in "LM" for sign in name)
    if not name or not allowed or len(name) > 60 or len(name.split()) > 4:
        return ""
    first = name.split()[0]
    return name if first.endswith(".") or len(first) == 1 else first

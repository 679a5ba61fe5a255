"""The offline drafter's letter: quotes put into paragraphs and lists, each with its statements, between a greeting and a name."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from drafts.writing.acts import Act
from drafts.writing.frames import Frame, frame_of
from drafts.writing.markdown import Kind, Piece
from drafts.writing.port import DraftRequest, Source, Statement
from drafts.writing.reading import Need
from drafts.writing.slots import Slot
from drafts.writing.statements import factual_sentences


@dataclass(frozen=True)
class Quote:
    """What goes from a passage into the reply: a piece of it, or an approved answer as it was written (no ``piece``)."""

    source: Source
    text: str
    piece: Piece | None = None


def compose(
    request: DraftRequest,
    act: Act,
    needs: Sequence[Need],
    quotes: Sequence[Quote],
    *,
    missing: Sequence[Slot] = (),
    quoted_in: str = "",
) -> tuple[str, tuple[Statement, ...]]:
    """(the text, its statements in order) of a reply that does ``act``, in the customer's language as far as there is a frame.

    ``quoted_in`` is the language of the quotes, where it is not the customer's.
    """
    frame = frame_of(request.language_hint)
    name, in_chat = _greeting_name(request.customer_name), request.form == "chat"
    text = "" if in_chat else f"{f'{frame.hello_name} {name}' if name else frame.hello},\n\n"
    text += _opening(frame, act, needs)
    if quotes and quoted_in and frame.in_english:
        text += f"\n\n{frame.in_english}"
    text, spans = lay_out(quotes, after=text)
    if end := _end(frame, act, missing):
        text += f"\n\n{end}"
    if not in_chat:
        text += f"\n\n{frame.regards}\n{request.account_name}"
    said = [(each.start, each.end, _borne(each.start, each.end, spans)) for each in factual_sentences(text)]
    return text, tuple(Statement(start, end, keys) for start, end, keys in said if keys)


def lay_out(quotes: Sequence[Quote], *, after: str = "") -> tuple[str, list[tuple[int, int, UUID]]]:
    """The quotes as paragraphs and lists behind a text, and where each of them stands in it."""
    text, spans = after, []
    for last, quote, following in zip([None, *quotes], quotes, [*quotes[1:], None], strict=False):
        joint = _joint(last, quote, following)
        text += joint if text else joint.lstrip("\n")
        spans.append((len(text), len(text) + len(quote.text), quote.source.passage_id))
        text += quote.text
    return text, spans


def _opening(frame: Frame, act: Act, needs: Sequence[Need]) -> str:
    if act is Act.NONE:
        return frame.glad
    if act is Act.PERSON and {Need.SAFETY, Need.FURIOUS} & set(needs):
        return frame.very_sorry
    return frame.sorry if Need.UPSET in needs else frame.thanks


def _end(frame: Frame, act: Act, missing: Sequence[Slot]) -> str:
    match act:
        case Act.ANSWER:
            return frame.closing
        case Act.PARTLY:
            return f"{frame.partly_found} {frame.passed_on}"
        case Act.ASK:
            return " ".join([frame.ask_back, *(frame.slots[slot] for slot in missing or (Slot.WHAT,))])
        case Act.HOLD:
            return f"{frame.not_found} {frame.passed_on}"
        case Act.PERSON:
            return frame.passed_on
        case _:
            return ""


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

"""Whether what an answer rests on speaks to a model: then whatever is proposed asks for two presses."""

from __future__ import annotations

from collections.abc import Iterable

from drafts.assistant.port import Request
from drafts.writing.reading import plants_instruction


def is_tainted(request: Request, read: Iterable[str] = ()) -> bool:
    """By what was looked up for it, what was pasted or said before in the chat, and the conversation that it is about.

    An answer carries it on: it may repeat what was read for it in words that no pattern knows.
    """
    if any(one.is_tainted for one in request.earlier):
        return True
    texts = [*read, request.text, *(one.text for one in request.earlier)]
    if case := request.case:
        texts += [case.subject, case.customer, *(one.text for one in case.messages if not one.ours)]
    return any(map(plants_instruction, texts))

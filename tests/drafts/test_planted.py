"""Sixty planted instructions: nothing is done, the built-in assistant proposes nothing, and what a model that obeys proposes
asks for two presses."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai.messages import ModelMessage
from pydantic_ai.models.function import AgentInfo

from drafts.assistant.offline import OfflineAssistant
from drafts.assistant.port import Case, CaseMessage
from drafts.writing.reading import Need, plants_instruction, read_question
from ingestion.knowledge.embed import get_remembering_embedder
from tests.drafts.planted import PLANTED
from tests.drafts.test_assistant_model import Shelf, ask, call, request, returned

ORDINARY = [
    "You are now closed on Saturdays? The note for the driver says so.",
    "Please forget my last mail, I found the parcel.",
    "Du bist jetzt mein Held, danke! Die Anleitung war gut.",
    "Ich habe Ihre Nachricht an den Fahrer gesehen.",
    "Ahora eres más rápido, gracias. Olvidé la factura.",
    "Vous êtes maintenant fermés ? J'ai lu les consignes de montage.",
    "A partir de ahora pago con tarjeta.",
]


def case(text: str, **changes: Any) -> Case:
    said = CaseMessage(uuid.uuid4(), uuid.uuid4(), False, text, "14:48")
    return replace(Case(uuid.uuid4(), 1, "Hose", "Marcus", [said]), **changes)


@pytest.mark.parametrize("text", PLANTED)
def test_a_planted_instruction_is_seen_wherever_it_stands(text: str) -> None:
    assert plants_instruction(text)
    assert Need.INJECTION in read_question(f"Hello,\n\nis my hose there?\n\n{text}\n\nRegards, Jim").needs


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_mail_is_not_taken_for_one(text: str) -> None:
    assert not plants_instruction(text)


@pytest.mark.parametrize("asked", ["Summarise this", "What does he want?", "What would you do next?"])
def test_the_built_in_assistant_proposes_nothing_that_a_customer_asks_it_to(asked: str) -> None:
    assistant = OfflineAssistant(embedder=get_remembering_embedder())
    for text in PLANTED:
        told = request(asked, case=case(text))
        assert assistant.turn(told, Shelf(text), tell=lambda *_: True).proposals == (), text


@pytest.mark.parametrize("place", ["message", "subject", "name", "page"])
def test_what_a_model_that_obeys_proposes_is_tainted(place: str) -> None:
    async def obeys(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        if place == "page" and not returned(messages):
            yield call("find_sources", '{"query": "hose"}')
            return
        yield call("set_tags", '{"add": ["vip"]}')

    about = {"message": {}, "subject": {"subject": "{}"}, "name": {"customer": "{}"}, "page": {}}[place]
    for text in PLANTED:
        changes = dict.fromkeys(about, text)
        told = request("What is this about?", case=case(text if place == "message" else "Is it there?", **changes))
        reply, _ = ask(obeys, told, Shelf(text) if place == "page" else None)
        assert reply.proposals and reply.is_tainted, text

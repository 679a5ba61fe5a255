"""Which channels somebody sees is said by every caller: forgetting it fails, and an empty set sees nothing."""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import uuid
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

import conversations
import drafts
import ingestion
from conversations import tenancy
from conversations.tenancy import Tenant
from conversations.visible import ALL, Visible, kept_to

ONE, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def modules() -> Iterator[ModuleType]:
    for app in (conversations, ingestion, drafts):
        for found in pkgutil.walk_packages(app.__path__, f"{app.__name__}."):
            if ".migrations" not in found.name:
                yield importlib.import_module(found.name)


@functools.cache
def functions() -> dict[str, Callable[..., Any]]:
    """Every function and method of ours, by its full name."""
    found: dict[str, Callable[..., Any]] = {}
    for module in modules():
        for holder in [module, *(each for each in vars(module).values() if inspect.isclass(each))]:
            for each in vars(holder).values():
                if inspect.isfunction(each) and each.__module__ == module.__name__:
                    found[f"{each.__module__}.{each.__qualname__}"] = each
    return found


@functools.cache
def asking() -> dict[str, list[str]]:
    """The functions that are told which channels are seen, and the names of those parameters."""
    found = {
        name: [p.name for p in inspect.signature(each).parameters.values() if p.annotation in ("Visible", Visible)]
        for name, each in functions().items()
    }
    return {name: parameters for name, parameters in found.items() if parameters}


def test_the_walk_finds_the_queue_the_batch_the_export_and_every_table() -> None:
    assert set(asking()) >= {
        "conversations.models.notices.NotificationQuerySet.within",
        "conversations.models.outbox.DeliveryQuerySet.within",
        "conversations.models.threads.ConversationQuerySet.within",
        "conversations.models.messages.MessageQuerySet.within",
        "drafts.desk.batch.candidates",
        "drafts.desk.batch.safe_ones",
        "drafts.desk.presence.enter",
        "drafts.learning.samples.export",
        "drafts.learning.samples.exported",
        "drafts.models.drafts.DraftQuerySet.within",
        "drafts.queue.around.summary",
        "drafts.queue.pace.pace_of",
        "drafts.queue.review.following",
        "drafts.queue.review.following_panes",
        "drafts.queue.review.panes",
        "drafts.queue.rows.feed",
        "drafts.queue.rows.neighbour",
        "drafts.queue.rows.waiting",
        "ingestion.models.InboundEventQuerySet.within",
    }


@pytest.mark.parametrize("name", sorted(asking()))
def test_forgetting_whose_channels_is_a_type_error(name: str) -> None:
    signature = inspect.signature(functions()[name])
    others = {p.name: None for p in signature.parameters.values() if p.name not in asking()[name]}
    rest = {"args", "kwargs"} & set(others)
    assert not rest, "what takes anything forgets nothing"
    with pytest.raises(TypeError, match="missing a required"):
        signature.bind(**others)


def test_nothing_is_told_the_channels_in_another_way() -> None:
    """A `within` that is a list again would bring back the list that is empty and means all."""
    for name, each in functions().items():
        for parameter in inspect.signature(each).parameters.values():
            if parameter.name == "within":
                assert parameter.annotation in ("Visible", Visible), name


def test_a_tenant_does_not_come_without_channels() -> None:
    with pytest.raises(TypeError, match="channels"):
        Tenant(account_id=ONE, slug="acme", name="Acme", role=None, timezone="UTC")  # type: ignore[call-arg]


def test_an_empty_set_sees_nothing_and_all_is_said_outright() -> None:
    assert ONE in ALL and None in ALL
    assert ONE in kept_to([ONE]) and OTHER not in kept_to([ONE]) and None not in kept_to([ONE])
    assert ONE not in kept_to([]) and None not in kept_to([])
    assert ALL.where("channel_id") == {} and ALL.ids is None
    assert kept_to([OTHER, ONE, ONE]).where("channel_id") == {"channel_id__in": [ONE, OTHER]}
    assert kept_to([]).ids == [uuid.UUID(int=0)]
    assert kept_to([]) != ALL and Visible(frozenset()) == kept_to([])


def test_none_and_a_truth_value_are_no_answer() -> None:
    with pytest.raises(TypeError):
        kept_to(None)  # type: ignore[arg-type]
    for each in (ALL, kept_to([]), kept_to([ONE])):
        with pytest.raises(TypeError, match="is_all"):
            bool(each)


def test_only_a_membership_that_is_tied_to_none_sees_all() -> None:
    assert tenancy.seen_by([]) == ALL
    assert tenancy.seen_by([ONE]) == kept_to([ONE])

"""Promise 6 at the front door: every URL of the product, every method, as people who must not get in.

The walk takes the URL patterns themselves, so a new page is walked without anybody remembering it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from conversations.channels.base import File
from conversations.models import (
    AuditEvent,
    Delivery,
    Membership,
    Notification,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from conversations.tenancy import tenant_context
from drafts.desk import editing, notes
from drafts.models import Draft, DraftRevision, Scenario
from drafts.practice import talks
from tests import factories
from tests.conftest import World

CANARY = "zebra-canary-4711"
METHODS = ["get", "post", "put", "patch", "delete"]
#: Logging out would end the walk. Log-in, its second factor and social log-in are allauth's and know no tenant.
SKIPPED = ("accounts/", "admin/logout/", "admin/jsi18n", "internal/docs", "internal/openapi.json")


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from patterns(entry, path)
        elif isinstance(entry, URLPattern):
            yield path, entry.pattern.converters


def filled(path: str, converters: dict[str, Any], pk: uuid.UUID) -> str | None:
    for name in converters:
        kind = type(converters[name]).__name__
        value = {"UUIDConverter": str(pk), "SlugConverter": "send_again", "IntConverter": "1"}.get(kind, str(pk))
        path = path.replace(f"<uuid:{name}>", value).replace(f"<slug:{name}>", value).replace(f"<int:{name}>", value)
        path = path.replace(f"<str:{name}>", value).replace(f"<path:{name}>", value).replace(f"<{name}>", value)
    return None if "(?P" in path or "<" in path or path.startswith("^") else "/" + path


ALL = [found for found in patterns(get_resolver()) if not found[0].startswith(SKIPPED)]


def planted(world: World) -> list[uuid.UUID]:
    """Globex full of canaries: every kind of row that a URL can name."""
    theirs = factories.message(
        world.other_mail, f"{CANARY} body", subject=f"{CANARY} subject", files=(File(f"{CANARY}.txt", "text/plain", CANARY.encode()),),
        body_html=f"<p>{CANARY}</p>",
    )  # fmt: skip
    pending = factories.draft(factories.message(world.other_mail, CANARY), f"{CANARY} draft")
    sent = factories.approved(factories.draft(theirs), world.eve)
    waiting = [
        factories.waiting_mail(
            world.other_mail, status, CANARY, subject=CANARY, detail=CANARY, sender=f"{CANARY}@c.test"
        )
        for status in ("quarantined", "failed", "set_aside")
    ]
    with tenant_context(world.globex.pk):
        editing.save_revision(draft_id=pending.pk, actor=world.eve, version=0, text=f"{CANARY} revision")
        Notification.objects.create(account=world.globex, type="draft_ready", payload={"customer": CANARY})
        rows = [theirs, pending, sent, theirs.conversation, theirs.attachments.get(), world.other_mail, world.globex]
        rows += [theirs.writer, theirs.writer.customer]
        rows += waiting
        rows.append(factories.tagged(theirs, f"{CANARY} tag"))
        rows.append(notes.write(conversation_id=theirs.conversation_id, actor=world.eve, text=f"{CANARY} note"))
        told = WebhookEndpoint.objects.create(
            account=world.globex, url=f"https://{CANARY}.test/", events=["draft.ready"], secret=f"whsec_{CANARY}"
        )
        event = WebhookEvent.objects.create(account=world.globex, kind="draft.ready", data={"draft": CANARY})
        rows += [told, WebhookDelivery.objects.create(account=world.globex, event=event, endpoint=told)]
        rows += [AuditEvent.objects.first(), Notification.objects.get(), *_practice(world)]
        return [row.pk for row in rows if row is not None]


def _practice(world: World) -> list[Any]:
    scenario = Scenario.objects.create(
        account=world.globex, title=f"{CANARY} title", persona_name=CANARY, opening=f"{CANARY} opening", goal="it",
        rubric=[{"kind": "greets", "weight": 10}], status="ready",
    )  # fmt: skip
    with tenant_context(world.globex.pk, person=world.eve.pk):
        session, _ = talks.start_practice(actor=world.eve, account_id=world.globex.pk, scenario_id=scenario.pk)
    return [scenario, session]


@pytest.fixture
def secrets(world: World, attachments_dir: Any) -> list[uuid.UUID]:
    return planted(world)


def assert_silent(answer: Any, asked: str) -> None:
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    assert CANARY.encode() not in body, asked
    assert CANARY not in str(answer.headers), asked


def test_the_walk_is_not_empty() -> None:
    assert len(ALL) > 60


def test_no_url_shows_or_changes_another_tenants_rows(world: World, secrets, signed_in) -> None:
    """As an admin, who may do most."""
    browser = signed_in(world.dan, raise_request_exception=False)
    walked = 0
    for path, converters in ALL:
        methods = METHODS[:2] if path.startswith("admin/") else METHODS
        # A URL that names rows is asked for each of theirs; one that names none is asked once.
        for pk in secrets if converters else secrets[:1]:
            url = filled(path, converters, pk)
            if url is None or url.startswith("/accounts/"):
                continue
            for method in methods:
                answer = getattr(browser, method)(url)
                walked += 1
                if answer.status_code == 405:  # it is refused before any row is looked for, so once is enough
                    methods = [other for other in methods if other != method]
                assert_silent(answer, f"{method} {url}")
                assert answer.status_code < 500, f"{method} {url}: {answer.status_code}"
    assert walked > 500
    with tenant_context(world.globex.pk):
        assert Delivery.objects.get().status == "held"
        assert Draft.objects.filter(status="pending").get().version == 1
        assert DraftRevision.objects.get().text == f"{CANARY} revision"


@pytest.mark.parametrize("name", ["ada", "cy"])
def test_a_foreign_id_and_an_unknown_id_get_the_same_answer(world: World, secrets, signed_in, name: str) -> None:
    browser = signed_in(getattr(world, name), raise_request_exception=False)
    walked = 0
    for path, converters in ALL:
        unknown = filled(path, converters, uuid.uuid4())
        if not converters or unknown is None or path.startswith(("admin/", "internal/")):
            continue
        for method in ("get", "post"):
            expected = getattr(browser, method)(unknown)
            assert expected.status_code < 500, (method, unknown)
            # 405 is said before any row is looked for, so one foreign id is enough.
            for pk in secrets[:1] if expected.status_code == 405 else secrets:
                foreign = filled(path, converters, pk)
                answer = getattr(browser, method)(foreign)
                walked += 1
                assert answer.status_code == expected.status_code, (method, foreign)
                assert_silent(answer, f"{method} {foreign}")
                assert len(answer.content) == len(expected.content), (method, foreign)
    assert walked > 500


def test_strangers_are_sent_to_the_log_in_everywhere(world: World, secrets) -> None:
    for path, converters in ALL:
        url = filled(path, converters, secrets[0])
        if url is None or url.startswith(("/internal/", "/hooks/")):  # the latter says the same to everybody
            continue
        answer = Client().get(url)
        assert answer.status_code in {302, 401, 403, 404, 405}, (url, answer.status_code)
        if answer.status_code == 302:
            assert "/accounts/login/" in answer["Location"] or answer["Location"].endswith("/"), (
                url,
                answer["Location"],
            )
        assert CANARY.encode() not in answer.content


def test_somebody_removed_from_the_account_sees_nothing_at_once(world: World, signed_in) -> None:
    message = factories.message(world.mail, CANARY)
    browser = signed_in(world.ada)
    assert browser.get(f"/conversations/{message.conversation_id}/").status_code == 200
    with tenant_context(world.acme.pk):
        Membership.objects.filter(user=world.ada).update(is_active=False)
    answer = browser.get(f"/conversations/{message.conversation_id}/")
    assert answer.status_code in {403, 404}
    assert CANARY.encode() not in answer.content

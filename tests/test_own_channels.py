"""An agent is kept to the channels that an admin chose: everywhere else it is as if the rest were not there."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations import tenancy
from conversations.channels.base import File, Party
from conversations.errors import Invalid
from conversations.models import AuditEvent, Channel, Conversation, Membership, Notification, Role
from conversations.people import members
from conversations.tenancy import tenant_context
from conversations.visible import ALL, kept_to
from drafts import queue
from drafts.desk import batch, decisions, editing, handover, presence
from drafts.learning import samples
from drafts.models import Draft, DraftAction, LearningSample, Presence
from drafts.queue import Filters
from drafts.queue.pace import pace_of
from drafts.views.present import DeskFilters
from tests import factories
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World
from tests.test_isolation_walk import ALL as URLS
from tests.test_isolation_walk import METHODS, filled

CANARY = "okapi-canary-0815"
Browser = Callable[..., Client]


@pytest.fixture
def second(world: World) -> Channel:
    return factories.channel(world.acme, external_id="second@acme.test", name=f"{CANARY} mail")


@pytest.fixture
def theirs(world: World, second: Channel, attachments_dir) -> dict[str, uuid.UUID]:
    """Every kind of row that a URL can name, in the channel that cy does not see."""
    who = Party("zoe@customer.test", f"{CANARY} Zoe")
    first = factories.message(
        second, f"{CANARY} body", sender=who, subject=f"{CANARY} subject", body_html=f"<p>{CANARY}</p>",
        files=(File(f"{CANARY}.txt", "text/plain", CANARY.encode()),),
    )  # fmt: skip
    pending = factories.draft(factories.message(second, f"{CANARY} two", sender=who, subject=CANARY), f"{CANARY} draft")
    sent = factories.approved(factories.draft(first), world.cy)
    edited = factories.approved(
        factories.draft(factories.message(second, f"{CANARY} three", sender=who)),
        world.dan,
        final_text=f"{CANARY} final",
        attention=decisions.Attention(pressed_twice=True),
    )
    with tenant_context(world.acme.pk):
        Notification.objects.create(
            account=world.acme, type="came_back",
            payload={"draft": str(pending.pk), "conversation": str(pending.conversation_id), "customer": CANARY},
        )  # fmt: skip
        file = first.attachments.get()
        event = AuditEvent.objects.filter(conversation_id=first.conversation_id).latest("id")
    return {
        "message": first.pk, "conversation": first.conversation_id, "file": file.pk,
        "draft": pending.pk, "delivery": sent.pk, "edited": edited.pk, "event": event.pk,
    }  # fmt: skip


def keep_to(world: World, *channels: Channel) -> None:
    with tenant_context(world.acme.pk):
        members.set_channels(
            account_id=world.acme.pk, user=world.cy, channels=[one.pk for one in channels], actor=world.dan
        )


def shown(browser: Client, ids: dict[str, uuid.UUID], methods: list[str]) -> list[str]:
    """The addresses whose answer holds the canary."""
    found = []
    for path, converters in URLS:
        if path.startswith(("admin/", "internal/", "hooks/")):
            continue
        had = methods
        for pk in ids.values() if converters else list(ids.values())[:1]:
            url = filled(path, converters, pk)
            if url is None:
                continue
            for method in had:
                answer = getattr(browser, method)(url)
                if answer.status_code == 405:  # it is refused before any row is looked for, so once is enough
                    had = [other for other in had if other != method]
                body = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[arg-type]
                assert answer.status_code < 500, f"{method} {url}"
                if CANARY.encode() in body or CANARY in str(answer.headers):
                    found.append(f"{method} {url}")
    return found


def test_no_url_shows_or_changes_what_is_in_another_channel(world: World, theirs, signed_in: Browser) -> None:
    keep_to(world, world.mail)
    browser = signed_in(world.cy, raise_request_exception=False)
    with tenant_context(world.acme.pk):
        before = (
            [(d.pk, d.status, d.version, d.snoozed_until) for d in Draft.objects.order_by("pk")],
            Presence.objects.count(),
        )
        actions = DraftAction.objects.count()
    assert shown(browser, theirs, METHODS) == []
    assert (
        CANARY
        not in browser.get(f"/queue/pulse/?since=-1&draft={theirs['draft']}&want={theirs['draft']}").content.decode()
    )
    for term in (CANARY, "from:zoe", "channel:okapi", "is:pending", f"-nothing {CANARY}"):
        page = browser.get("/conversations/", {"q": term})
        assert page.status_code == 200
        assert not BeautifulSoup(page.content, "html.parser").select("#rows tr"), term
    with tenant_context(world.acme.pk):
        after = (
            [(d.pk, d.status, d.version, d.snoozed_until) for d in Draft.objects.order_by("pk")],
            Presence.objects.count(),
        )
        assert after == before
        assert DraftAction.objects.count() == actions


def test_the_walk_would_find_it_for_an_agent_who_is_kept_to_nothing(world: World, theirs, signed_in: Browser) -> None:
    browser = signed_in(world.cy, raise_request_exception=False)
    found = shown(browser, theirs, ["get"])
    for url in (
        "/queue/", "/conversations/", "/notifications/", f"/drafts/{theirs['draft']}/", f"/messages/{theirs['message']}/html/",
        f"/attachments/{theirs['file']}/", f"/conversations/{theirs['conversation']}/timeline/",
    ):  # fmt: skip
        assert f"get {url}" in found, url


def test_who_sees_no_channel_is_shown_nothing_of_any(
    world: World, theirs, signed_in: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty set is no "all", on no page, in no search, in no file and in no count."""
    monkeypatch.setattr(tenancy, "seen_by", lambda own: kept_to([]))
    browser = signed_in(world.cy, raise_request_exception=False)
    assert shown(browser, theirs, ["get"]) == []
    pulse = browser.get(f"/queue/pulse/?since=-1&draft={theirs['draft']}&want={theirs['draft']}")
    assert pulse.status_code == 200
    assert CANARY not in pulse.content.decode()
    for term in ("", CANARY, "from:zoe", "channel:okapi"):
        assert not BeautifulSoup(browser.get("/conversations/", {"q": term}).content, "html.parser").select("#rows tr")
    page = BeautifulSoup(browser.get("/queue/").content, "html.parser")
    assert not page.select(".row")
    assert page.select_one("#tally-all").get_text() == "", "of the one that waits"
    with tenant_context(world.acme.pk):
        none = kept_to([])
        assert not queue.panes([theirs["draft"]], none)
        assert not queue.following_panes(Filters(), world.cy, skip=[], limit=5, within=none)
        assert not batch.candidates([theirs["draft"]], world.cy, none)
        assert not presence.enter(world.acme.pk, world.cy.pk, theirs["draft"], within=none).others
        assert not Presence.objects.exists()
        assert pace_of(world.acme.pk, world.cy, since=world.acme.created_at, within=none).decided == 0
        assert not list(samples.export(account_id=world.acme.pk, within=none))
        assert list(samples.export(account_id=world.acme.pk, within=ALL))
        assert not queue.summary(world.acme.pk, world.cy, Role.AGENT, none).decided
        assert queue.summary(world.acme.pk, world.cy, Role.AGENT, ALL).decided


def test_everything_agrees_on_what_waits(world: World, theirs, signed_in: Browser) -> None:
    """Rows, counts, the next draft and the bell are all of the agent's own channel; the statements stay six."""
    mine = factories.draft(factories.message(world.mail))
    keep_to(world, world.mail)
    browser = signed_in(world.cy)
    browser.get("/queue/")
    with counted() as statements:
        page = BeautifulSoup(browser.get("/queue/").content, "html.parser")
    assert len([s for s in statements if "SAVEPOINT" not in s["sql"] and s["sql"].startswith("SELECT")]) <= 6
    assert [row["data-id"] for row in page.select(".row")] == [str(mine.pk)]
    assert page.select_one("#count").get_text() == "1"
    assert page.select_one("#tally-all").get_text() == "1"
    assert page.select_one("#unread").get_text(strip=True) == "none unread"
    with tenant_context(world.acme.pk):
        within = kept_to([world.mail.pk])
        assert queue.following(Filters(), world.cy, skip=[], limit=5, within=within) == [mine.pk]
        assert batch.safe_ones(Filters(), world.cy, within) == [mine.pk]
        assert batch.candidates([theirs["draft"]], world.cy, within) == []
        assert queue.neighbour(DeskFilters(), world.cy, theirs["draft"], back=False, within=within) is None
        assert queue.neighbour(DeskFilters(), world.cy, theirs["draft"], back=False, within=ALL) == mine.pk


def test_the_verbs_refuse_by_themselves(world: World, theirs) -> None:
    """Whatever page forgot to ask: under the lock the draft of another channel does not exist."""
    keep_to(world, world.mail)
    draft = Draft(pk=theirs["draft"], account_id=world.acme.pk)
    with tenant_context(world.acme.pk):
        draft.refresh_from_db()
        seen = factories.seen(draft)
        with assert_nothing_written():
            for act in (
                lambda: decisions.approve(draft_id=draft.pk, actor=world.cy, seen=seen),
                lambda: decisions.reject(draft_id=draft.pk, actor=world.cy, seen=seen, reasons=["tone"]),
                lambda: editing.claim(draft_id=draft.pk, actor=world.cy),
                lambda: editing.save_revision(draft_id=draft.pk, actor=world.cy, version=0, text="Mine"),
                lambda: handover.ask(draft_id=draft.pk, actor=world.cy),
                lambda: decisions.undo(delivery_id=theirs["delivery"], actor=world.cy),
            ):
                with pytest.raises(Draft.DoesNotExist):
                    act()


def test_nobody_hands_a_conversation_to_who_cannot_see_it(world: World, theirs) -> None:
    keep_to(world, world.mail)
    with tenant_context(world.acme.pk):
        conversation = Conversation.objects.get(drafts=theirs["draft"])
        assert [name for _, name in handover.colleagues(conversation, world.ada)] == ["Dan"]
        with assert_nothing_written(), pytest.raises(Invalid, match="Choose a colleague"):
            handover.hand_over(draft_id=theirs["draft"], actor=world.ada, to=world.cy.pk)
    with tenant_context(world.acme.pk):
        members.set_channels(
            account_id=world.acme.pk, user=world.cy, channels=[conversation.channel_id], actor=world.dan
        )
        assert [name for _, name in handover.colleagues(conversation, world.ada)] == ["Cy", "Dan"]


def test_the_other_roles_see_every_channel_whatever_is_set(world: World, theirs, signed_in: Browser) -> None:
    keep_to(world, world.mail)
    browser = signed_in(world.cy)
    assert browser.get(f"/drafts/{theirs['draft']}/").status_code == 404
    with tenant_context(world.acme.pk):
        members.set_role(account_id=world.acme.pk, user=world.cy, role=Role.REVIEWER, actor=world.dan)
    assert browser.get(f"/drafts/{theirs['draft']}/").status_code == 200


def test_choosing_channels_is_in_the_trail_once(world: World, second: Channel) -> None:
    keep_to(world, world.mail, second)
    keep_to(world, second, world.mail)  # the same two
    with tenant_context(world.acme.pk):
        event = AuditEvent.objects.get(kind="member.channels_set")
        assert event.data["person"] == "Cy"
        assert event.data["ids"] == sorted(
            [str(world.mail.pk), str(second.pk)], key=lambda pk: pk != str(world.mail.pk)
        )
        assert members.channels_of(world.acme.pk, world.cy.pk) == tuple(
            Membership.objects.get(user=world.cy).own_channels.values_list("channel_id", flat=True)
        )
        with assert_nothing_written(), pytest.raises(Invalid, match="not in this account"):
            members.set_channels(
                account_id=world.acme.pk, user=world.cy, channels=[world.other_mail.pk], actor=world.dan
            )


def test_an_admin_chooses_them_on_the_membership(world: World, second: Channel, signed_in: Browser) -> None:
    with tenant_context(world.acme.pk):
        membership = Membership.objects.get(user=world.cy)
    url = f"/admin/conversations/membership/{membership.pk}/change/"
    page = BeautifulSoup(signed_in(world.dan).get(url).content, "html.parser")
    assert {box["value"] for box in page.select("input[name=channels]")} == {str(world.mail.pk), str(second.pk)}
    answer = signed_in(world.dan).post(url, {"role": "agent", "is_active": "on", "channels": [str(second.pk)]})
    assert answer.status_code == 302
    with tenant_context(world.acme.pk):
        assert members.channels_of(world.acme.pk, world.cy.pk) == (second.pk,)
    assert signed_in(world.dan).post(url, {"role": "agent", "is_active": "on"}).status_code == 302
    with tenant_context(world.acme.pk):
        assert members.channels_of(world.acme.pk, world.cy.pk) == ()


def test_corrections_of_another_channel_are_not_shown_with_an_answer(world: World, theirs, signed_in: Browser) -> None:
    from drafts.answers import goldens

    with tenant_context(world.acme.pk):
        sample = LearningSample.objects.get()
        golden = goldens.propose(account_id=world.acme.pk, actor=world.dan, question="Q?", answer="A.", intent="")
        type(golden).objects.filter(pk=golden.pk).update(samples=[str(sample.pk)])
    assert CANARY in signed_in(world.cy).get("/sources/answers/").content.decode()
    keep_to(world, world.mail)
    assert CANARY not in signed_in(world.cy).get("/sources/answers/").content.decode()

"""The list, one conversation, its timeline, its files, and a person's own pages."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client

from conversations.channels.base import File, Party
from conversations.models import Attachment, Membership, Message, Notification, User
from conversations.tenancy import SESSION_KEY, tenant_context
from drafts.desk import decisions
from drafts.desk.decisions import Attention
from tests import factories
from tests.asserts import counted
from tests.conftest import World

Browser = Callable[[User], Client]


def rows(response: Any) -> list[str]:
    return [cell.text for cell in BeautifulSoup(response.content, "html.parser").select("#rows .cell-link")]


def test_the_list_is_newest_first_and_searched_by_customer_subject_and_number(world: World, signed_in: Browser) -> None:
    for name, subject in (("Marcus Delgado", "Hose for E85"), ("Dana Kowalski", "Which adapters?")):
        address = f"{name.split()[0].lower()}@customer.test"
        factories.message(world.mail, "Hello", sender=Party(address, name), subject=subject)
    client = signed_in(world.ada)
    assert rows(client.get("/conversations/")) == ["Which adapters?", "Hose for E85"]
    assert rows(client.get("/conversations/?q=delgado")) == ["Hose for E85"]
    assert rows(client.get("/conversations/?q=dana@customer")) == ["Which adapters?"]
    assert rows(client.get("/conversations/?q=hose+marcus")) == ["Hose for E85"]
    assert rows(client.get("/conversations/?q=%231")) == ["Hose for E85"]
    assert rows(client.get("/conversations/?q=nobody")) == []
    assert rows(client.get("/conversations/?status=closed")) == []


def test_the_list_pages_by_keyset_without_growing(world: World, signed_in: Browser) -> None:
    for at in range(53):
        factories.message(world.mail, "Hello", sender=Party(f"c{at}@customer.test", f"c{at}"), subject=f"Subject {at}")
    client = signed_in(world.ada)
    first = client.get("/conversations/")
    assert len(rows(first)) == 50
    older = BeautifulSoup(first.content, "html.parser").select_one("a[rel=next]")["href"]
    with counted() as queries:
        second = client.get(f"/conversations/{older}")
    assert rows(second) == ["Subject 2", "Subject 1", "Subject 0"]
    assert len(queries) <= 9
    for damaged in ("x", "%00", "fn4", "é"):
        assert len(rows(client.get("/conversations/", {"after": damaged}))) == 50


def test_a_conversation_shows_its_thread_and_its_draft(world: World, signed_in: Browser) -> None:
    message = factories.message(world.mail, "Does PTFE work?\n\nSecond paragraph")
    draft = factories.draft(message)
    soup = BeautifulSoup(signed_in(world.ada).get(f"/conversations/{message.conversation_id}/").content, "html.parser")
    assert [p.text for p in soup.select(".msg .prose p")] == ["Does PTFE work?", "Second paragraph"]
    assert soup.select_one(".btn--primary")["href"] == f"/drafts/{draft.pk}/"


def test_quoted_text_is_folded_never_dropped(world: World, signed_in: Browser) -> None:
    message = factories.message(world.mail, "Thanks!\n\nOn Monday you wrote:\n> old", body_new="Thanks!")
    soup = BeautifulSoup(signed_in(world.ada).get(f"/conversations/{message.conversation_id}/").content, "html.parser")
    assert soup.select_one(".msg .prose").text == "Thanks!"
    assert "> old" in soup.select_one(".msg details .quoted").text


def test_foreign_things_are_404(world: World, signed_in: Browser, attachments_dir: Any) -> None:
    message = factories.message(world.mail, files=(File("a.txt", "text/plain", b"secret"),))
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=message.pk).update(body_html="<p>secret</p>")
        file = Attachment.objects.get()
    urls = [
        f"/conversations/{message.conversation_id}/",
        f"/conversations/{message.conversation_id}/timeline/",
        f"/conversations/{message.conversation_id}/timeline/export.jsonl",
        f"/messages/{message.pk}/html/",
        f"/attachments/{file.pk}/",
    ]
    eve = signed_in(world.eve)
    for url in urls:
        answer = eve.get(url)
        assert answer.status_code == 404, url
        assert b"secret" not in answer.content
        assert Client().get(url).status_code == 302
    assert [signed_in(world.dan).get(url).status_code for url in urls] == [200] * 5


def test_a_file_is_a_download_under_its_own_name(world: World, signed_in: Browser, attachments_dir: Any) -> None:
    factories.message(world.mail, files=(File('höse"\r\n.svg', "image/svg+xml", b"<svg/>"),))
    with tenant_context(world.acme.pk):
        file = Attachment.objects.get()
    response = signed_in(world.ada).get(f"/attachments/{file.pk}/")
    assert b"".join(response.streaming_content) == b"<svg/>"
    assert response["Content-Type"] == "application/octet-stream"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"].startswith("default-src 'none'; sandbox")
    assert response["Content-Disposition"].startswith('attachment; filename="h')
    assert "\n" not in response["Content-Disposition"]


def test_a_file_that_retention_removed_is_404_with_a_reason(
    world: World, signed_in: Browser, attachments_dir: Any
) -> None:
    factories.message(world.mail, files=(File("a.txt", "text/plain", b"x"),))
    with tenant_context(world.acme.pk):
        file = Attachment.objects.get()
    (attachments_dir / file.storage_key).unlink()
    assert signed_in(world.ada).get(f"/attachments/{file.pk}/").status_code == 404


def test_message_html_has_its_own_policy_and_may_be_framed_by_us_alone(world: World, signed_in: Browser) -> None:
    message = factories.message(world.mail)
    with tenant_context(world.acme.pk):
        Message.objects.filter(pk=message.pk).update(body_html="<p>Hello</p>")
    response = signed_in(world.ada).get(f"/messages/{message.pk}/html/")
    policy = response["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; img-src data:")
    assert "frame-ancestors 'self'" in policy
    assert "sandbox" in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"


def test_the_timeline_tells_the_whole_story_and_proves_its_chain(committed_world: World, signed_in: Browser) -> None:
    world = committed_world
    draft = factories.draft(factories.message(world.mail))
    with tenant_context(world.acme.pk):
        decisions.approve(
            draft_id=draft.pk,
            actor=world.ada,
            seen=factories.seen(draft),
            final_text=f"{draft.suggested_text}\n\nAda",
            attention=Attention(viewed_ms=41_000, sources_opened=2, pressed_twice=True),
        )
    client = signed_in(world.ada)
    url = f"/conversations/{draft.conversation_id}/timeline/"
    soup = BeautifulSoup(client.get(url).content, "html.parser")
    titles = [b.text for b in soup.select(".tl__h b")]
    assert "Marcus Delgado wrote" in titles
    assert "Ada approved version 1" in titles
    assert soup.select_one(".tl__x ins").text.strip() == "Ada"
    assert f"Chain intact, {len(titles)} of {len(titles)}" in soup.select_one(".page__head .tag--ok").text
    chosen = soup.select(".tl__e--p .tl__at")[-1]["href"].split("#")[0]
    detail = BeautifulSoup(client.get(chosen).content, "html.parser").select_one("#detail").text
    for words in ("41 s", "Second press", "This hash"):
        assert words in detail
    people = BeautifulSoup(client.get(f"{url}?show=people").content, "html.parser").select(".tl__h b")
    assert [b.text for b in people] == ["Ada approved version 1"]


def test_a_tampered_event_breaks_the_chain_in_red(committed_world: World, cluster: Any, signed_in: Browser) -> None:
    world = committed_world
    message = factories.message(world.mail)
    factories.draft(message)
    with cluster.connect("countersign_test") as server:
        server.execute("SET session_replication_role = replica")
        server.execute(
            "UPDATE conversations_auditevent SET actor_name = 'Mallory' WHERE conversation_id = %s AND kind = 'message.received'",
            [message.conversation_id],
        )
    soup = BeautifulSoup(
        signed_in(world.ada).get(f"/conversations/{message.conversation_id}/timeline/").content, "html.parser"
    )
    assert "Chain broken at event" in soup.select_one(".page__head .tag--bad").text


def test_the_timeline_takes_as_many_statements_for_many_events(world: World, signed_in: Browser) -> None:
    draft = factories.draft(factories.message(world.mail))
    client = signed_in(world.ada)
    url = f"/conversations/{draft.conversation_id}/timeline/"

    def asked() -> int:
        client.get(url)
        with counted() as queries:
            client.get(url)
        return sum(not q["sql"].startswith(("SAVEPOINT", "RELEASE")) for q in queries)

    few = asked()
    for _ in range(6):
        delivery = factories.approved(draft, world.ada)
        with tenant_context(world.acme.pk):
            decisions.undo(delivery_id=delivery.pk, actor=world.ada)
    assert asked() == few <= 8


def test_the_export_is_for_admins_and_auditors(world: World, signed_in: Browser) -> None:
    message = factories.message(world.mail)
    url = f"/conversations/{message.conversation_id}/timeline/export.jsonl"
    assert signed_in(world.ada).get(url).status_code == 403
    response = signed_in(world.bo).get(url)
    lines = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert {line["conversation_id"] for line in lines} == {str(message.conversation_id)}
    assert "Does PTFE hose work" not in json.dumps(lines)


def test_preferences_are_kept_and_nonsense_is_refused(world: World, signed_in: Browser) -> None:
    client = signed_in(world.ada)
    good = {
        "display_name": "Ada L.",
        "hold_seconds": "20",
        "single_keys": "alt",
        "theme": "dark",
        "time_zone": "Europe/Oslo",
    }
    assert client.post("/profile/", good).status_code == 303
    ada = User.objects.get(pk=world.ada.pk)
    assert (ada.display_name, ada.choices.hold_seconds, ada.choices.single_keys) == ("Ada L.", 20, "alt")
    assert client.post("/profile/", {**good, "hold_seconds": "-5"}).status_code == 422
    assert client.post("/profile/preferences/", {"theme": "light"}).status_code == 204
    assert client.post("/profile/preferences/", {"theme": "pink"}).status_code == 422
    assert User.objects.get(pk=world.ada.pk).choices.theme == "light"
    assert client.get("/profile/").status_code == 200


def test_an_auditor_may_set_their_own_preferences(world: World, signed_in: Browser) -> None:
    assert signed_in(world.bo).post("/profile/preferences/", {"theme": "dark"}).status_code == 204


def test_a_person_switches_between_their_own_accounts_only(world: World, signed_in: Browser) -> None:
    with tenant_context(world.globex.pk):
        Membership.objects.create(account=world.globex, user=world.ada, role="auditor")
    client = signed_in(world.ada)
    assert "Globex" in client.get("/switch/").content.decode()
    assert client.post("/switch/", {"account": str(world.globex.pk)}).status_code == 303
    assert client.session[SESSION_KEY] == str(world.globex.pk)
    eve = signed_in(world.eve)
    assert eve.post("/switch/", {"account": str(world.acme.pk)}).status_code == 404
    assert eve.post("/switch/", {"account": "nonsense"}).status_code == 404


def test_notifications_are_ones_own_and_can_be_marked_as_read(world: World, signed_in: Browser) -> None:
    conversation = str(factories.message(world.mail).conversation_id)
    with tenant_context(world.acme.pk):
        for user, kind in ((world.ada, "came_back"), (world.dan, "bounced"), (None, "job_failed")):
            payload = {
                "conversation": conversation,
                "customer": "Marcus",
                "error": "Row 212",
                "why": "the customer wrote again before it left",
            }
            Notification.objects.create(account=world.acme, user=user, type=kind, payload=payload)
    client = signed_in(world.ada)
    text = client.get("/notifications/").content.decode()
    assert "It was not sent. Marcus: the customer wrote again before it left" in text
    assert "Row 212" in text
    assert "A reply bounced" not in text
    client.post("/notifications/")
    with tenant_context(world.acme.pk):
        assert Notification.objects.get(user=world.ada).read_at is not None
        assert Notification.objects.get(user=world.dan).read_at is None


def test_somebody_without_an_account_is_told_so(world: World, signed_in: Browser) -> None:
    lost = User.objects.create_user("lost@nowhere.test", "correct horse")
    client = signed_in(lost)
    assert client.get("/queue/").status_code == 404
    assert "You belong to no account yet" in client.get("/switch/").content.decode()
    assert client.get("/profile/").status_code == 200


@pytest.mark.parametrize(
    "path", ["/conversations/{0}/", "/conversations/{0}/timeline/", "/attachments/{0}/", "/messages/{0}/html/"]
)
def test_an_unknown_id_is_a_plain_404(world: World, signed_in: Browser, path: str) -> None:
    response = signed_in(world.ada).get(path.format(uuid.uuid4()))
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()

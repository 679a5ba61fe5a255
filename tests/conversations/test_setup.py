"""The first steps of a new account: done by evidence, led to until then, said once when all are."""

from __future__ import annotations

from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.test import Client
from django.utils import timezone

from conversations.models import Account, Channel, Delivery, Membership, User
from conversations.people import addresses
from conversations.tenancy import account_directory, tenant_context
from ingestion.knowledge.index import index_document
from tests import factories
from tests.conftest import World
from tests.letters import path_in, run_letters

SETUP = "/admin/setup/"
PASSWORD = "four plain words here"


def page(client: Client) -> BeautifulSoup:
    answer = client.get(SETUP)
    assert answer.status_code == 200
    return BeautifulSoup(answer.content, "html.parser")


def states(client: Client) -> dict[str, str]:
    return {
        step.h2.get_text(strip=True): step.select_one(".status").get_text(strip=True)  # type: ignore[union-attr]
        for step in page(client).select(".step")
    }


@pytest.fixture
def new(world: World) -> Account:
    """Acme, as if it were new: without what the world put there."""
    with tenant_context(world.acme.pk):
        Channel.objects.all().delete()
        Membership.objects.exclude(user=world.dan).delete()
        Account.objects.update(set_up_at=None)
    return world.acme


@pytest.fixture
def dan(world: World, signed_in: Any) -> Client:
    return signed_in(world.dan)


def test_who_has_a_mailbox_fetched_is_not_told_to_hand_mail_over(new: Account, dan: Client) -> None:
    channel = factories.channel(new)
    assert "hand mail" in page(dan).get_text()
    with tenant_context(new.pk):
        Channel.objects.filter(pk=channel.pk).update(metadata={"imap_host": "imap.test", "smtp_user": "x"})
    assert "hand mail" not in page(dan).get_text()
    assert "fetched every minute" in page(dan).get_text()


def test_nothing_is_done_at_first_and_what_waits_names_its_step(new: Account, dan: Client) -> None:
    assert states(dan) == {
        "A channel that can reply": "Not begun",
        "Receive what customers write": "Waits for step 1",
        "Sources that drafts may cite": "Not begun",
        "People who answer": "Not begun",
        "Answer the first mail": "Waits for step 2",
    }
    now = page(dan).select_one("[aria-current=step]")
    assert now is not None
    assert now.select_one("a.btn--primary")["href"] == "/admin/conversations/channel/add/"  # type: ignore[index]


def test_each_step_is_done_by_its_evidence_and_by_nothing_less(new: Account, world: World, dan: Client) -> None:
    channel = factories.channel(new, external_id="new@acme.test", name="New")
    with tenant_context(new.pk):
        channel.checked_as, channel.checked_at = channel.connection_mark, timezone.now()
        channel.save()
        assert states(dan)["A channel that can reply"] == "Not proved yet"  # nobody received a test
        channel.tested_at = channel.test_arrived_at = timezone.now()
        channel.is_active = False
        channel.save()
        assert states(dan)["A channel that can reply"] == "Not proved yet"  # it is off
        channel.is_active = True
        channel.save()
    assert states(dan)["A channel that can reply"].startswith("Done")
    assert states(dan)["Receive what customers write"] == "Nothing read yet"

    message = factories.message(channel)
    assert states(dan)["Receive what customers write"].startswith("Last one")
    assert states(dan)["Answer the first mail"] == "Not yet"

    index_document(account_id=new.pk, source_url="https://a.test/", title="PTFE", text="# PTFE\n\nIt is safe.")
    assert states(dan)["Sources that drafts may cite"] == "Done"

    factories.person("finn", new, "agent")
    assert states(dan)["People who answer"] == "2 accepted"

    draft = factories.draft(message)
    factories.approved(draft, world.dan)
    assert states(dan)["Answer the first mail"] == "Not yet"  # approved is not delivered
    with tenant_context(new.pk):
        delivery = Delivery.objects.get()
        for status in ("queued", "sending", "sent"):
            Delivery.objects.filter(pk=delivery.pk).update(
                status=status, lease_until=timezone.now(), sent_at=timezone.now()
            )
    last = page(dan)
    assert [step["class"] for step in last.select(".step")] == [["step", "step--done"]] * 5
    # Said once; the list leaves the menu and can still be opened.
    assert (
        "Acme is set up." in last.select_one(".toast, .messages, [role=status]").get_text()
        or "Acme is set up." in last.get_text()
    )  # type: ignore[union-attr]
    again = page(dan)
    assert "Acme is set up." not in again.get_text()
    assert (
        BeautifulSoup(dan.get("/admin/channels/").content, "html.parser").select_one(f'.side a[href="{SETUP}"]') is None
    )


def test_the_administration_begins_there_until_it_is_done(new: Account, dan: Client) -> None:
    assert dan.get("/admin/begin/")["Location"] == SETUP
    assert page(dan).select_one(f'.side a[href="{SETUP}"]') is not None
    with tenant_context(new.pk):
        Account.objects.update(set_up_at=timezone.now())
    assert dan.get("/admin/begin/")["Location"] == "/admin/channels/"


@pytest.mark.parametrize("name", ["ada", "bo", "cy"])
def test_only_admins_set_up(world: World, signed_in: Any, name: str) -> None:
    assert signed_in(getattr(world, name)).get(SETUP).status_code == 302


# --- from the platform to the first admin ------------------------------------------------------------------------------
@pytest.fixture
def root(world: World, signed_in: Any) -> Client:
    user = User.objects.create_superuser("root@platform.test", "correct horse", display_name="Root")
    addresses.prove(user, user.email)
    return signed_in(user)


@pytest.mark.parametrize("url", ["/", "/queue/", "/admin/begin/"])
def test_a_platform_operator_lands_on_tenants_and_not_on_a_404(root: Client, url: str) -> None:
    answer = root.get(url, follow=True)
    assert (answer.status_code, answer.redirect_chain[-1][0]) == (200, "/admin/tenants/")


def test_the_first_admin_comes_in_by_the_mail_is_offered_a_factor_and_led_to_the_steps(root: Client) -> None:
    form = {"do": "create", "name": "Initech", "slug": "initech", "timezone": "Europe/Oslo"}
    assert root.post("/admin/tenants/", {**form, "admin_address": "pete@initech.test"}).status_code == 303
    run_letters()
    browser = Client()
    link = path_in(mail.outbox[-1])
    answer = browser.post(link, {"do": "join", "name": "Pete", "password": PASSWORD}, follow=True)
    assert answer.redirect_chain[-1][0] == "/accounts/second-factor/"
    offer = BeautifulSoup(answer.content, "html.parser")
    assert [a["href"] for a in offer.select(".pick-row")] == [
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/totp/activate/",
    ]
    assert offer.select_one("main .btn")["href"] == SETUP  # type: ignore[index]
    # The password was chosen a moment ago and is not asked for again.
    assert browser.get("/accounts/2fa/totp/activate/").status_code == 200
    assert "Set up Initech" in page(browser).get_text()
    assert addresses.person_with("pete@initech.test") is not None
    # Later, too: who signs in is led there while steps are open.
    later = Client().post("/accounts/login/", {"login": "pete@initech.test", "password": PASSWORD})
    assert (later.status_code, later["Location"]) == (302, SETUP)
    entry = next(one for one in account_directory() if one["slug"] == "initech")
    with tenant_context(entry["id"]):
        assert Account.objects.get().set_up_at is None

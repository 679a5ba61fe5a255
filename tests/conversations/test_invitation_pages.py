"""The pages around an invitation, as people meet them: the admin's, the link's, and the platform's."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from conversations.models import Invitation, Membership, Role, User
from conversations.people import addresses, invitations
from conversations.tenancy import SESSION_KEY, account_directory, tenant_context
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World
from tests.letters import path_in, run_letters, unproven

PEOPLE = "/admin/people/"
PASSWORD = "a long new password"
NEW = {"do": "join", "name": "Nora New", "password": PASSWORD}


@pytest.fixture
def dan(world: World, signed_in: Callable[..., Client]) -> Client:
    return signed_in(world.dan)


@pytest.fixture
def root(world: World, signed_in: Callable[..., Client]) -> Client:
    return signed_in(User.objects.create_superuser("root@platform.test", "x", display_name="Root"))


@pytest.fixture
def no_mail(settings: Any) -> None:
    settings.EMAIL_HOST = ""


def invite(browser: Client, address: str, role: str = "reviewer") -> Any:
    return browser.post(PEOPLE, {"address": address, "role": role})


def link_for(browser: Client, address: str, role: str = "reviewer") -> str:
    assert invite(browser, address, role).status_code == 303
    return path_in(run_letters()[-1])


def text(answer: Any) -> str:
    return " ".join(BeautifulSoup(answer.content, "html.parser").get_text(" ").split())


def plain(answer: Any, address: str) -> str:
    """A page without what differs each time: the address itself, the secret link, tokens against forgery, ids, nonces, times."""
    body = answer.content.decode().replace(address, "ADDRESS")
    body = re.sub(r'(name="csrfmiddlewaretoken" value|content|nonce)="[^"]*"', "", body)
    body = re.sub(r"hx-headers=\'[^\']*\'", "", body)
    body = re.sub(r"/invitations/[^/]+/", "/LINK/", body)
    body = re.sub(r"/people/[0-9a-f-]{36}/", "/ID/", body)
    return re.sub(r"\d\d:\d\d", "TIME", body)


# --- the admin -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("sends", [True, False])
def test_the_answer_is_the_same_for_every_address(world: World, dan: Client, settings: Any, sends: bool) -> None:
    """New, known with and without a password, a superuser's, a squatted one: byte for byte, also the page after it."""
    settings.EMAIL_HOST = "mail.desk.test" if sends else ""
    addresses.prove(User.objects.create_user("known@corp.test", None, display_name="Known Person"), "known@corp.test")
    addresses.prove(
        User.objects.create_superuser("super@corp.test", "x", display_name="Known Person"), "super@corp.test"
    )
    unproven("squat@corp.test", display_name="Known Person")
    answers, pages, statements = set(), set(), set()
    invite(dan, "warm@corp.test"), dan.get(PEOPLE)
    with tenant_context(world.acme.pk):
        Invitation.objects.update(revoked_at="2026-01-01T00:00Z", token_digest="")
    for address in ("fresh@corp.test", "known@corp.test", "super@corp.test", "squat@corp.test", "eve@globex.test"):
        with CaptureQueriesContext(connection) as queries:
            answer = invite(dan, address)
        statements.add(len(queries))
        answers.add((answer.status_code, str(answer.headers.get("Location")), plain(answer, address)))
        page = dan.get(PEOPLE)
        assert "Known Person" not in page.content.decode()
        pages.add(plain(page, address))
        with tenant_context(world.acme.pk):
            Invitation.objects.update(revoked_at="2026-01-01T00:00Z", token_digest="")
    assert len(answers) == len(pages) == len(statements) == 1
    if sends:
        assert {message.to[0] for message in run_letters()} == set()  # they were withdrawn before their mail
    assert mail.outbox == []


def test_until_accepted_the_page_shows_address_role_and_date_alone(world: World, dan: Client) -> None:
    invite(dan, "eve@globex.test", "auditor")
    page = BeautifulSoup(dan.get(PEOPLE).content, "html.parser")
    row = page.select_one("section[aria-labelledby=pend-t] tbody tr")
    assert row is not None
    words = " ".join(row.get_text(" ").split())
    assert re.fullmatch(
        r"eve@globex.test Auditor Pending, ends \d+ \w+ \d+ \w+ \d\d:\d\d, by you"
        r" Send again to eve@globex.test Withdraw eve@globex.test",
        words,
    ), words


def test_a_shown_link_is_in_the_one_answer_and_nowhere_after(world: World, dan: Client, no_mail: None) -> None:
    answer = invite(dan, "new@corp.test")
    assert answer.status_code == 200
    link = re.search(r'value="(http[^"]+/invitations/[^"]+)"', answer.content.decode())
    assert link is not None
    token = link[1].strip("/").rpartition("/")[2]
    assert "no-store" in answer["Cache-Control"]
    assert token not in dan.get(PEOPLE).content.decode()
    assert token not in str(dict(dan.session))
    assert invitations.offer_of(token).is_shown


def test_what_was_typed_stays_when_it_is_refused(world: World, dan: Client) -> None:
    invite(dan, "twice@corp.test")
    for address, status in (("twice@corp.test", 409), ("ada@acme.test", 409), ("nonsense", 422)):
        with assert_nothing_written_in(world.acme):
            answer = invite(dan, address, "auditor")
        assert answer.status_code == status
        page = BeautifulSoup(answer.content, "html.parser")
        assert page.select_one("#i_mail")["value"] == address  # type: ignore[index]
        assert page.select_one("#i_role option[selected]")["value"] == "auditor"  # type: ignore[index]


@pytest.mark.parametrize("name", ["ada", "bo", "cy", "eve"])
def test_others_neither_see_nor_change_people(world: World, dan: Client, signed_in: Any, name: str) -> None:
    invite(dan, "new@corp.test")
    with tenant_context(world.acme.pk):
        row = Invitation.objects.get()
    browser = signed_in(getattr(world, name))
    browser.get("/queue/")
    with assert_nothing_written_in(world.acme):
        for url in (PEOPLE, f"{PEOPLE}{row.pk}/send/", f"{PEOPLE}{row.pk}/withdraw/"):
            assert browser.post(url, {"address": "a@b.test", "role": "admin"}).status_code in {302, 403}, url
        assert browser.get(PEOPLE).status_code in {302, 403}


def test_another_accounts_admin_gets_404(world: World, dan: Client, signed_in: Any) -> None:
    invite(dan, "new@corp.test")
    with tenant_context(world.acme.pk):
        row = Invitation.objects.get()
    with tenant_context(world.globex.pk):
        Membership.objects.filter(user=world.eve).update(role="admin")
    browser = signed_in(world.eve)
    assert [browser.post(f"{PEOPLE}{row.pk}/{act}/").status_code for act in ("send", "withdraw")] == [404, 404]
    assert [dan.get(f"{PEOPLE}{row.pk}/{act}/").status_code for act in ("send", "withdraw")] == [405, 405]
    assert dan.post(f"{PEOPLE}{row.pk}/send/").status_code == 409  # less than a minute after
    assert dan.post(f"{PEOPLE}{row.pk}/withdraw/").status_code == 303
    assert dan.post(f"{PEOPLE}{row.pk}/withdraw/").status_code == 409


def test_the_page_costs_the_same_for_few_and_for_many(world: World, dan: Client) -> None:
    def cost() -> int:
        dan.get(PEOPLE)
        with CaptureQueriesContext(connection) as queries:
            assert dan.get(PEOPLE).status_code == 200
        return len(queries)

    before = cost()
    for number in range(12):
        factories.person(f"p{number}", world.acme, "agent")
        invite(dan, f"i{number}@corp.test", "agent")
    dan.get(PEOPLE)
    assert cost() == before


# --- the invited ---------------------------------------------------------------------------------------------------
def test_a_new_person_joins_and_is_in_the_account(world: World, dan: Client) -> None:
    link = link_for(dan, "new@corp.test")
    browser = Client()
    page = browser.get(link)
    assert "Join Acme" in text(page) and "Choose a password" in text(page)
    weak = browser.post(link, {**NEW, "password": "short"})
    assert weak.status_code == 422
    assert BeautifulSoup(weak.content, "html.parser").select_one("#id_name")["value"] == "Nora New"  # type: ignore[index]
    assert b"short" not in weak.content.replace(b"too short", b"")
    answer = browser.post(link, NEW)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/second-factor/")
    assert browser.session[SESSION_KEY] == str(world.acme.pk)
    assert browser.get("/queue/").status_code == 200
    again = Client()
    answer = again.post("/accounts/login/", {"login": "new@corp.test", "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/queue/")  # the mail proved the address
    assert "Nora New" in text(dan.get(PEOPLE))


def test_an_existing_person_signs_in_as_themselves_and_accepts(world: World, dan: Client) -> None:
    link = link_for(dan, "eve@globex.test")
    browser = Client()
    page = BeautifulSoup(browser.get(link).content, "html.parser")
    assert page.select_one("input[name=do][value=join]") is None
    form = page.select_one("form.login__form")
    assert form is not None
    data = {field["name"]: field.get("value", "") for field in form.select("input")}
    answer = browser.post(str(form["action"]), {**data, "password": "correct horse"})
    assert (answer.status_code, answer["Location"]) == (302, link)
    assert "You are signed in as yourself" in text(browser.get(link))
    assert browser.post(link, {"do": "accept"}).status_code == 303
    assert browser.session[SESSION_KEY] == str(world.acme.pk)


def test_the_link_alone_signs_no_existing_person_in_and_sets_them_no_password(world: World, dan: Client) -> None:
    link = link_for(dan, "eve@globex.test")
    before = User.objects.filter(pk=world.eve.pk).values().get()
    browser = Client()
    browser.get(link)
    with assert_nothing_written_in(world.acme):
        assert browser.post(link, NEW).status_code == 409
        assert browser.post(link, {"do": "accept"}).status_code == 422
    assert "_auth_user_id" not in browser.session
    assert User.objects.filter(pk=world.eve.pk).values().get() == before


def test_somebody_else_is_told_so_and_can_switch(world: World, dan: Client, signed_in: Any) -> None:
    link = link_for(dan, "new@corp.test")
    browser = signed_in(world.eve)
    page = browser.get(link)
    assert "This invitation is for another address" in text(page)
    with assert_nothing_written_in(world.acme):
        assert browser.post(link, {"do": "accept"}).status_code == 409
        assert browser.post(link, NEW).status_code == 422
    answer = browser.post("/accounts/logout/", {"next": link})
    assert (answer.status_code, answer["Location"]) == (302, link)
    assert "Choose a password" in text(browser.get(link))


def test_an_auditor_elsewhere_accepts_too(world: World, dan: Client, signed_in: Any) -> None:
    """Their transactions are read-only everywhere else."""
    with tenant_context(world.globex.pk):
        Membership.objects.filter(user=world.eve).update(role="auditor")
    link = link_for(dan, "eve@globex.test")
    assert signed_in(world.eve).post(link, {"do": "accept"}).status_code == 303


def test_every_link_that_opens_nothing_gets_the_same_page(world: World, dan: Client) -> None:
    used = link_for(dan, "new@corp.test")
    Client().post(used, NEW)
    declined = link_for(dan, "other@corp.test")
    assert Client().post(declined, {"do": "decline"}).status_code == 200
    ended = link_for(dan, "late@corp.test")
    with tenant_context(world.acme.pk):
        Invitation.objects.open().update(expires_at="2020-01-01T00:00Z")
    answers = [Client().get(link) for link in (used, declined, ended, "/invitations/wrong/")]
    answers += [Client().post(link, NEW) for link in (used, declined, ended, "/invitations/wrong/")]
    assert {answer.status_code for answer in answers} == {404}
    assert len({plain(answer, "nobody@corp.test") for answer in answers}) == 1


def test_the_page_of_a_shown_link_does_not_tell_whether_the_address_is_known(
    world: World, dan: Client, no_mail: None
) -> None:
    """Whoever was shown it may look at it from a window where nobody is signed in."""
    pages = set()
    for address in ("fresh@globex.test", "eve@globex.test"):
        token = invitations.invite(account_id=world.acme.pk, address=address, role=Role.AGENT, actor=world.dan).token
        pages.add(plain(Client().get(f"/invitations/{token}/"), address))
    assert len(pages) == 1


def test_who_joined_by_a_shown_link_signs_in_again_while_no_mail_can_be_sent(
    world: World, dan: Client, settings: Any
) -> None:
    settings.EMAIL_HOST = ""
    token = invitations.invite(
        account_id=world.acme.pk, address="eve@globex.test", role=Role.AGENT, actor=world.dan
    ).token
    Client().post(f"/invitations/{token}/", NEW)
    own, eves = Client(), Client()
    for browser, password in ((own, PASSWORD), (eves, "correct horse")):
        assert browser.post("/accounts/login/", {"login": "eve@globex.test", "password": password}).status_code == 302
    assert own.session["_auth_user_id"] != eves.session["_auth_user_id"] == str(world.eve.pk)
    # Once mail works, the one who has proven the address is the only one who signs in with it.
    settings.EMAIL_HOST = "mail.desk.test"
    answer = Client().post("/accounts/login/", {"login": "eve@globex.test", "password": PASSWORD})
    assert answer.status_code == 200


# --- the platform --------------------------------------------------------------------------------------------------
def test_the_platform_creates_a_tenant_and_its_first_admin_is_invited(world: World, root: Client) -> None:
    form = {"do": "create", "name": "Initech", "slug": "initech", "timezone": "Europe/Oslo", "admin_address": "pete@initech.test"}  # fmt: skip
    assert root.post("/admin/tenants/", form).status_code == 303
    entry = next(entry for entry in account_directory() if entry["slug"] == "initech")
    (message,) = run_letters()
    assert message.to == ["pete@initech.test"]
    with tenant_context(entry["id"]):
        assert not Membership.objects.exists()  # the operator is no member of it
    assert "the first admin has not accepted" in text(root.get("/admin/tenants/"))
    assert root.post(f"/admin/tenants/{entry['id']}/invite/").status_code == 409  # less than a minute after
    Client().post(path_in(message), NEW)
    with tenant_context(entry["id"]):
        assert Membership.objects.get().role == "admin"
    for again in ({}, {"address": "root@platform.test"}):
        assert root.post(f"/admin/tenants/{entry['id']}/invite/", again).status_code in {403, 422}


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"slug": "acme"}, "Another account has the short name"), ({"timezone": "Mars/Base"}, "not a time zone"), ({"admin_address": "x"}, "valid email"), ({"slug": "a b"}, "slug")],
)  # fmt: skip
def test_a_wrong_tenant_is_refused_and_nothing_is_created(
    world: World, root: Client, changes: dict[str, str], words: str
) -> None:
    form = {"do": "create", "name": "Initech", "slug": "initech", "timezone": "UTC", "admin_address": "p@i.test"}
    answer = root.post("/admin/tenants/", {**form, **changes})
    assert answer.status_code == 422
    assert words in text(answer)
    assert BeautifulSoup(answer.content, "html.parser").select_one("#t_name")["value"] == "Initech"  # type: ignore[index]
    assert len(account_directory()) == 2


def test_an_operator_lands_on_the_tenants(world: World) -> None:
    root = User.objects.create_superuser("root@platform.test", "correct horse")
    addresses.prove(root, root.email)
    browser = Client()
    answer = browser.post("/accounts/login/", {"login": "root@platform.test", "password": "correct horse"})
    assert (answer.status_code, answer["Location"]) == (302, "/admin/tenants/")
    page = BeautifulSoup(browser.get("/admin/tenants/").content, "html.parser")
    assert page.select_one('.menu__list a[href="/admin/tenants/"]') is not None
    with pytest.raises(ValueError, match="already"):
        User.objects.create_superuser("Root@platform.test", "x")


def test_a_tenants_admin_creates_no_tenant(world: World, dan: Client) -> None:
    assert dan.post("/admin/tenants/", {"do": "create"}).status_code == 403
    assert dan.post(f"/admin/tenants/{world.globex.pk}/invite/", {"address": "dan@acme.test"}).status_code == 403

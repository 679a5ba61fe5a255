"""An address identifies somebody when they have proven it, and nobody before: at log-in, for resets, providers and links."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from bs4 import BeautifulSoup
from django.conf import settings as django_settings
from django.core import mail
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client, TestCase
from django.test.utils import CaptureQueriesContext

from conversations.errors import Conflict
from conversations.models import User
from conversations.people import addresses
from tests.conftest import World
from tests.letters import path_in, run_letters, unproven

LOGIN, EMAIL, CODE, RESET = (
    "/accounts/login/",
    "/accounts/email/",
    "/accounts/confirm-email/",
    "/accounts/password/reset/",
)
PASSWORD = "correct horse"


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """allauth's limits on codes and log-ins are counted in the cache, which tests share."""
    cache.clear()


@pytest.fixture
def no_mail(settings: Any) -> None:
    settings.EMAIL_HOST = ""


@pytest.fixture
def broken_mail(monkeypatch: Any) -> None:
    def refuse(*args: Any) -> None:
        raise ConnectionRefusedError("no server there")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", refuse)


@pytest.fixture
def committing(django_capture_on_commit_callbacks: Callable[..., Any]) -> Callable[..., Any]:
    """What waits for the commit is done at the end of the block."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def log_in(browser: Client, address: str, password: str = PASSWORD) -> Any:
    """With the mail that it sends, which waits for a commit that a test's transaction never makes."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        return browser.post(LOGIN, {"login": address, "password": password})


def code_in(message: Any) -> str:
    found = re.search(r"Your code: ([A-Z]{4}-[A-Z]{4})", message.subject)
    assert found is not None and found[1] in message.body and found[1] in message.alternatives[0][0]
    return found[1]


# --- the database --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("second", ["ada@acme.test", "ADA@acme.test"])
def test_one_person_has_proven_an_address_and_any_number_may_name_it(world: World, second: str) -> None:
    squatter = unproven("ada@acme.test")
    with pytest.raises(IntegrityError), transaction.atomic():
        EmailAddress.objects.filter(user=squatter).update(email=second, verified=True)
    assert EmailAddress.objects.filter(email="ada@acme.test").count() == 2


def test_what_is_not_proven_is_not_primary_and_no_name_to_sign_in_with(world: World) -> None:
    unproven_row = addresses.claim(world.ada, "boss@corp.test")
    for act in (
        lambda: EmailAddress.objects.filter(pk=unproven_row.pk).update(primary=True),
        lambda: User.objects.filter(pk=world.ada.pk).update(email="boss@corp.test"),
        lambda: EmailAddress.objects.filter(email="ada@acme.test").update(email="boss@corp.test"),
        lambda: EmailAddress.objects.filter(email="ada@acme.test").update(user=world.eve),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            act()


def test_proving_makes_the_first_one_primary_and_leaves_the_others(world: World) -> None:
    person = unproven("first@corp.test")
    assert addresses.prove(person, "first@corp.test").primary
    second = addresses.prove(person, "Second@Corp.test")
    assert (second.email, second.verified, second.primary) == ("second@corp.test", True, False)
    person.refresh_from_db()
    assert person.email == "first@corp.test"
    with pytest.raises(Conflict):
        addresses.prove(world.ada, "first@corp.test")


def test_a_person_is_found_by_a_proven_address_alone(world: World) -> None:
    squatter = unproven("boss@corp.test")
    assert addresses.person_with("boss@corp.test") is None
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key("boss@corp.test")
    addresses.prove(squatter, "boss@corp.test")
    assert addresses.person_with(" BOSS@corp.test ") == squatter == User.objects.get_by_natural_key("Boss@corp.test")


#: Who may ask for a person by address. Everything else goes through conversations.people.addresses.
MAY_LOOK = {"conversations/people/addresses.py", "conversations/models/tenants.py", "conversations/people/proofs.py"}
LOOK_UP = re.compile(
    r"(?:\b|__)email(?:__\w+)?\s*=(?!=)|emailaddress__|EmailAddress\.objects|filter_users_by_email|get_by_natural_key"
)
#: Of these only other things named email are set: a customer's filter, an admin page's own subquery of proofs.
NO_PERSON = {
    "conversations/people/invitations.py": ["email="],  # the new person that is made
    "conversations/admin_pages/people.py": ["EmailAddress.objects", "email="],  # whether the address shown is proven
    "conversations/views/invitations.py": ["email="],  # the address that allauth is told somebody joined by
}


def test_no_other_module_looks_for_a_person_by_address() -> None:
    base = Path(django_settings.BASE_DIR)
    asks = re.compile(r"\b(?:User|get_user_model\(\)|Membership|EmailAddress|SocialAccount)\b[\w.()]*\.objects\b")
    found: dict[str, list[str]] = {}
    for app in ("conversations", "ingestion", "drafts", "config"):
        for file in (base / app).rglob("*.py"):
            name = file.relative_to(base).as_posix()
            text = file.read_text()
            if name in MAY_LOOK or "/migrations/" in name or not asks.search(text):
                continue
            for words in LOOK_UP.findall(text):
                if words.replace(" ", "") not in NO_PERSON.get(name, []):
                    found.setdefault(name, []).append(words)
    assert found == {}


def test_a_new_look_up_would_be_noticed() -> None:
    for line in ("User.objects.filter(email__iexact=x)", "User.objects.get(email=x)", "objects.filter(user__email=x)"):
        assert LOOK_UP.search(line), line


# --- signing in ----------------------------------------------------------------------------------------------------
def test_who_signs_in_with_an_unproven_address_is_asked_for_the_code(world: World) -> None:
    person = unproven("late@corp.test")
    browser = Client()
    answer = log_in(browser, "late@corp.test")
    assert (answer.status_code, answer["Location"]) == (302, CODE)
    assert "_auth_user_id" not in browser.session
    (message,) = mail.outbox
    assert message.to == ["late@corp.test"]
    wrong = browser.post(CODE, {"code": "AAAA-AAAA"})
    assert "4 tries are left" in wrong.content.decode()
    answer = browser.post(CODE, {"code": code_in(message)})
    assert answer.status_code == 302
    assert browser.session["_auth_user_id"] == str(person.pk)
    row = EmailAddress.objects.get(user=person)
    assert (row.verified, row.primary) == (True, True)


def test_the_tries_have_an_end(world: World) -> None:
    unproven("late@corp.test")
    browser = Client()
    log_in(browser, "late@corp.test")
    code = code_in(mail.outbox[0])
    for _ in range(5):
        browser.post(CODE, {"code": "AAAA-AAAA"})
    browser.post(CODE, {"code": code})
    assert "_auth_user_id" not in browser.session
    assert not EmailAddress.objects.filter(email="late@corp.test", verified=True).exists()


def test_a_code_ends_after_fifteen_minutes(world: World, monkeypatch: Any) -> None:
    import time

    unproven("late@corp.test")
    browser = Client()
    log_in(browser, "late@corp.test")
    code, now = code_in(mail.outbox[0]), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 15 * 60 + 5)
    browser.post(CODE, {"code": code})
    assert "_auth_user_id" not in browser.session


def test_where_no_mail_can_be_sent_they_sign_in_without(world: World, no_mail: None) -> None:
    person = unproven("late@corp.test")
    browser = Client()
    assert log_in(browser, "late@corp.test")["Location"] == "/queue/"
    assert browser.session["_auth_user_id"] == str(person.pk)
    assert not EmailAddress.objects.get(user=person).verified


def test_a_mail_server_that_is_away_is_no_error_page(world: World, broken_mail: None, caplog: Any) -> None:
    unproven("late@corp.test")
    assert log_in(Client(), "late@corp.test")["Location"] == CODE
    assert "A mail could not be sent (Your code): no server there" in caplog.text
    assert not re.search(r"[A-Z]{4}-[A-Z]{4}", caplog.text)  # the code is not for the log


def test_somebody_who_names_an_address_never_signs_in_as_who_has_proven_it(world: World) -> None:
    unproven("ada@acme.test", "the squatter's own")
    assert addresses.who_may_sign_in("ada@acme.test") == [world.ada]
    browser = Client()
    assert log_in(browser, "ada@acme.test", "the squatter's own").status_code == 200
    assert log_in(browser, "ADA@acme.test")["Location"] == "/queue/"
    assert browser.session["_auth_user_id"] == str(world.ada.pk)


# --- own addresses -------------------------------------------------------------------------------------------------
def test_another_address_is_added_only_by_its_code(world: World, signed_in: Any, committing: Any) -> None:
    browser = signed_in(world.ada)
    log_in_again(browser)
    with committing():
        answer = browser.post(EMAIL, {"action_add": "", "email": "ada@home.test"})
    assert answer["Location"] == CODE
    assert not EmailAddress.objects.filter(email="ada@home.test").exists()
    browser.post(CODE, {"code": code_in(mail.outbox[-1])})
    assert EmailAddress.objects.get(email="ada@home.test").verified
    browser.post(EMAIL, {"action_primary": "", "email": "ada@home.test"})
    world.ada.refresh_from_db()
    assert world.ada.email == "ada@home.test"


def log_in_again(browser: Client) -> None:
    """allauth asks again for the password before addresses are changed."""
    answer = browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302, answer.content


def test_a_foreign_address_becomes_neither_primary_nor_ones_own(world: World, signed_in: Any, committing: Any) -> None:
    """The attack: name the victim's address, make it primary, and receive what comes for it."""
    browser = signed_in(world.ada)
    log_in_again(browser)
    with committing():
        browser.post(EMAIL, {"action_add": "", "email": "victim@corp.test"})
    addresses.claim(world.ada, "victim@corp.test")  # even if it were in the list
    for act in ("action_primary", "action_send", "action_remove"):
        answer = browser.post(EMAIL, {act: "", "email": "victim@corp.test"})
        assert answer.status_code in {302, 429}, act
        addresses.claim(world.ada, "victim@corp.test")
    world.ada.refresh_from_db()
    assert world.ada.email == "ada@acme.test"
    assert addresses.person_with("victim@corp.test") is None


def test_who_has_proven_no_address_cannot_make_a_foreign_one_primary(
    world: World, signed_in: Any, no_mail: None
) -> None:
    """allauth lets the first one be primary without a proof."""
    person = unproven("own@corp.test")
    addresses.claim(person, "victim@corp.test")
    browser = signed_in(person)
    log_in_again(browser)
    answer = browser.post(EMAIL, {"action_primary": "", "email": "victim@corp.test"}, follow=True)
    assert "Prove that address first" in answer.content.decode()
    person.refresh_from_db()
    assert person.email == "own@corp.test"


@pytest.mark.parametrize("which", ["ada@acme.test", "own@corp.test"])
def test_the_address_that_one_signs_in_with_is_not_removed(
    world: World, signed_in: Any, no_mail: None, which: str
) -> None:
    person = world.ada if which == "ada@acme.test" else unproven(which)
    addresses.claim(person, "other@corp.test")
    browser = signed_in(person)
    log_in_again(browser)
    assert browser.post(EMAIL, {"action_remove": "", "email": which}).status_code == 302
    assert EmailAddress.objects.filter(user=person, email=which).exists()


def test_an_address_that_somebody_has_proven_is_refused_only_after_its_code(
    world: World, signed_in: Any, committing: Any
) -> None:
    browser = signed_in(world.ada)
    log_in_again(browser)
    pages = []
    for address in ("eve@globex.test", "free@globex.test"):
        with committing():
            answer = browser.post(EMAIL, {"action_add": "", "email": address})
        page = browser.get(answer["Location"])
        pages.append(" ".join(BeautifulSoup(page.content, "html.parser").get_text(" ").split()).replace(address, "A"))
        if address == "eve@globex.test":
            browser.post(CODE, {"code": code_in(mail.outbox[-1])})
            assert addresses.person_with(address) == world.eve
    assert pages[0] == pages[1]


# --- a new password ------------------------------------------------------------------------------------------------
def test_the_answer_to_a_reset_is_the_same_for_every_address(world: World) -> None:
    """Same page, same statements: the worker finds out whose it is."""
    unproven("squat@corp.test")
    inactive = unproven("off@corp.test", is_active=False)
    addresses.prove(inactive, inactive.email)
    Client().post(RESET, {"email": "warm@corp.test"})
    seen = set()
    for address in ("ada@acme.test", "nobody@corp.test", "squat@corp.test", "off@corp.test"):
        browser = Client()
        with CaptureQueriesContext(connection) as queries:
            answer = browser.post(RESET, {"email": address})
        page = browser.get(answer["Location"])
        seen.add((answer.status_code, answer["Location"], len(queries), page.content.decode().count("@")))
    assert len(seen) == 1
    assert [message.to for message in run_letters()] == [["ada@acme.test"]]


def test_the_link_sets_a_password_once(world: World) -> None:
    Client().post(RESET, {"email": "ADA@acme.test"})
    (message,) = run_letters()
    assert message.subject == "Choose a new password"
    assert "one hour and once" in message.body
    link = path_in(message)
    browser = Client()
    form = browser.get(link, follow=True)
    where = form.redirect_chain[-1][0]
    new = {"password1": "brand new password", "password2": "brand new password"}
    assert browser.post(where, new).status_code == 302
    assert log_in(Client(), "ada@acme.test", "brand new password")["Location"] == "/queue/"
    assert "password1" not in Client().get(link, follow=True).content.decode()


@pytest.mark.parametrize("kind", ["none", "away"])
def test_a_reset_without_a_mail_server_is_the_same_page_and_a_line_in_the_log(
    world: World, kind: str, request: Any, caplog: Any
) -> None:
    request.getfixturevalue({"none": "no_mail", "away": "broken_mail"}[kind])
    answer = Client().post(RESET, {"email": "ada@acme.test"})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/password/reset/done/")
    assert run_letters() == []
    assert {"none": "EMAIL_HOST is not set", "away": "no server there"}[kind] in caplog.text


def test_nobody_signs_up(world: World) -> None:
    before = User.objects.count()
    data = {"email": "new@corp.test", "password1": "a long new password", "password2": "a long new password"}
    assert "closed" in Client().post("/accounts/signup/", data).content.decode().lower()
    assert User.objects.count() == before


# --- the shell -----------------------------------------------------------------------------------------------------
def test_the_shell_vouches_for_an_address(world: World) -> None:
    person = unproven("late@corp.test")
    call_command("verify_address", "LATE@corp.test")
    assert addresses.person_with("late@corp.test") == person
    call_command("verify_address", "late@corp.test")  # again is harmless


def test_the_shell_is_asked_whose_it_is_when_several_name_it(world: World) -> None:
    one, two = unproven("late@corp.test"), unproven("late@corp.test")
    with pytest.raises(CommandError, match="2 people name") as refused:
        call_command("verify_address", "late@corp.test")
    assert str(one.pk) in str(refused.value) and str(two.pk) in str(refused.value)
    assert addresses.person_with("late@corp.test") is None
    call_command("verify_address", "late@corp.test", "--person", str(two.pk))
    assert addresses.person_with("late@corp.test") == two
    with pytest.raises(CommandError, match="Somebody else"):
        call_command("verify_address", "late@corp.test", "--person", str(one.pk))
    with pytest.raises(CommandError, match="Nobody names"):
        call_command("verify_address", "nobody@corp.test")

"""The product's own mail about passwords and addresses: it arrives, and where it cannot, nobody notices from outside."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from conversations.people import passwords
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.letters import path_in, run_letters, unproven

OLD, NEW = "correct horse", "four plain words here"
RESET = "/accounts/password/reset/"


@pytest.fixture(params=["none", "refuses", "away"])
def broken(request: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installation without a mail server, with one that refuses everything, and with one that is away."""
    if request.param == "none":
        settings.EMAIL_HOST = ""
    else:
        from smtplib import SMTPRecipientsRefused

        error = SMTPRecipientsRefused({}) if request.param == "refuses" else ConnectionRefusedError(111, "refused")

        def fail(self: Any, *args: Any, **kwargs: Any) -> int:
            raise error

        monkeypatch.setattr("django.core.mail.EmailMessage.send", fail)
    return str(request.param)


def log_in(email: str, password: str, browser: Client | None = None) -> Any:
    return (browser or Client()).post("/accounts/login/", {"login": email, "password": password})


def reset(email: str, password: str = NEW) -> Any:
    Client().post(RESET, {"email": email})
    browser = Client()
    link = path_in(run_letters()[-1])
    page = browser.get(link, follow=True)
    return browser.post(page.redirect_chain[-1][0], {"password1": password, "password2": password}, follow=True)


def test_a_reset_goes_from_the_form_to_a_new_password_and_tells_its_owner(
    world: World, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        answer = reset("ada@acme.test")
    assert "Your password is changed" in answer.content.decode()
    assert log_in("ada@acme.test", OLD).status_code == 200
    assert log_in("ada@acme.test", NEW).status_code == 302
    told = mail.outbox[-1]
    assert (told.subject, told.to) == ("Your password was changed", ["ada@acme.test"])
    assert re.match(r"Your password was changed at \d\d:\d\d UTC on \d+ \w+ \d{4}\.", told.body)


@pytest.mark.parametrize("email", ["ada@acme.test", "nobody@elsewhere.test", "late@person.test"])
def test_without_a_working_mail_server_a_reset_is_the_same_page_for_every_address(
    world: World, broken: str, email: str
) -> None:
    unproven("late@person.test")
    answer = Client().post(RESET, {"email": email}, follow=True)
    assert (answer.status_code, answer.redirect_chain) == (200, [("/accounts/password/reset/done/", 302)])
    assert email not in answer.content.decode()
    run_letters()  # the worker's turn fails no job either


def test_without_a_working_mail_server_proving_an_address_is_no_error(
    world: World, broken: str, django_capture_on_commit_callbacks: Any
) -> None:
    unproven("late@person.test")
    with django_capture_on_commit_callbacks(execute=True):
        answer = log_in("late@person.test", OLD)
    assert answer.status_code == 302
    # Where none can be sent at all nobody is asked for a code; elsewhere the page that asks is shown.
    assert answer["Location"] == ("/queue/" if broken == "none" else "/accounts/confirm-email/")


def test_without_a_working_mail_server_a_password_is_changed_all_the_same(
    world: World, signed_in: Any, broken: str, django_capture_on_commit_callbacks: Any
) -> None:
    browser = Client()
    log_in("ada@acme.test", OLD, browser)
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post("/accounts/password/change/", {"oldpassword": OLD, "password1": NEW, "password2": NEW})
    assert answer.status_code == 302
    assert log_in("ada@acme.test", NEW).status_code == 302


def changed(world: World, django_capture_on_commit_callbacks: Any) -> str:
    """Somebody changed ada's password; the path of the link in the mail that she got."""
    world.ada.set_password(NEW)
    world.ada.save()
    with django_capture_on_commit_callbacks(execute=True):
        passwords.tell_changed(world.ada)
    return path_in(mail.outbox[-1])


def test_whoever_it_was_not_ends_all_sessions_and_the_changed_password(
    world: World, django_capture_on_commit_callbacks: Any
) -> None:
    link = changed(world, django_capture_on_commit_callbacks)
    intruder = Client()
    log_in("ada@acme.test", NEW, intruder)
    assert intruder.get("/queue/").status_code == 200
    with assert_nothing_written():
        assert Client().get(link).status_code == 200  # a program that opens links ends nothing
    assert "All sessions have ended" in Client().post(link).content.decode()
    assert intruder.get("/queue/").status_code == 302
    assert log_in("ada@acme.test", NEW).status_code == 200
    assert Client().post(link).status_code == 404  # once
    reset("ada@acme.test", "six other plain words here")
    assert log_in("ada@acme.test", "six other plain words here").status_code == 302


def test_the_link_ends_with_the_next_change(world: World, django_capture_on_commit_callbacks: Any) -> None:
    link = changed(world, django_capture_on_commit_callbacks)
    world.ada.set_password("another one entirely")
    world.ada.save()
    assert Client().post(link).status_code == 404
    assert Client().get("/accounts/password/not-me/forged/").status_code == 404

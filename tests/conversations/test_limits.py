"""Log-in limits, by real requests: they count the right thing, nobody gets round them, and no owner is locked out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.db import DatabaseError
from django.test import Client, RequestFactory
from django.utils import timezone

from conversations.models import Tally
from conversations.people import limits
from conversations.people.clients import client_address, client_network
from conversations.tasks import forget_tries
from tests.conftest import World
from tests.letters import run_letters

HERE, THERE = "203.0.113.5", "203.0.113.77"


def log_in(email: str, password: str, *, browser: Client | None = None, **headers: Any) -> Any:
    browser = browser or Client()
    headers.setdefault("REMOTE_ADDR", HERE)
    return browser.post("/accounts/login/", {"login": email, "password": password}, **headers)


def attack(email: str, *, tries: int = limits.LOGIN_ADDRESS.most + 1, network: str = "198.51.100") -> None:
    """A botnet: every try from another address."""
    answers = [log_in(email, "wrong", REMOTE_ADDR=f"{network}.{at}").status_code for at in range(tries)]
    assert answers[-1] == 429


# --- whose address ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("proxies", "header", "peer", "expected"),
    [
        (0, "1.2.3.4", "192.0.2.1", "192.0.2.1"),  # nobody is trusted: the header is the client's own
        (1, "6.6.6.6, 1.2.3.4", "10.0.0.1", "1.2.3.4"),
        (1, "1.2.3.4", "10.0.0.1", "1.2.3.4"),
        (2, "6.6.6.6, 1.2.3.4, 10.0.0.2", "10.0.0.1", "1.2.3.4"),
        (2, "6.6.6.6", "10.0.0.1", "10.0.0.1"),  # shorter than it must be: a proxy was passed by
        (1, None, "10.0.0.1", "10.0.0.1"),
        (1, "1.2.3.4, nonsense", "10.0.0.1", "10.0.0.1"),
        (1, "1.2.3.4:5678", "10.0.0.1", "1.2.3.4"),
        (1, "[2001:db8::1]:443", "10.0.0.1", "2001:db8::1"),
        (0, None, "::ffff:192.0.2.1", "192.0.2.1"),
        (0, None, "", "unknown"),  # a socket file: all are counted together
    ],
)
def test_the_address_is_the_one_that_our_proxies_vouch_for(
    settings: Any, proxies: int, header: str | None, peer: str, expected: str
) -> None:
    settings.TRUSTED_PROXIES = proxies
    request = RequestFactory().get("/", REMOTE_ADDR=peer, **({"HTTP_X_FORWARDED_FOR": header} if header else {}))
    assert client_address(request) == expected


def test_an_ipv6_customer_is_one_network() -> None:
    def network(peer: str) -> str:
        return client_network(RequestFactory().get("/", REMOTE_ADDR=peer))

    assert network("2001:db8:1:2:3::4") == network("2001:db8:1:2:ffff::1") != network("2001:db8:1:3::1")


# --- passwords ----------------------------------------------------------------------------------------------------------
def test_a_forged_header_does_not_make_a_new_client(world: World) -> None:
    for at in range(limits.LOGIN_NETWORK.most):
        assert log_in(f"nobody{at}@acme.test", "x", HTTP_X_FORWARDED_FOR=f"8.8.8.{at}").status_code == 200
    answer = log_in("ada@acme.test", "correct horse", HTTP_X_FORWARDED_FOR="9.9.9.9")
    assert answer.status_code == 429
    assert log_in("ada@acme.test", "correct horse", REMOTE_ADDR=THERE).status_code == 302


def test_behind_our_proxy_people_are_told_apart_and_forgers_are_not(world: World, settings: Any) -> None:
    settings.TRUSTED_PROXIES = 1
    proxy = "10.0.0.1"
    for at in range(limits.LOGIN_NETWORK.most):
        log_in(f"nobody{at}@acme.test", "x", REMOTE_ADDR=proxy, HTTP_X_FORWARDED_FOR=f"8.8.8.{at}, {HERE}")
    forged = log_in("a@acme.test", "x", REMOTE_ADDR=proxy, HTTP_X_FORWARDED_FOR=f"5.5.5.5, {HERE}")
    assert forged.status_code == 429
    other = log_in("ada@acme.test", "correct horse", REMOTE_ADDR=proxy, HTTP_X_FORWARDED_FOR=THERE)
    assert other.status_code == 302


def test_one_address_is_guarded_against_many_networks_whether_it_exists_or_not(world: World) -> None:
    attack("ada@acme.test")
    attack("nobody@acme.test", network="192.0.2")
    assert log_in("ADA@acme.test ", "correct horse", REMOTE_ADDR=THERE).status_code == 429
    assert log_in("bo@acme.test", "correct horse", REMOTE_ADDR=THERE).status_code == 302


def test_the_answer_says_how_long_keeps_the_address_and_is_no_error_of_ours(world: World) -> None:
    attack("ada@acme.test")
    answer = log_in("ada@acme.test", "guess", REMOTE_ADDR=THERE)
    assert 0 < int(answer["Retry-After"]) <= limits.LOGIN_ADDRESS.seconds
    page = answer.content.decode()
    assert 'value="ada@acme.test"' in page
    assert "guess" not in page
    assert re.search(r"Too many tries\. Wait \d+ (minutes|seconds)", page)


def test_the_owner_gets_in_on_a_known_device_during_an_attack(world: World) -> None:
    own = Client()
    assert log_in("ada@acme.test", "correct horse", browser=own).status_code == 302
    own.post("/accounts/logout/")  # the session goes, the device stays
    attack("ada@acme.test")
    for at in range(limits.LOGIN_NETWORK.most + 1):  # and from the owner's own network
        log_in(f"nobody{at}@acme.test", "x")
    assert log_in("ada@acme.test", "correct horse").status_code == 429
    assert log_in("ada@acme.test", "correct horse", browser=own).status_code == 302


def test_a_known_device_is_known_for_its_own_people_and_is_limited_too(world: World) -> None:
    own = Client()
    log_in("ada@acme.test", "correct horse", browser=own)
    own.post("/accounts/logout/")
    attack("bo@acme.test")
    assert log_in("bo@acme.test", "correct horse", browser=own).status_code == 429
    for _ in range(limits.LOGIN_DEVICE.most):
        assert log_in("ada@acme.test", "wrong", browser=own, REMOTE_ADDR=THERE).status_code == 200
    assert log_in("ada@acme.test", "correct horse", browser=own, REMOTE_ADDR=THERE).status_code == 429


@pytest.mark.parametrize("forged", ["x", "", "eyJpZCI6IngifQ:1:abc"])
def test_a_forged_device_is_a_stranger(world: World, settings: Any, forged: str) -> None:
    attack("ada@acme.test")
    browser = Client()
    browser.cookies[settings.DEVICE_COOKIE_NAME] = forged
    assert log_in("ada@acme.test", "correct horse", browser=browser, REMOTE_ADDR=THERE).status_code == 429


def test_the_device_cookie_cannot_be_read_by_scripts_and_names_nobody(world: World, settings: Any) -> None:
    own = Client()
    log_in("ada@acme.test", "correct horse", browser=own)
    cookie = own.cookies[settings.DEVICE_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert "ada" not in cookie.value


def test_right_log_ins_do_not_count(world: World) -> None:
    for _ in range(limits.LOGIN_ADDRESS.most * 2):
        assert log_in("ada@acme.test", "correct horse").status_code == 302
    assert set(Tally.objects.values_list("count", flat=True)) == {0}


def test_a_thousand_other_keys_in_the_cache_push_nothing_out(world: World, settings: Any) -> None:
    """Django's cache culls at MAX_ENTRIES; allauth kept its history there."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "django_cache"}
    }
    attack("ada@acme.test")
    for at in range(1000):
        caches["default"].set(f"other-{at}", at)
    assert log_in("ada@acme.test", "correct horse", REMOTE_ADDR=THERE).status_code == 429


def test_tries_at_the_same_time_are_all_counted(committed_world: World, in_threads) -> None:
    limit = limits.Limit("race", 5, 60)

    def one() -> bool:
        limits.take(limit, "somebody")
        return True

    answers = in_threads([one] * 12)
    assert sum(answer is True for answer in answers) == limit.most
    assert sum(isinstance(answer, limits.TooMany) for answer in answers) == 12 - limit.most


def test_what_cannot_be_counted_is_not_let_in(committed_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "COUNT_SQL", "SELECT 1 FROM no_such_table WHERE %(key)s = '' AND %(seconds)s = 1")
    browser = Client()
    with pytest.raises(DatabaseError):
        log_in("ada@acme.test", "correct horse", browser=browser)
    monkeypatch.undo()
    assert "_auth_user_id" not in browser.session


def test_the_wait_ends_and_old_counts_are_removed(world: World) -> None:
    attack("ada@acme.test")
    Tally.objects.update(until=timezone.now() - timedelta(seconds=1))
    assert log_in("ada@acme.test", "wrong", REMOTE_ADDR=THERE).status_code == 200
    forget_tries(0)
    assert Tally.objects.count() > 1  # what ended just now may still be looked at
    Tally.objects.update(until=timezone.now() - timedelta(hours=2))
    forget_tries(0)
    assert Tally.objects.count() == 0


def test_no_address_and_no_name_is_readable_in_the_table(world: World) -> None:
    log_in("ada@acme.test", "wrong")
    keys = list(Tally.objects.values_list("key", flat=True))
    assert keys
    assert all(re.fullmatch("[0-9a-f]{64}", key) for key in keys)


# --- other forms --------------------------------------------------------------------------------------------------------
def test_a_signed_in_stranger_cannot_guess_the_password_at_the_second_asking(world: World, signed_in) -> None:
    browser = signed_in(world.ada)
    for _ in range(limits.AGAIN.most):
        assert browser.post("/accounts/reauthenticate/", {"password": "wrong"}).status_code == 200
    answer = browser.post("/accounts/reauthenticate/", {"password": "correct horse"})
    assert answer.status_code == 429
    assert "Retry-After" in answer


def test_one_address_gets_so_many_mails_and_the_page_says_the_same(world: World) -> None:
    bodies = set()
    for at in range(limits.MAIL.most + 3):
        answer = Client().post("/accounts/password/reset/", {"email": "ada@acme.test"}, REMOTE_ADDR=f"198.51.100.{at}")
        bodies.add((answer.status_code, answer["Location"]))
    assert len(run_letters()) == limits.MAIL.most
    assert len(bodies) == 1


def test_one_network_asks_for_so_many_resets_and_keeps_what_it_typed(world: World) -> None:
    most = limits.FORMS["account_reset_password"].most
    for at in range(most):
        Client().post("/accounts/password/reset/", {"email": f"nobody{at}@acme.test"}, REMOTE_ADDR=HERE)
    answer = Client().post("/accounts/password/reset/", {"email": "typed@acme.test"}, REMOTE_ADDR=HERE)
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 0
    assert 'value="typed@acme.test"' in answer.content.decode()


def test_every_form_under_accounts_is_counted_even_one_that_nobody_thought_of(world: World) -> None:
    for _ in range(limits.FORM.most):
        assert Client().post("/accounts/never-heard-of/", REMOTE_ADDR=HERE).status_code == 404
    assert Client().post("/accounts/never-heard-of/", REMOTE_ADDR=HERE).status_code == 429
    assert Client().get("/accounts/login/", REMOTE_ADDR=HERE).status_code == 200

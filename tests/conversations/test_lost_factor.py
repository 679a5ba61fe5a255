"""A lost second factor: the acts, who is told, and what nobody can do early, twice or in silence."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail, signing
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from conversations import audit
from conversations.errors import Conflict
from conversations.models import AuditEvent, FactorReset, Membership, Notification, User
from conversations.people import lost_factor
from conversations.people.lost_factor_mail import send
from conversations.tasks import forget_tries
from conversations.tenancy import tenant_context
from tests.asserts import assert_nothing_written
from tests.conftest import World

DAY = timedelta(days=1)


@pytest.fixture
def ada(world: World) -> User:
    TOTP.activate(world.ada, generate_totp_secret())
    return world.ada


def a_day_passes() -> None:
    FactorReset.objects.update(proved_at=F("proved_at") - DAY, ready_at=F("ready_at") - DAY)


def trail(world: World) -> list[str]:
    with tenant_context(world.acme.pk):
        return [audit.sentence(event) for event in AuditEvent.objects.filter(kind="factor.lost").order_by("id")]


def half_signed_in(user: User) -> Client:
    browser = Client()
    browser.post("/accounts/login/", {"login": user.email, "password": "correct horse"})
    return browser


def test_it_goes_through_its_steps_and_every_admin_is_told(world: World, ada: User) -> None:
    reset = lost_factor.ask(user=ada)
    assert lost_factor.ask(user=ada) == reset  # asking again mails again, and is one row
    with tenant_context(world.acme.pk):
        assert Notification.objects.count() == 0  # nothing is proved yet: anybody with the password could ring the bell
    lost_factor.prove(reset_id=reset.pk)
    first = FactorReset.objects.get().ready_at
    lost_factor.prove(reset_id=reset.pk)
    assert FactorReset.objects.get().ready_at == first  # proving twice does not change the day
    a_day_passes()
    lost_factor.finish(user=ada)
    assert not Authenticator.objects.filter(user=ada).exists()
    assert FactorReset.objects.get().outcome == "done"
    said = trail(world)
    assert [line.partition(":")[0] for line in said] == ["Ada lost their second factor"] * 3
    with tenant_context(world.acme.pk):
        assert list(Notification.objects.values_list("user_id", flat=True)) == [world.dan.pk] * 2


def test_it_is_in_the_trail_of_every_account_of_the_person_and_of_no_other(world: World, ada: User) -> None:
    lost_factor.ask(user=ada)
    with tenant_context(world.globex.pk):
        assert not AuditEvent.objects.filter(kind="factor.lost").exists()
        Membership.objects.create(account=world.globex, user=ada, role="agent")
    lost_factor.ask(user=ada)
    lost_factor.cancel(user=ada, how="in a test")
    with tenant_context(world.globex.pk):
        assert AuditEvent.objects.filter(kind="factor.lost").count() == 1


def test_nothing_is_taken_away_before_proof_or_before_the_day_is_over(world: World, ada: User) -> None:
    with pytest.raises(Conflict):
        lost_factor.finish(user=ada)
    reset = lost_factor.ask(user=ada)
    with pytest.raises(Conflict, match="not over"):
        lost_factor.finish(user=ada)
    lost_factor.prove(reset_id=reset.pk)
    with tenant_context(world.acme.pk), assert_nothing_written():
        with pytest.raises(Conflict, match="not over"):
            lost_factor.finish(user=ada)
        with pytest.raises(Conflict, match="proved already"):
            lost_factor.ask(user=ada)
    assert Authenticator.objects.filter(user=ada).exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"outcome": "done", "ended_at": timezone.now()},  # without proof
        {"proved_at": timezone.now(), "ready_at": timezone.now() + timedelta(hours=1)},  # a shorter day
        {"ready_at": timezone.now()},
        {"outcome": "cancelled"},
    ],
)
def test_the_database_itself_refuses_what_must_not_be(ada: User, wrong: dict[str, Any]) -> None:
    lost_factor.ask(user=ada)
    with pytest.raises(IntegrityError), transaction.atomic():
        FactorReset.objects.update(**wrong)


def test_what_was_stopped_cannot_be_proved_or_finished(world: World, ada: User) -> None:
    reset = lost_factor.ask(user=ada)
    lost_factor.prove(reset_id=reset.pk)
    assert lost_factor.cancel(user=ada, how="in a test")
    assert not lost_factor.cancel(user=ada, how="in a test")
    a_day_passes()
    for act in (lambda: lost_factor.finish(user=ada), lambda: lost_factor.prove(reset_id=reset.pk)):
        with pytest.raises(Conflict):
            act()
    assert Authenticator.objects.filter(user=ada).exists()


def test_the_person_stops_it_from_any_session(world: World, ada: User, signed_in: Any) -> None:
    lost_factor.ask(user=ada)
    browser = signed_in(ada)
    for page in ("/accounts/2fa/", "/profile/"):
        assert "Somebody with your password" in browser.get(page).content.decode()
    assert "Somebody with your password" not in signed_in(world.dan).get("/profile/").content.decode()
    signed_in(world.dan).post("/accounts/lost-factor/keep/")
    assert FactorReset.objects.get().outcome == "open"
    browser.post("/accounts/lost-factor/keep/")
    assert FactorReset.objects.get().outcome == "cancelled"


def test_the_links_in_mails_act_by_a_press_only_and_each_for_its_own_act(world: World, ada: User) -> None:
    reset = lost_factor.ask(user=ada)
    prove, cancel = (f"/accounts/lost-factor/{act}/{lost_factor.token(reset, act)}/" for act in ("prove", "cancel"))
    scanner = Client()
    for url in (prove, cancel):
        assert scanner.get(url).status_code == 200
    assert FactorReset.objects.get().proved_at is None
    # The address ends in the token; the one in the mail may be of another second than one made here.
    other = f"{prove.rstrip('/').rpartition('/')[0]}/{lost_factor.token(reset, 'cancel')}/"
    assert scanner.post(other).status_code == 409
    assert scanner.post(prove).status_code == 200
    assert FactorReset.objects.get().proved_at is not None
    assert scanner.post(cancel).status_code == 200
    assert FactorReset.objects.get().outcome == "cancelled"
    for url in (prove, cancel, "/accounts/lost-factor/prove/forged/"):
        assert scanner.get(url).status_code == scanner.post(url).status_code == 409


def test_a_link_that_proves_is_good_for_an_hour(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    reset = lost_factor.ask(user=ada)
    old = lost_factor.token(reset, "prove")
    monkeypatch.setattr(lost_factor, "PROOF_SECONDS", -1)
    with pytest.raises(Conflict, match="not good any more"):
        lost_factor.named_by(old, "prove")


def test_a_token_of_another_kind_or_an_unknown_reset_is_refused(world: World) -> None:
    for token in ("", "x", signing.dumps("x"), signing.dumps(str(uuid.uuid4()), salt="countersign.factor_reset.prove")):
        with pytest.raises(Conflict):
            lost_factor.named_by(token, "prove")


def test_only_after_a_right_password_is_it_asked_for(world: World, ada: User) -> None:
    for browser in (Client(), half_signed_in(world.bo)):  # bo has no factor: he is signed in
        assert browser.post("/accounts/lost-factor/", {"act": "ask"}).status_code == 302
    assert not FactorReset.objects.exists()
    browser = half_signed_in(ada)
    assert browser.post("/accounts/lost-factor/", {"act": "nonsense"}).status_code == 422
    assert browser.post("/accounts/lost-factor/", {"act": "finish"}).status_code == 409
    assert browser.post("/accounts/lost-factor/", {"act": "ask"}).status_code == 200
    assert FactorReset.objects.get().user == ada
    assert browser.get("/queue/").status_code == 302  # and it opens nothing


def test_signing_in_with_the_factor_stops_it(world: World, ada: User) -> None:
    lost_factor.ask(user=ada)
    codes = Authenticator.objects.create(user=ada, type="recovery_codes", data={"seed": "00", "used_mask": 0})
    browser = half_signed_in(ada)
    assert FactorReset.objects.get().outcome == "open"  # the password alone does not
    code = codes.wrap().get_unused_codes()[0]
    assert browser.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 302
    assert FactorReset.objects.get().outcome == "cancelled"


def test_the_mails_say_what_happens_to_whom_and_never_a_name_in_the_subject(world: World, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(display_name="Ada\nBcc: all@acme.test")
    reset = lost_factor.ask(user=ada)
    assert send(reset_id=reset.pk, what="prove") == 1
    lost_factor.prove(reset_id=reset.pk)
    assert send(reset_id=reset.pk, what="waits") == 2
    person, admin = mail.outbox[-2:]
    assert (person.to, admin.to) == ([ada.email], [world.dan.email])
    assert re.search(r"/accounts/lost-factor/cancel/\S+/", person.body)
    assert "/cancel/" not in admin.body  # an admin cannot act for the person
    assert "Ada Bcc: all@acme.test says" in admin.body
    assert all("Ada" not in letter.subject for letter in mail.outbox)
    lost_factor.cancel(user=ada, how="in a test")
    assert send(reset_id=reset.pk, what="waits") == 0  # a late job


def test_what_nobody_finishes_lapses(ada: User) -> None:
    lost_factor.ask(user=ada)
    FactorReset.objects.update(created_at=timezone.now() - timedelta(days=9))
    forget_tries(0)
    assert FactorReset.objects.get().outcome == "lapsed"


def test_a_code_is_guessed_so_often_and_the_owners_device_is_counted_apart(world: World, ada: User) -> None:
    from conversations.people import limits

    stranger = half_signed_in(ada)
    for _ in range(limits.CODE.most):
        assert stranger.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200
    answer = stranger.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert (answer.status_code, "Retry-After" in answer) == (429, True)
    assert (
        half_signed_in(ada).post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 429
    )  # a new session
    Authenticator.objects.filter(user=ada).delete()
    own = half_signed_in(ada)  # without a factor: signed in, and the device is known
    own.post("/accounts/logout/")
    TOTP.activate(ada, generate_totp_secret())
    own.post("/accounts/login/", {"login": ada.email, "password": "correct horse"})
    assert own.post("/accounts/2fa/authenticate/", {"code": "000000"}).status_code == 200

"""A channel that cannot work is not switched on: its form, the check of its connection and the test through it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from bs4 import BeautifulSoup
from django.core.exceptions import ValidationError
from django.test import Client

from conversations.channels import registry
from conversations.channels.email import SMTP
from conversations.channels.email.settings import MailSettings
from conversations.channels.provider import ChannelType, Finding, Limits, Provider
from conversations.models import AuditEvent, Channel
from conversations.people import limits
from conversations.setup import channels as setup
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World

ADD, LIST = "/admin/conversations/channel/add/", "/admin/channels/"
Serve = Callable[..., tuple[int, Any]]


@pytest.fixture
def dan(world: World, signed_in: Any) -> Client:
    return signed_in(world.dan)


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    """The servers of these tests stand on this machine; one test takes that away again."""
    settings.CHANNEL_NETWORKS = [ipaddress.ip_network("127.0.0.0/8")]


def fields(port: int = 2525, **changes: str) -> dict[str, str]:
    return {
        "provider": "smtp", "external_id": "new@acme.test", "name": "New mailbox", "smtp_host": "127.0.0.1",
        "smtp_port": str(port), "smtp_security": "none", **changes,
    }  # fmt: skip


def stored(world: World, name: str = "New mailbox") -> Channel:
    with tenant_context(world.acme.pk):
        return Channel.objects.get(name=name)


def soup(answer: Any) -> BeautifulSoup:
    return BeautifulSoup(answer.content, "html.parser")


def results(answer: Any) -> list[str]:
    return [" ".join(line.get_text(" ").split()) for line in soup(answer).select(".res__t")]


def accepts(password: str) -> Any:
    def look(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password.decode() == password, handled=False)

    return look


# --- switching on ------------------------------------------------------------------------------------------------------
def test_one_press_checks_and_switches_on(world: World, dan: Client, serve: Serve) -> None:
    answer = dan.post(ADD, fields(serve()[0], is_active="on"))
    assert answer.status_code == 303, results(answer)
    channel = stored(world)
    assert (channel.is_active, channel.checked_as) == (True, channel.connection_mark)
    assert [line.state for line in channel.findings] == ["ok", "ok", "warn", "ok"]
    assert results(dan.get(answer["Location"]))[:2] == ["Passed: Server found", "Passed: Connected"]
    with tenant_context(world.acme.pk):
        assert AuditEvent.objects.filter(kind="channel.changed").count() == 1


def test_what_does_not_answer_is_not_switched_on_and_no_entry_is_lost(world: World, dan: Client) -> None:
    answer = dan.post(ADD, fields(1, is_active="on", sender_name="Acme returns"))
    assert answer.status_code == 422
    assert "Not saved: it cannot be switched on before its connection works." in answer.content.decode()
    assert results(answer)[1] == "Failed: 127.0.0.1:1 refused the connection"
    assert results(answer)[2:] == ["Not tried: Encrypted", "Not tried: Signed in"]
    assert soup(answer).select_one("#id_sender_name")["value"] == "Acme returns"  # type: ignore[index]
    with tenant_context(world.acme.pk):
        assert not Channel.objects.filter(name="New mailbox").exists()


def test_it_is_kept_switched_off_without_a_check(world: World, dan: Client) -> None:
    assert dan.post(ADD, fields(1)).status_code == 303
    assert (stored(world).is_active, stored(world).checked_at) == (False, None)


@pytest.mark.parametrize(
    ("changes", "missing"), [({"smtp_host": ""}, "id_smtp_host"), ({"smtp_user": "me"}, "id_credentials")]
)
def test_a_missing_entry_is_named_at_its_field(
    world: World, dan: Client, changes: dict[str, str], missing: str
) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written():
        answer = dan.post(ADD, fields(is_active="on", **changes))
    assert answer.status_code == 422
    page = soup(answer)
    assert page.select_one(f"#{missing}_error").get_text(strip=True).startswith("Missing.")  # type: ignore[union-attr]
    assert page.select_one(f'[role=alert] a[href="#{missing}"]') is not None
    assert page.select_one(f"#{missing}")["aria-invalid"] == "true"  # type: ignore[index]


@pytest.mark.parametrize(
    ("settings_", "secret"),
    [({"smtp_port": 1}, ""), ({"smtp_host": "localhost"}, ""), ({"smtp_user": "other"}, "another"), ({}, "another")],
)
def test_another_server_user_or_secret_needs_a_new_check_before_it_stays_on(
    world: World, dan: Client, serve: Serve, settings_: dict[str, Any], secret: str
) -> None:
    port, _ = serve()
    url = dan.post(ADD, fields(port, is_active="on"))["Location"]
    before = stored(world).connection_mark
    with tenant_context(world.acme.pk):
        channel = Channel.objects.get(name="New mailbox")
        channel.metadata, channel.credentials = {**channel.metadata, **settings_}, secret
        with pytest.raises(setup.CannotWork, match="has to pass a check"):
            setup.save_channel(channel=channel, actor=world.dan, changed=["anything"])
    assert stored(world).connection_mark == before
    # What has nothing to do with the connection is saved as it was.
    assert dan.post(url, fields(port, is_active="on", sender_name="Acme")).status_code == 303
    assert (stored(world).is_active, stored(world).options.sender_name) == (True, "Acme")


def test_a_check_does_not_vouch_for_what_was_saved_after_it(world: World, dan: Client, serve: Serve) -> None:
    url = dan.post(ADD, fields(serve()[0], is_active="on"))["Location"]
    assert dan.post(url, fields(1)).status_code == 303
    assert (stored(world).is_active, stored(world).is_proved, stored(world).checked_as) == (False, False, "")


def test_the_model_itself_refuses_it(world: World) -> None:
    with tenant_context(world.acme.pk):
        channel = factories.channel(world.acme, external_id="x@acme.test", name="x", is_active=False)
        channel.is_active = True
        with pytest.raises(ValidationError, match="has to pass a check"):
            channel.full_clean()
        channel.metadata = {}
        with pytest.raises(ValidationError, match="one entry is missing"):
            channel.full_clean()


def test_one_that_works_already_stays_on(world: World) -> None:
    """A channel from before there was a check: only another connection asks for one."""
    with tenant_context(world.acme.pk):
        world.mail.name = "Renamed"
        world.mail.full_clean()
        world.mail.metadata = {**world.mail.metadata, "smtp_port": 2}
        with pytest.raises(ValidationError, match="has to pass a check"):
            world.mail.full_clean()


def test_a_provider_without_a_server_is_switched_on_at_once(
    world: World, dan: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Provider("plain", ChannelType.CHAT, "Plain", "chat", Limits(text=0), threads=True)
    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS, plain))
    form = {"provider": "plain", "external_id": "T1", "name": "Dealers", "is_active": "on"}
    assert dan.post(ADD, form).status_code == 303
    assert stored(world, "Dealers").is_active


def test_the_same_address_twice_is_refused_in_words(world: World, dan: Client) -> None:
    assert dan.post(ADD, fields()).status_code == 303
    answer = dan.post(ADD, fields(name="Twin"))
    assert answer.status_code == 409
    assert "Another channel of this account has this address or id already." in answer.content.decode()


# --- check -------------------------------------------------------------------------------------------------------------
def test_a_check_saves_nothing_keeps_the_password_for_the_page_and_shows_it_nowhere(
    world: World, dan: Client, serve: Serve
) -> None:
    port, _ = serve(authenticator=accepts("sesame-1"), auth_require_tls=False)
    answer = dan.post(ADD, fields(port, smtp_user="me", credentials="sesame-1", do="check"))
    assert (answer.status_code, results(answer)[3]) == (200, "Passed: Signed in")
    assert "sesame-1" not in answer.content.decode()
    assert soup(answer).select_one("#id_credentials").get("value") is None  # type: ignore[union-attr]
    with tenant_context(world.acme.pk):
        assert not Channel.objects.filter(name="New mailbox").exists()
    assert "sesame-1" not in str(dict(dan.session))
    # Nobody types it twice.
    assert dan.post(ADD, fields(port, smtp_user="me", is_active="on")).status_code == 303
    assert stored(world).credentials == "sesame-1"
    assert "channel_secret" not in dan.session


def test_a_refused_password_is_told_in_the_servers_words(world: World, dan: Client, serve: Serve) -> None:
    port, _ = serve(authenticator=accepts("sesame-1"), auth_require_tls=False)
    answer = dan.post(ADD, fields(port, smtp_user="me", credentials="wrong", do="check"))
    failed = soup(answer).select_one(".res__l--bad")
    assert failed is not None
    assert f"127.0.0.1:{port} answered 535" in failed.get_text()
    assert "app password" in failed.select_one(".res__fix").get_text()  # type: ignore[union-attr]


def test_the_result_of_a_saved_channel_is_kept_with_its_time(world: World, dan: Client, serve: Serve) -> None:
    url = dan.post(ADD, fields(1))["Location"]
    assert dan.post(url, fields(1, do="check")).status_code == 200
    channel = stored(world)
    assert channel.checked_at is not None
    assert (channel.checked_as, channel.findings[1].state) == ("", "bad")
    # A check of other entries is shown, and does not vouch for the saved ones.
    dan.post(url, fields(serve()[0], do="check"))
    assert (stored(world).checked_as, stored(world).options.smtp_port) == ("", 1)


def test_private_networks_are_not_looked_into(world: World, dan: Client, serve: Serve, settings: Any) -> None:
    settings.CHANNEL_NETWORKS = []
    port, _ = serve()
    for host in ("127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "::1", "::ffff:10.0.0.1"):
        answer = dan.post(ADD, fields(port, smtp_host=host, do="check"))
        assert "is inside a private network" in results(answer)[0], host
        assert len(soup(answer).select(".res__l--no")) == 3


def test_the_certificate_has_to_be_for_the_server(settings: Any, serve: Serve) -> None:
    """Here there is none at all: TLS does not begin, and nothing after it is tried."""
    port, _ = serve()
    found = SMTP.check(MailSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_security="tls"), "")  # type: ignore[misc]
    assert [line.state for line in found] == ["ok", "bad", "no", "no"]
    assert found[1].title == "Encryption did not begin"
    found = SMTP.check(MailSettings(smtp_host="127.0.0.1", smtp_port=port, smtp_security="starttls"), "")  # type: ignore[misc]
    assert (found[2].title, found[2].remedy) == ("The server offers no STARTTLS", "Use TLS with port 465.")


def test_checks_are_limited_for_an_account(world: World, dan: Client) -> None:
    for _ in range(limits.CHANNEL_CHECK.most):
        limits.take(limits.CHANNEL_CHECK, str(world.acme.pk))
    answer = dan.post(ADD, fields(1, do="check"))
    assert answer.status_code == 429
    assert "Too many tries." in answer.content.decode()
    assert results(answer) == []


# --- test --------------------------------------------------------------------------------------------------------------
@pytest.fixture
def ready(world: World, dan: Client, serve: Serve) -> tuple[str, Any]:
    port, keeper = serve()
    url = dan.post(ADD, fields(port, is_active="on"))["Location"]
    return url.replace("/conversations/channel/", "/channels/").replace("/change/", "/test/"), keeper


def test_a_test_goes_to_a_member_is_marked_and_stands_in_the_trail(
    world: World, dan: Client, ready: tuple[str, Any]
) -> None:
    url, keeper = ready
    assert dan.post(url, {"to": "ada@acme.test"}).status_code == 303
    (mail,) = keeper.envelopes
    text = mail.content.decode()
    assert mail.rcpt_tos == ["ada@acme.test"]
    assert "Auto-Submitted: auto-generated" in text
    assert "Subject: Test of the channel New mailbox" in text
    with tenant_context(world.acme.pk):
        event = AuditEvent.objects.get(kind="channel.tested")
        assert event.data == {"name": "New mailbox", "outcome": "the server took it"}
    # Whoever holds the mail says that it arrived; the link alone changes nothing.
    link = re.search(r"/channel-tests/\S+/", re.sub(r"=\r?\n", "", text).replace("=3D", "="))[0]  # type: ignore[index]
    assert Client().get(link).status_code == 200
    assert stored(world).test_arrived_at is None
    assert b"Thank you" in Client().post(link).content
    assert stored(world).test_arrived_at is not None
    assert Client().get("/channel-tests/forged/").status_code == 404


def test_a_test_does_not_look_where_a_check_may_not(
    world: World, dan: Client, ready: tuple[str, Any], settings: Any
) -> None:
    """Else an admin would save a server inside, switched off, and read its words from the test."""
    url, keeper = ready
    form = url.replace("/channels/", "/conversations/channel/").replace("/test/", "/change/")
    assert dan.post(form, fields(1, smtp_host="localhost")).status_code == 303
    answer = dan.post(url, {"to": "ada@acme.test"})
    assert answer.status_code == 422
    assert "has to pass a check first" in soup(answer).get_text()
    assert keeper.envelopes == []


@pytest.mark.parametrize("to", ["stranger@elsewhere.test", "eve@globex.test", "", "late@acme.test"])
def test_a_test_goes_to_nobody_else(world: World, dan: Client, ready: tuple[str, Any], to: str) -> None:
    url, keeper = ready
    answer = dan.post(url, {"to": to})
    assert answer.status_code == 422
    assert "only to a proven address of a person of this account" in answer.content.decode()
    assert keeper.envelopes == []


def test_five_tests_an_hour(world: World, dan: Client, ready: tuple[str, Any]) -> None:
    url, keeper = ready
    answers = [dan.post(url, {"to": "ada@acme.test"}).status_code for _ in range(6)]
    assert answers == [303] * 5 + [429]
    assert len(keeper.envelopes) == 5


@pytest.mark.parametrize("name", ["ada", "bo", "cy", "eve"])
def test_only_admins_change_channels(world: World, signed_in: Any, ready: tuple[str, Any], name: str) -> None:
    url, keeper = ready
    browser = signed_in(getattr(world, name))
    browser.get("/queue/")
    for address in (ADD, url, LIST):
        assert browser.post(address, fields(1, to="ada@acme.test")).status_code in {302, 403, 404}, address
    assert browser.get(LIST).status_code in {302, 403}
    assert keeper.envelopes == []


# --- the list ----------------------------------------------------------------------------------------------------------
def test_the_list_says_how_each_fares(world: World, dan: Client) -> None:
    factories.approved(factories.draft(factories.message(world.mail)), world.ada)
    dan.post(ADD, fields(1))
    page = soup(dan.get(LIST))
    states = {
        one.h2.get_text(strip=True): one.select_one(".status").get_text(strip=True) for one in page.select(".chan")
    }  # type: ignore[union-attr]
    assert states == {"Acme mail": "On, never proved", "New mailbox": "Off, never used"}
    facts = page.select_one(".chan .facts").get_text(" ", strip=True)  # type: ignore[union-attr]
    assert "Waiting to leave 1" in facts


def test_the_chooser_shows_what_there_is(world: World, dan: Client) -> None:
    rows = soup(dan.get(ADD)).select(".pick-row")
    assert len(rows) == sum(len(provider.presets) or 1 for provider in registry.PROVIDERS)
    google = soup(dan.get(f"{ADD}?provider=smtp&preset=google"))
    assert google.select_one("#id_smtp_host")["value"] == "smtp.gmail.com"  # type: ignore[index]


def test_every_preset_is_of_its_providers_settings() -> None:
    for provider in registry.PROVIDERS:
        for preset in provider.presets:
            provider.settings.model_validate(preset.settings)
        assert set(provider.connection) <= set(provider.settings.model_fields)


def test_every_field_of_every_provider_has_a_help_in_words(world: World, dan: Client) -> None:
    for provider in registry.PROVIDERS:
        page = soup(dan.get(f"{ADD}?provider={provider.key}"))
        for box in page.select("#channel input:not([type=hidden]), #channel select"):
            help_ = page.select_one(f"#{box['id']}_helptext")
            assert help_ is not None, (provider.key, box["id"])
            assert len(help_.get_text(strip=True)) > 10, (provider.key, box["id"])


def test_a_finding_survives_its_row(world: World, dan: Client) -> None:
    line = Finding("bad", "<b>Title</b>", "<script>said</script>", "Do this")
    with tenant_context(world.acme.pk):
        world.mail.checked = [{"state": line.state, "title": line.title, "said": line.said, "remedy": line.remedy}]
        world.mail.save()
        assert Channel.objects.get(pk=world.mail.pk).findings == [line]
    assert b"<script>said" not in dan.get(f"/admin/conversations/channel/{world.mail.pk}/change/").content

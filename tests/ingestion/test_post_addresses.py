"""The address that a vendor posts to and the secret that proves it: made, replaced, shown once, refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from conversations.channels import registry
from conversations.channels.base import HookRequest, Verified
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.models import (
    AuditEvent,
    Channel,
    ChannelHook,
)
from conversations.setup import hooks as setup
from conversations.setup.channels import save_channel
from conversations.tenancy import tenant_context
from tests import toy
from tests.asserts import assert_nothing_written, assert_nothing_written_in
from tests.ingestion.toy_vendor import SECRET, Vendor

pytestmark = pytest.mark.usefixtures("toys")


def test_the_address_before_stands_for_two_days_and_one_before_that_is_gone(vendor: Vendor) -> None:
    first = vendor.token
    with tenant_context(vendor.account.pk):
        second = setup.make_hook(channel_id=vendor.channel.pk, actor=vendor.world.dan)
        assert [vendor.post(vendor.body(), token=one).status_code for one in (first, second)] == [200, 200]
        third = setup.make_hook(channel_id=vendor.channel.pk, actor=vendor.world.dan)
        said = AuditEvent.objects.filter(kind="channel.hook_made")
        assert {(event.actor_name, tuple(event.data)) for event in said} == {("Dan", ("name",))}
        assert ChannelHook.objects.count() == 2
    assert [vendor.post(vendor.body(), token=one).status_code for one in (first, second, third)] == [401, 200, 200]
    with tenant_context(vendor.account.pk):
        ChannelHook.objects.filter(expires_at__isnull=False).update(expires_at=database_time.now())
    assert [vendor.post(vendor.body(), token=one).status_code for one in (second, third)] == [401, 200]


def test_the_secret_before_stands_too_until_somebody_ends_it(vendor: Vendor) -> None:
    with tenant_context(vendor.account.pk):
        channel = Channel.objects.get(pk=vendor.channel.pk)
        channel.incoming_credentials = "new"
        save_channel(channel=channel, actor=vendor.world.dan, changed=["incoming_credentials"])
    secrets = (SECRET, "new", "guessed")
    assert [vendor.post(vendor.body(), secret=one).status_code for one in secrets] == [200, 200, 401]
    with tenant_context(vendor.account.pk):
        setup.end_old(channel_id=vendor.channel.pk, actor=vendor.world.dan)
        assert AuditEvent.objects.filter(kind="channel.hook_refused").count() == 1
    assert [vendor.post(vendor.body(), secret=one).status_code for one in secrets] == [401, 200, 401]
    with tenant_context(vendor.account.pk), assert_nothing_written(), pytest.raises(Conflict):
        setup.end_old(channel_id=vendor.channel.pk, actor=vendor.world.dan)


def test_only_an_admin_of_the_account_makes_an_address_and_only_where_something_is_posted(vendor: Vendor) -> None:
    world = vendor.world
    with tenant_context(vendor.account.pk):
        for verb in (setup.make_hook, setup.end_old):
            for actor in (world.ada, world.bo, world.cy):
                with assert_nothing_written(), pytest.raises(PermissionDenied):
                    verb(channel_id=vendor.channel.pk, actor=actor)
        with assert_nothing_written(), pytest.raises(Conflict):
            setup.make_hook(channel_id=world.mail.pk, actor=world.dan)
    with tenant_context(world.globex.pk), pytest.raises(Channel.DoesNotExist):
        setup.make_hook(channel_id=vendor.channel.pk, actor=world.eve)


def test_the_page_shows_an_address_once_and_that_posts_are_refused(vendor: Vendor, signed_in: Any) -> None:
    page = f"/admin/conversations/channel/{vendor.channel.pk}/change/"
    act = f"/admin/channels/{vendor.channel.pk}/address/"
    dan = signed_in(vendor.world.dan)
    shown = dan.post(act, {"do": "make"})
    assert (shown.status_code, "no-store" in shown["Cache-Control"]) == (200, True)
    found = re.search(r"https?://[^/\"]+/hooks/([\w-]{43})/", shown.content.decode())
    assert found and vendor.post(vendor.body(), token=found[1]).status_code == 200
    again = dan.get(page).content.decode()
    assert found[1] not in again and SECRET not in again and "An old address or secret is good until" in again
    vendor.post(vendor.body(), secret="guessed")
    assert "Enter the toy&#x27;s signing secret" in " ".join(dan.get(page).content.decode().split())
    assert "Refuses what is posted" in dan.get("/admin/channels/").content.decode()
    assert dan.post(act, {"do": "end"}).status_code == 303
    others = [signed_in(getattr(vendor.world, name)) for name in ("ada", "bo", "cy")]
    with assert_nothing_written_in(vendor.account):
        assert dan.post(act, {"do": "end"}).status_code == 409
        assert dan.post(f"/admin/channels/{vendor.world.mail.pk}/address/", {"do": "make"}).status_code == 409
        assert dan.post(f"/admin/channels/{vendor.world.other_mail.pk}/address/", {"do": "make"}).status_code == 404
        for refused in [one.post(act, {"do": "make"}) for one in others]:
            assert refused.status_code in {302, 403}  # the administration's own door


def test_a_verifier_that_breaks_refuses(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(request: HookRequest, secrets: Any) -> Verified:
        raise ZeroDivisionError

    monkeypatch.setattr(registry, "PROVIDERS", (*registry.PROVIDERS[:-1], _with(verify=breaks)))
    assert vendor.post(vendor.body()).status_code == 401


def _with(**changes: Any) -> Any:
    from dataclasses import replace

    assert toy.TOY.hooks
    return replace(toy.TOY, hooks=replace(toy.TOY.hooks, **changes))

"""Django admin: an admin manages their own tenant, the platform makes tenants and reads only with a trace."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from django.contrib import admin
from django.test import Client

from conversations.models import Account, AuditEvent, Channel, Membership, ServiceToken, User
from conversations.models.base import TenantRow
from conversations.tenancy import tenant_context
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World


@pytest.fixture
def dan(world: World, signed_in) -> Client:
    return signed_in(world.dan)


@pytest.fixture
def root(world: World, signed_in) -> Client:
    return signed_in(User.objects.create_superuser("root@platform.test", "x", display_name="Root"))


@pytest.mark.parametrize("name", ["ada", "bo", "cy"])
def test_only_an_admin_of_the_tenant_gets_in(world: World, signed_in, name: str) -> None:
    browser = signed_in(getattr(world, name))
    assert browser.get("/admin/").status_code == 302
    assert browser.get("/admin/login/").status_code == 403


def test_its_first_page_leads_to_our_own_pages_whom_they_are_for(dan: Client, root: Client, world: World) -> None:
    def own_pages(browser: Client) -> list[str]:
        page = BeautifulSoup(browser.get("/admin/").content, "html.parser")
        return [str(link["href"]) for link in page.select("#own-pages a")]

    assert own_pages(dan) == ["/admin/setup/", "/admin/people/", "/admin/policy/"]
    assert own_pages(root) == ["/admin/tenants/"]
    root.post("/admin/tenants/", {"account": str(world.acme.pk), "reason": "a look inside", "minutes": "5"})
    assert own_pages(root) == ["/admin/tenants/"]  # who looks in is no admin there
    assert dan.get("/admin/people/").status_code == root.get("/admin/tenants/").status_code == 200
    assert root.get("/admin/people/").status_code == 403


def test_log_in_is_the_products_own(world: World) -> None:
    assert Client().get("/admin/", follow=True).redirect_chain[-1][0].startswith("/accounts/login/")


def test_every_list_opens_for_an_admin_with_their_own_rows_only(world: World, dan: Client) -> None:
    factories.approved(factories.draft(factories.message(world.mail, "ours")), world.ada)
    factories.approved(factories.draft(factories.message(world.other_mail, "theirs")), world.eve)
    seen = 0
    for model in admin.site._registry:
        if not issubclass(model, TenantRow) and model is not Account:
            continue
        answer = dan.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/", follow=True)
        assert answer.status_code == 200, model
        assert b"globex" not in answer.content.lower(), model
        with tenant_context(world.acme.pk):
            row = model.objects.first()
        if row is not None:
            detail = dan.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/")
            assert detail.status_code == 200, model
            seen += 1
    assert seen >= 7


def test_history_is_read_only(world: World, dan: Client) -> None:
    draft = factories.draft(factories.message(world.mail))
    for url in (
        f"/admin/drafts/draft/{draft.pk}/change/",
        f"/admin/drafts/draft/{draft.pk}/delete/",
        "/admin/drafts/draft/add/",
    ):
        assert dan.post(url, {"status": "approved"}).status_code == 403


def channel_form(**changes: str) -> dict[str, str]:
    return {"type": "email", "provider": "smtp", "external_id": "a@b.test", "name": "Mail", "credentials": "", "smtp_port": "587", "smtp_security": "starttls", **changes}  # fmt: skip


def test_credentials_are_encrypted_and_never_shown_back(world: World, dan: Client) -> None:
    answer = dan.post(
        "/admin/conversations/channel/add/", channel_form(credentials="hunter2-secret", smtp_host="smtp.b.test")
    )
    assert answer.status_code == 303, answer.content
    with tenant_context(world.acme.pk):
        channel = Channel.objects.get(name="Mail")
        assert channel.credentials == "hunter2-secret"
        assert channel.options.smtp_host == "smtp.b.test"
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute("SELECT credentials FROM conversations_channel WHERE id = %s", [channel.pk])
            assert "hunter2" not in cursor.fetchone()[0]
    url = f"/admin/conversations/channel/{channel.pk}/change/"
    assert b"hunter2" not in dan.get(url).content
    assert dan.post(url, channel_form(name="Mail 2")).status_code == 303
    with tenant_context(world.acme.pk):
        channel.refresh_from_db()
        assert (channel.name, channel.credentials) == ("Mail 2", "hunter2-secret")
        event = AuditEvent.objects.filter(kind="channel.changed").order_by("-id")[0]
        assert "hunter2" not in str(event.data)


def test_a_bad_setting_is_refused_by_name(world: World, dan: Client) -> None:
    answer = dan.post("/admin/conversations/channel/add/", channel_form(smtp_port="99999"))
    assert answer.status_code == 422
    assert b"Give at most 65535." in answer.content


def test_an_admin_does_not_change_their_own_role(world: World, dan: Client) -> None:
    with tenant_context(world.acme.pk):
        membership = Membership.objects.get(user=world.dan)
    answer = dan.post(f"/admin/conversations/membership/{membership.pk}/change/", {"role": "agent"})
    assert answer.status_code == 422
    assert b"Your own role is changed by another admin" in answer.content
    with tenant_context(world.acme.pk):
        membership.refresh_from_db()
        assert (membership.role, membership.is_active) == ("admin", True)


def test_a_token_is_shown_once_and_revoked(world: World, dan: Client) -> None:
    answer = dan.post(
        "/admin/conversations/servicetoken/add/", {"name": "Sync", "scopes": ["conversations:read"]}, follow=True
    )
    plain = re.search(r"cs_[a-z0-9]{12}_[\w-]{43}", answer.content.decode())
    assert plain
    with tenant_context(world.acme.pk):
        token = ServiceToken.objects.get()
        assert plain[0] not in str(token.__dict__)
    assert plain[0] not in dan.get("/admin/conversations/servicetoken/").content.decode()
    dan.post("/admin/conversations/servicetoken/", {"action": "revoke", "_selected_action": [str(token.pk)]})
    with tenant_context(world.acme.pk):
        token.refresh_from_db()
        assert token.revoked_at is not None


def test_retention_and_policy_are_edited_by_fields(world: World, dan: Client) -> None:
    form = {"name": "Acme", "timezone": "UTC", "archive_bodies_after_days": "30", "purge_after_days": "0", "expire_sessions_after_days": "30", "agent_approval": "all", "close_after_days": "0", "hold_seconds": "20", "due_minutes": "60", "draft_burst_seconds": "0", "reply_name": ""}  # fmt: skip
    answer = dan.post(f"/admin/conversations/account/{world.acme.pk}/change/", {**form, "confirm": "30-0-False-0"})
    assert answer.status_code == 302, re.findall(r"errorlist.*", answer.content.decode())
    with tenant_context(world.acme.pk):
        account = Account.objects.get()
    assert (account.archive_bodies_after_days, account.options.agent_approval, account.options.hold_seconds) == (
        30,
        "all",
        20,
    )


def test_nobody_is_put_into_an_account_or_made_by_the_admin(world: World, dan: Client, root: Client) -> None:
    for browser, url in (
        (dan, "/admin/conversations/membership/add/"),
        (root, "/admin/conversations/account/add/"),
        (root, "/admin/conversations/user/add/"),
    ):
        assert browser.get(url).status_code == 403, url
        assert browser.post(url, {}).status_code == 403, url


def test_the_platform_does_not_edit_who_somebody_is(world: World, root: Client) -> None:
    url = f"/admin/conversations/user/{world.ada.pk}/change/"
    form = {
        "email": "root@platform.test",
        "display_name": "Ada L",
        "is_active": "on",
        "auth_provider": "x",
        "auth_subject": "y",
    }
    assert root.post(url, form).status_code == 302
    world.ada.refresh_from_db()
    assert (world.ada.email, world.ada.display_name, world.ada.auth_subject) == ("ada@acme.test", "Ada L", "")


def test_peoples_credentials_are_not_in_the_admin(world: World, root: Client) -> None:
    """What allauth would register there: addresses with their proof, second factors, provider's accounts."""
    assert {model._meta.app_label for model in admin.site._registry} == {
        "conversations",
        "ingestion",
        "drafts",
        "procrastinate",
    }
    for url in ("/admin/account/emailaddress/", "/admin/mfa/authenticator/", "/admin/socialaccount/socialaccount/"):
        assert root.get(url).status_code == 404, url


def test_the_platform_reads_a_tenant_only_with_a_reason_a_limit_and_a_trace(world: World, root: Client) -> None:
    message = factories.message(world.mail, "private words")
    page = f"/conversations/{message.conversation_id}/"
    assert root.get(page).status_code in {403, 404}
    assert root.post("/admin/tenants/", {"account": world.acme.pk, "reason": "", "minutes": "5"}).status_code == 422
    assert (
        root.post("/admin/tenants/", {"account": world.acme.pk, "reason": "ticket 77", "minutes": "500"}).status_code
        == 422
    )
    assert (
        root.post("/admin/tenants/", {"account": world.acme.pk, "reason": "ticket 77", "minutes": "5"}).status_code
        == 302
    )
    with tenant_context(world.acme.pk):
        event = AuditEvent.objects.get(kind="platform.entered")
    assert (event.actor_name, event.data) == ("Root", {"reason": "ticket 77", "minutes": 5})
    assert b"private words" in root.get(page).content
    draft = factories.draft(message)
    for url, data in (
        ("/notifications/", {}),
        ("/views/", {"page": "queue", "name": "Mine", "query": ""}),
        (f"/drafts/{draft.pk}/claim/", {}),
    ):
        with tenant_context(world.acme.pk), assert_nothing_written():
            assert root.post(url, data).status_code == 403, url  # a look inside changes nothing
    session = root.session
    session["platform_grant"] = {"account_id": str(world.acme.pk), "until": "2020-01-01T00:00:00+00:00"}
    session.save()
    assert root.get(page).status_code in {403, 404}


def test_a_tenants_admin_does_not_see_the_platforms_pages(world: World, dan: Client) -> None:
    assert dan.get("/admin/tenants/").status_code == 403
    assert dan.get("/admin/conversations/user/").status_code == 403
    assert dan.get("/admin/procrastinate/procrastinatejob/").status_code in {403, 404}

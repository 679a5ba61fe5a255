"""Who enters which tenant, for how long and as what, and what of it the database is told; each answer asked by itself."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import InternalError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory

from conversations import audit, factors, tenancy
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.models import (
    Account,
    AuditEvent,
    Invitation,
    Membership,
    MembershipChannel,
    Notification,
    PolicyRule,
    Role,
    User,
)
from conversations.people import invitations, tokens
from conversations.tenancy import GRANT_KEY, SESSION_KEY, Tenant, TenantMiddleware, current_account_id, tenant_context
from conversations.visible import ALL, kept_to
from tests.asserts import assert_nothing_written, counted
from tests.conftest import World


# --- the context -----------------------------------------------------------------------------------------------------
def test_inside_is_one_tenant_and_outside_is_the_one_before(world: World) -> None:
    assert current_account_id() is None
    with tenant_context(world.acme.pk):
        assert current_account_id() == world.acme.pk
        with tenant_context(str(world.globex.pk)):
            assert current_account_id() == world.globex.pk
            assert Account.objects.get() == world.globex
        assert current_account_id() == world.acme.pk
        assert Account.objects.get() == world.acme
    assert current_account_id() is None
    assert not Account.objects.exists()


def test_entering_costs_one_statement_and_leaving_one_where_another_tenant_is_outside(committed_world: World) -> None:
    def asked(act: Callable[[], None]) -> int:
        with counted() as queries:
            act()
        return sum("set_config" in query["sql"] for query in queries)

    def enter(account: Account) -> None:
        with tenant_context(account.pk):
            pass

    assert asked(lambda: enter(committed_world.acme)) == 1, "the end of the transaction forgets it"
    with tenant_context(committed_world.acme.pk):
        assert asked(lambda: enter(committed_world.acme)) == 1
        assert asked(lambda: enter(committed_world.globex)) == 2


def test_after_an_error_the_tenant_before_is_there_again(world: World) -> None:
    with tenant_context(world.acme.pk):
        with pytest.raises(ZeroDivisionError), tenant_context(world.globex.pk):
            1 / 0  # noqa: B018
        assert current_account_id() == world.acme.pk


def test_the_database_itself_refuses_to_write_where_it_is_only_read(committed_world: World) -> None:
    with pytest.raises(InternalError, match="read-only"), tenant_context(committed_world.acme.pk, read_only=True):
        Account.objects.update(name="Other")
    with tenant_context(committed_world.acme.pk):
        assert Account.objects.update(name="Acme") == 1


def test_what_has_to_be_committed_is_not_begun_inside_another_transaction(committed_world: World) -> None:
    with transaction.atomic():
        with pytest.raises(RuntimeError), tenant_context(committed_world.acme.pk, durable=True):
            pass
        with tenant_context(committed_world.acme.pk):
            pass
    with tenant_context(committed_world.acme.pk, durable=True):
        assert current_account_id() == committed_world.acme.pk


def test_the_databases_time_is_learnt_on_the_way(world: World, monkeypatch: Any) -> None:
    learnt: list[Any] = []
    monkeypatch.setattr(database_time, "learn", lambda at, *, asked: learnt.append((at, asked)))
    with tenant_context(world.acme.pk):
        pass
    assert tenancy.enter(world.ada, world.acme.pk)
    assert len(learnt) == 2
    for at, asked in learnt:
        assert abs(at - database_time.now()) < timedelta(minutes=1)
        assert asked <= database_time.timer()


# --- what can be asked from outside of a tenant --------------------------------------------------------------------------
def test_an_account_is_made_once_under_a_name_and_says_so(world: World) -> None:
    account = tenancy.create_account(name="Initech", slug="initech", timezone="Europe/Berlin", actor=world.dan)
    with tenant_context(account.pk):
        stored = Account.objects.get()
        assert (stored.pk, stored.name, stored.slug, stored.timezone) == (
            account.pk,
            "Initech",
            "initech",
            "Europe/Berlin",
        )
        event = AuditEvent.objects.get()
        assert (event.kind, event.actor_name, event.object_id) == ("account.created", "Dan", str(account.pk))
        assert (event.account_id, event.data) == (account.pk, {"name": "Initech"})
    before = len(tenancy.account_directory())
    with pytest.raises(ValueError, match="'initech' exists"):
        tenancy.create_account(name="Another", slug="initech", actor=world.dan)
    assert len(tenancy.account_directory()) == before
    assert tenancy.create_account(name="Hooli", slug="hooli", actor=audit.SYSTEM).timezone == "UTC"


def test_what_is_not_there_is_none(world: World) -> None:
    assert tenancy.service_token_by_key("nothing") is None
    assert tenancy.invitation_by_digest("nothing") is None
    assert [row["slug"] for row in tenancy.memberships_of(world.ada)] == ["acme"]


def test_a_channel_is_found_by_its_address_from_outside(world: World) -> None:
    [found] = tenancy.channels_at(" Support@ACME.test ")
    assert (found["account_id"], found["slug"], found["channel_id"]) == (world.acme.pk, "acme", world.mail.pk)
    with tenant_context(world.globex.pk):
        assert tenancy.address_is_usable("Support@Globex.test") is True
        assert tenancy.address_is_usable("support@acme.test") is False


def test_a_token_and_a_link_are_found_by_what_their_bearer_shows(world: World) -> None:
    with tenant_context(world.acme.pk):
        token, _ = tokens.issue(account=world.acme, name="shop", scopes=["conversations:read"], actor=world.dan)
        invitations.invite(account_id=world.acme.pk, address="new@person.test", role=Role.AGENT, actor=world.dan)
        Invitation.objects.update(token_digest="d" * 64)
        invitation = Invitation.objects.get()
    found = tenancy.service_token_by_key(token.key)
    assert found is not None and found["account_id"] == world.acme.pk
    assert tenancy.invitation_by_digest("d" * 64) == {
        "account_id": world.acme.pk, "invitation_id": invitation.pk,
    }  # fmt: skip


def test_an_account_without_an_admin_is_named_with_nobody_invited(world: World) -> None:
    assert tenancy.accounts_without_admin() == {world.globex.pk: None}


# --- entering ----------------------------------------------------------------------------------------------------------
def test_a_member_enters_as_what_they_are_there(world: World, acme: Account) -> None:
    PolicyRule.objects.create(account=acme, role="agent", verb="manage", kind="any", allowed=True)
    PolicyRule.objects.create(account=acme, role="reviewer", verb="manage", kind="any", allowed=False)
    MembershipChannel.objects.create(
        account=acme, membership=Membership.objects.get(user=world.cy), channel=world.mail
    )  # fmt: skip
    Notification.objects.create(account=acme, user=world.cy, type="lane_shut", payload={})
    found = tenancy.enter(world.cy, str(acme.pk))
    assert found == Tenant(
        account_id=acme.pk, slug="acme", name="Acme", role=Role.AGENT, timezone="UTC", channels=kept_to([world.mail.pk]),
        unread=1, granted_until=None, rules={"manage": True}, factor_missing=False,
        person=world.cy.pk,
    )  # fmt: skip
    assert found is not None and found.role is Role.AGENT
    ada = tenancy.enter(world.ada, acme.pk)
    assert ada is not None and ada.channels == ALL


def test_entering_names_the_tenant_and_being_refused_does_not(world: World) -> None:
    assert tenancy.enter(world.eve, world.acme.pk) is None
    assert current_account_id() is None
    assert tenancy.enter(world.ada, world.acme.pk)
    assert current_account_id() == world.acme.pk
    assert named() == str(world.ada.pk)
    assert tenancy.enter(world.eve, world.acme.pk) is None
    assert named() == str(world.ada.pk)


def named() -> str:
    """Whose private rows exist now."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('app.user_id', true), '')")
        return str(cursor.fetchone()[0])


@pytest.mark.parametrize(("role", "nothing"), [(None, True), (Role.AUDITOR, True), (Role.AGENT, False)])
def test_auditors_and_the_platform_change_nothing(role: Role | None, nothing: bool) -> None:
    assert Tenant(uuid.uuid4(), "a", "A", role, "UTC", ALL).changes_nothing is nothing


def test_a_member_tied_to_no_channel_sees_all() -> None:
    one = uuid.uuid4()
    assert tenancy.seen_by([]) == ALL
    assert tenancy.seen_by([one]) == kept_to([one])


# --- a request -----------------------------------------------------------------------------------------------------------
def ask(
    user: Any, path: str = "/queue/", method: str = "get", *, view: Any = None, session: dict[str, Any] | None = None
) -> tuple[HttpResponse, HttpRequest]:
    request = getattr(RequestFactory(), method)(path)
    request.user, request.session = user, session if session is not None else {}
    answer = TenantMiddleware(view or looks)(request)
    return answer, request


def looks(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        found = request.tenant  # type: ignore[attr-defined]
        return HttpResponse(f"{found and found.slug} {cursor.fetchone()[0]} {current_account_id() is not None}")


def writes(status: int) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        Account.objects.update(name="written")
        return HttpResponse(status=status)

    return view


def name_of(account: Account) -> str:
    with tenant_context(account.pk):
        return Account.objects.get(pk=account.pk).name


def said(*args: Any, **kwargs: Any) -> str:
    return ask(*args, **kwargs)[0].content.decode()


class Nobody:
    is_authenticated = False


def test_who_is_not_signed_in_is_nowhere_and_opens_no_transaction(committed_world: World) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        assert request.tenant is None  # type: ignore[attr-defined]
        return HttpResponse(f"{connection.in_atomic_block}")

    assert said(Nobody(), view=view) == "False"
    assert said(None, view=view) == "False"
    assert said(committed_world.ada, view=lambda request: HttpResponse(f"{connection.in_atomic_block}")) == "True"


def test_a_member_is_in_their_first_account_and_it_is_remembered(committed_world: World) -> None:
    session: dict[str, Any] = {}
    assert said(committed_world.ada, session=session) == "acme off True"
    assert session == {SESSION_KEY: str(committed_world.acme.pk)}
    with tenant_context(committed_world.globex.pk):
        Membership.objects.create(account=committed_world.globex, user=committed_world.ada, role="agent")
    for account in (committed_world.globex, committed_world.acme):
        session = {SESSION_KEY: str(account.pk)}
        assert said(committed_world.ada, session=session) == f"{account.slug} off True"
        assert session == {SESSION_KEY: str(account.pk)}
    session = {SESSION_KEY: str(uuid.uuid4())}
    assert said(committed_world.ada, session=session).startswith("acme")
    assert session == {SESSION_KEY: str(committed_world.acme.pk)}


def test_who_belongs_nowhere_is_in_no_account(committed_world: World) -> None:
    person = User.objects.create_user("new@person.test")
    session: dict[str, Any] = {}
    assert said(person, session=session) == "None off False"
    assert session == {}


@pytest.mark.parametrize(("status", "kept"), [(200, True), (404, True), (499, True), (500, False), (503, False)])
def test_what_a_view_wrote_is_kept_unless_the_view_failed(committed_world: World, status: int, kept: bool) -> None:
    ask(committed_world.dan, view=writes(status))
    assert name_of(committed_world.acme) == ("written" if kept else "Acme")


@pytest.mark.parametrize("method", ["get", "head", "options"])
def test_an_auditor_reads_in_a_transaction_that_cannot_write(committed_world: World, method: str) -> None:
    assert said(committed_world.bo, method=method) == "acme on True"
    with pytest.raises(InternalError, match="read-only"):
        ask(committed_world.bo, method=method, view=writes(200))
    assert said(committed_world.cy) == "acme off True"


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_an_auditor_changes_nothing_but_what_is_their_own(committed_world: World, method: str) -> None:
    for path in ("/queue/", "/admin/", "/x/accounts/"):
        with pytest.raises(PermissionDenied):
            ask(committed_world.bo, path, method)
    for path in ("/accounts/email/", "/profile/", "/switch/", "/invitations/x/"):
        assert said(committed_world.bo, path, method) == "acme off True"


# --- an exception ----------------------------------------------------------------------------------------------------------
def failing(user: User, error: Exception, then: Callable[[HttpRequest], Any]) -> HttpResponse:
    """A view that writes and raises, inside Django, which asks the middlewares for an answer."""
    middleware: TenantMiddleware

    def view(request: HttpRequest) -> HttpResponse:
        if user.pk and request.tenant and not request.tenant.changes_nothing:  # type: ignore[attr-defined]
            Account.objects.update(name="written")
        answer = middleware.process_exception(request, error)
        then(request)
        return answer or HttpResponse("Django's")

    middleware = TenantMiddleware(view)
    request = RequestFactory().get("/queue/")
    request.user, request.session = user, {}  # type: ignore[assignment]
    return middleware(request)


@pytest.mark.parametrize(("error", "status"), [(Conflict("Too late."), 409), (Invalid("Too long."), 422)])
def test_a_refusal_is_shown_in_words_and_takes_back_what_was_written(
    committed_world: World, error: Exception, status: int
) -> None:
    answer = failing(committed_world.dan, error, lambda request: None)
    assert answer.status_code == status
    assert str(error) in answer.content.decode()
    assert name_of(committed_world.acme) == "Acme"


@pytest.mark.parametrize(("name", "mode"), [("dan", "off"), ("bo", "on")])
def test_after_an_exception_one_is_in_the_same_tenant_as_bound_as_before(
    committed_world: World, name: str, mode: str
) -> None:
    seen: list[str] = []
    answer = failing(
        getattr(committed_world, name), ZeroDivisionError(), lambda request: seen.append(looks(request).content.decode())
    )  # fmt: skip
    assert (answer.content, seen) == (b"Django's", [f"acme {mode} True"])
    assert name_of(committed_world.acme) == "Acme"


def test_a_request_names_its_person_also_after_an_exception(committed_world: World) -> None:
    seen: list[str] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(named())
        return HttpResponse()

    for user in (committed_world.dan, committed_world.bo):
        ask(user, view=view)
        failing(user, ZeroDivisionError(), lambda request: seen.append(named()))
    assert seen == [str(user.pk) for user in (committed_world.dan, committed_world.bo) for _ in range(2)]
    assert named() == ""


def test_what_is_written_after_an_exception_is_not_kept_either(committed_world: World) -> None:
    failing(committed_world.dan, ZeroDivisionError(), lambda request: Account.objects.update(name="later"))
    assert name_of(committed_world.acme) == "Acme"


def test_an_exception_of_somebody_who_is_nowhere_is_answered_too(committed_world: World) -> None:
    person = User.objects.create_user("new@person.test")
    assert failing(person, Conflict("Too late."), lambda request: None).status_code == 409
    request = RequestFactory().get("/")
    request.tenant = None  # type: ignore[attr-defined]
    assert TenantMiddleware(looks).process_exception(request, ZeroDivisionError()) is None


# --- the second factor -------------------------------------------------------------------------------------------------------
@pytest.fixture
def strict(committed_world: World) -> World:
    with tenant_context(committed_world.acme.pk):
        factors.require_second_factor(account_id=committed_world.acme.pk, required=True, actor=committed_world.dan)
    return committed_world


def test_without_the_factor_one_is_led_away_before_the_view_runs(strict: World) -> None:
    answer, request = ask(strict.ada, view=writes(200))
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/")
    assert request.tenant is None  # type: ignore[attr-defined]
    assert name_of(strict.acme) == "Acme"
    assert ask(strict.eve)[0].status_code == 200, "another account's people are not asked"


def test_the_pages_that_set_one_up_are_outside_of_the_account_and_know_who_wants_it(strict: World) -> None:
    answer, request = ask(strict.ada, "/accounts/2fa/")
    assert answer.content == b"None off False"
    assert tenancy.tenant(request) == {"tenant": None, "factor_wanted_by": "Acme"}


def test_the_installation_wants_one_of_its_operators(committed_world: World, settings: Any) -> None:
    root = User.objects.create_superuser("root@platform.test", "correct horse")
    settings.OPERATORS_NEED_FACTOR = True
    assert ask(root)[0].status_code == 302
    _, request = ask(root, "/accounts/2fa/")
    assert tenancy.tenant(request)["factor_wanted_by"] == "This installation"
    _, request = ask(committed_world.ada)
    assert tenancy.tenant(request) == {"tenant": request.tenant, "factor_wanted_by": ""}  # type: ignore[attr-defined]


def test_the_account_that_wants_one_is_named_before_the_installation(strict: World, settings: Any) -> None:
    settings.OPERATORS_NEED_FACTOR = True
    User.objects.filter(pk=strict.ada.pk).update(is_superuser=True)
    _, request = ask(User.objects.get(pk=strict.ada.pk), "/accounts/2fa/")
    assert tenancy.tenant(request)["factor_wanted_by"] == "Acme"


# --- the platform looks inside -------------------------------------------------------------------------------------------------
@pytest.fixture
def root(committed_world: World) -> User:
    return User.objects.create_superuser("root@platform.test", "correct horse")


def granted(account_id: Any, *, seconds: float = 60, entered: Any = None) -> dict[str, Any]:
    until = database_time.now() + timedelta(seconds=seconds)
    return {
        SESSION_KEY: str(entered or account_id),
        GRANT_KEY: {"account_id": str(account_id), "until": until.isoformat()},
        "other": 1,
    }


def test_an_operator_reads_an_account_while_their_look_lasts(committed_world: World, root: User) -> None:
    session = granted(committed_world.acme.pk)
    before = dict(session)
    answer, request = ask(root, session=session)
    assert answer.content == b"acme on True"
    assert request.tenant == Tenant(  # type: ignore[attr-defined]
        account_id=committed_world.acme.pk, slug="acme", name="Acme", role=None, timezone="UTC", channels=ALL,
        granted_until=tenancy.datetime.fromisoformat(session[GRANT_KEY]["until"]), factor_missing=False,
    )  # fmt: skip
    assert session == before
    assert said(root, session=session, view=lambda request: HttpResponse(f"names {named()}")) == "names "
    with pytest.raises(PermissionDenied):
        ask(root, method="post", session=session)
    assert said(root, "/admin/tenants/", "post", session=session) == "acme off True", "where they make new tenants"


@pytest.mark.parametrize("why", ["over", "of another", "none", "no account"])
def test_an_operator_without_a_look_that_lasts_is_nowhere(committed_world: World, root: User, why: str) -> None:
    acme = committed_world.acme.pk
    session = {
        "over": granted(acme, seconds=-1),
        "of another": granted(committed_world.globex.pk, entered=acme),
        "none": {SESSION_KEY: str(acme), "other": 1},
        "no account": granted(uuid.uuid4()),
    }[why]
    assert said(root, session=session) == "None off False"
    if why != "no account":
        assert session == {"other": 1}


def test_an_operator_who_is_a_member_somewhere_is_there_without_a_look(committed_world: World, root: User) -> None:
    with tenant_context(committed_world.globex.pk):
        Membership.objects.create(account=committed_world.globex, user=root, role="agent")
    assert said(root) == "globex off True"
    session = granted(committed_world.acme.pk, seconds=-1)
    assert said(root, session=session) == "None off False", "the look that ended is told by nothing being there"
    assert said(root, session=session) == "globex off True"


def test_an_operator_who_is_a_member_there_works_as_one(committed_world: World, root: User) -> None:
    with tenant_context(committed_world.acme.pk):
        Membership.objects.create(account=committed_world.acme, user=root, role="agent")
    session = granted(committed_world.acme.pk)
    answer, request = ask(root, session=session)
    assert answer.content == b"acme off True"
    assert request.tenant.role == Role.AGENT  # type: ignore[attr-defined]


def test_a_look_is_for_operators_alone(committed_world: World) -> None:
    session = granted(committed_world.acme.pk)
    assert said(committed_world.eve, session=session).startswith("globex")


def test_who_looks_inside_keeps_the_accounts_rule_too(strict: World, root: User) -> None:
    assert ask(root, session=granted(strict.acme.pk))[0].status_code == 302
    assert ask(root, session=granted(strict.globex.pk))[0].status_code == 200


# --- what views ask ------------------------------------------------------------------------------------------------------------
def test_a_page_of_an_account_is_not_there_for_who_belongs_nowhere(world: World) -> None:
    request = RequestFactory().get("/")
    assert tenancy.tenant(request) == {"tenant": None, "factor_wanted_by": ""}
    with pytest.raises(Http404):
        tenancy.require_tenant(request)
    request.tenant = None  # type: ignore[attr-defined]
    with assert_nothing_written(), pytest.raises(Http404):
        tenancy.require_tenant(request)
    request.tenant = tenancy.enter(world.ada, world.acme.pk)  # type: ignore[attr-defined]
    assert tenancy.require_tenant(request).slug == "acme"

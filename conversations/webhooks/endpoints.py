"""What an admin does with the account's endpoints: adds, changes, switches, tests, removes, and renews what signs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from django.db import transaction

from conversations import audit
from conversations.database import database_time
from conversations.errors import Conflict, Invalid
from conversations.jobs import wake
from conversations.models import Account, User, WebhookAttempt, WebhookDelivery, WebhookEndpoint, WebhookEvent
from conversations.people.roles import Verb, check
from conversations.webhooks import health, signing
from conversations.webhooks.emit import QUEUE, TASK, TEST, News

State = WebhookEndpoint.State
#: So long the secret before the current one signs too: nobody changes both sides at once.
STANDS = timedelta(days=2)
MOST, MAX_URL = 20, 500


def add(
    *, account_id: uuid.UUID, actor: User, url: str, events: Sequence[str], with_text: bool
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint, switched on, and its secret, which is shown this once.

    Raises PermissionDenied (403), Invalid (422), Conflict (409: too many, or it is there already).
    """
    check(actor, Verb.MANAGE, account_id=account_id)
    url, wanted = proper_url(url), _known(events)
    with transaction.atomic():
        # Whoever presses twice at once is counted one after the other.
        Account.objects.select_for_update(no_key=True, of=("self",)).only("pk").get(pk=account_id)
        mine = WebhookEndpoint.objects.filter(account_id=account_id)
        if mine.filter(url=url).exists():
            raise Conflict("This address is told already. Nothing was added.")
        if mine.count() >= MOST:
            raise Conflict(f"There are {MOST} endpoints. Remove one that is not needed; nothing was added.")
        secret = signing.new_secret()
        endpoint = WebhookEndpoint.objects.create(
            account_id=account_id, url=url, events=wanted, with_text=with_text, secret=secret
        )
        _record(audit.Kind.WEBHOOK_ADDED, actor, endpoint, **_in_words(endpoint))
    return endpoint, secret


def change(*, endpoint_id: uuid.UUID, actor: User, url: str, events: Sequence[str], with_text: bool) -> WebhookEndpoint:
    """Another address, other events, with texts or without; what waits goes to the new address.

    Raises WebhookEndpoint.DoesNotExist (404), PermissionDenied (403), Invalid (422), Conflict (409: it is there already).
    """
    url, wanted = proper_url(url), _known(events)
    with transaction.atomic():
        endpoint = locked(endpoint_id, actor)
        same = WebhookEndpoint.objects.filter(account_id=endpoint.account_id, url=url).exclude(pk=endpoint.pk)
        if same.exists():
            raise Conflict("Another endpoint has this address. Nothing was changed.")
        now = {"url": url, "events": wanted, "with_text": with_text}
        changed = [name for name, value in now.items() if getattr(endpoint, name) != value]
        if not changed:
            return endpoint
        for name, value in now.items():
            setattr(endpoint, name, value)
        endpoint.save()
        _record(audit.Kind.WEBHOOK_CHANGED, actor, endpoint, fields=", ".join(changed), **_in_words(endpoint))
    return endpoint


def renew_secret(*, endpoint_id: uuid.UUID, actor: User) -> str:
    """Another secret, which is shown this once. The one before it signs beside it for two days more.

    Raises WebhookEndpoint.DoesNotExist (404), PermissionDenied (403).
    """
    with transaction.atomic():
        endpoint = locked(endpoint_id, actor)
        endpoint.secret_before, endpoint.secret = endpoint.secret, signing.new_secret()
        endpoint.before_until = database_time.now() + STANDS
        endpoint.save()
        _record(audit.Kind.WEBHOOK_SECRET_MADE, actor, endpoint)
    return endpoint.secret


def end_old_secret(*, endpoint_id: uuid.UUID, actor: User) -> WebhookEndpoint:
    """The old secret signs no more. Raises as `renew_secret`; Conflict (409) if there is none."""
    with transaction.atomic():
        endpoint = locked(endpoint_id, actor)
        if endpoint.before_until is None or endpoint.before_until <= database_time.now():
            raise Conflict("There is no old secret. Nothing was changed.")
        endpoint.secret_before, endpoint.before_until = None, None
        endpoint.save()
        _record(audit.Kind.WEBHOOK_SECRET_ENDED, actor, endpoint)
    return endpoint


def switch(*, endpoint_id: uuid.UUID, actor: User, on: bool) -> WebhookEndpoint:
    """On: it is told of what happens from now on; what happened meanwhile can be replayed. Off: what waits is given up.

    Raises WebhookEndpoint.DoesNotExist (404), PermissionDenied (403), Conflict (409: it stands so already).
    """
    with transaction.atomic():
        endpoint = locked(endpoint_id, actor)
        if (endpoint.state == State.ON) == on:
            raise Conflict(f"It is switched {'on' if on else 'off'} already. Nothing was changed.")
        health.switch(endpoint, State.ON if on else State.OFF)
        state = "on" if on else "off"
        _record(audit.Kind.WEBHOOK_SWITCHED, actor, endpoint, state=state, reason="by hand")
    return endpoint


def send_test(*, endpoint_id: uuid.UUID, actor: User) -> WebhookDelivery:
    """An event of the kind `endpoint.test` to this endpoint alone.

    Raises WebhookEndpoint.DoesNotExist (404), PermissionDenied (403), Conflict (409: it is off).
    """
    with transaction.atomic():
        endpoint = _on(endpoint_id, actor)
        event = WebhookEvent.objects.create(account_id=endpoint.account_id, kind=TEST, data={})
        delivery = WebhookDelivery.objects.create(account_id=endpoint.account_id, event=event, endpoint=endpoint)
        _record(audit.Kind.WEBHOOK_TESTED, actor, endpoint)
        wake(TASK, queue=QUEUE, account_id=endpoint.account_id, delivery_id=delivery.pk)
    return delivery


def try_now(*, endpoint_id: uuid.UUID, actor: User) -> int:
    """The pause is over and everything that waits is due. How much that is.

    Raises WebhookEndpoint.DoesNotExist (404), PermissionDenied (403), Conflict (409: it is off).
    """
    with transaction.atomic():
        endpoint = _on(endpoint_id, actor)
        endpoint.paused_until = None
        endpoint.save()
        waiting = WebhookDelivery.objects.filter(endpoint=endpoint, status=WebhookDelivery.Status.PENDING)
        count = waiting.update(next_attempt_at=database_time.now())
        if first := waiting.order_by("created_at", "pk").values_list("pk", flat=True).first():
            wake(TASK, queue=QUEUE, account_id=endpoint.account_id, delivery_id=first)
        _record(audit.Kind.WEBHOOK_TRIED, actor, endpoint)
    return count


def remove(*, endpoint_id: uuid.UUID, actor: User) -> None:
    """It is told of nothing any more, and what was noted of it goes. The trail keeps that it was there.

    Raises WebhookEndpoint.DoesNotExist (404), PermissionDenied (403).
    """
    with transaction.atomic():
        endpoint = locked(endpoint_id, actor, for_good=True)
        WebhookAttempt.objects.filter(delivery__endpoint=endpoint).delete()
        WebhookDelivery.objects.filter(endpoint=endpoint).delete()
        _record(audit.Kind.WEBHOOK_REMOVED, actor, endpoint)
        endpoint.delete()


def locked(endpoint_id: uuid.UUID, actor: User, *, for_good: bool = False) -> WebhookEndpoint:
    """The endpoint, for whoever may manage. `for_good` also keeps events away: they hold it against being removed."""
    rows = WebhookEndpoint.objects.select_for_update(of=("self",), no_key=not for_good)
    endpoint = rows.get(pk=endpoint_id)
    check(actor, Verb.MANAGE, account_id=endpoint.account_id)
    return endpoint


def _on(endpoint_id: uuid.UUID, actor: User) -> WebhookEndpoint:
    endpoint = locked(endpoint_id, actor)
    if endpoint.state != State.ON:
        raise Conflict("It is switched off. Switch it on first; nothing was sent.")
    return endpoint


def proper_url(url: str) -> str:
    """As it is stored. Where it leads is looked at when something is sent (`posting`). Raises Invalid (422)."""
    url = url.replace("\x00", "").strip()
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"https", "http"} and parts.hostname and not parts.fragment and parts.port != 0
    except ValueError:
        fits = False
    if not fits or len(url) > MAX_URL or not url.isascii() or any(c.isspace() or c < " " for c in url):
        raise Invalid("Enter an address that begins with https:// and has at most 500 characters. Nothing was saved.")
    if parts.username is not None or parts.password is not None:
        raise Invalid("An address with a name or a password in it is not sent to. Nothing was saved.")
    return url


def _known(events: Sequence[str]) -> list[str]:
    if not events or set(events) - set(News.values):
        raise Invalid("Choose at least one event, of those that are offered. Nothing was saved.")
    return [kind for kind in News.values if kind in events]


def _in_words(endpoint: WebhookEndpoint) -> dict[str, str]:
    return {
        "events": ", ".join(endpoint.events),
        "texts": "with texts" if endpoint.with_text else "without texts",
    }


def _record(kind: audit.Kind, actor: User, endpoint: WebhookEndpoint, **data: str) -> None:
    audit.record(kind, actor=actor, about=endpoint, data={"host": health.host_of(endpoint), **data})

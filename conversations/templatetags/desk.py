"""`{% desk_shell as shell %}`: what the top bar shows. A tag and not a context processor: fragments do not pay for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django import template
from django.middleware.csrf import get_token
from django.urls import NoReverseMatch

from conversations.keys import acts_at
from conversations.models import Role, User
from conversations.people.roles import Verb, may
from conversations.tenancy import Tenant
from conversations.views.links import address
from conversations.views.live import is_live
from conversations.views.words import initials

register = template.Library()

#: Key, label, icon, URL name. A page that is not built in is left out.
PAGES = (
    ("queue", "Queue", "inbox", "drafts:queue"),
    ("history", "History", "lines", "conversations:list"),
    ("sources", "Sources", "db", "ingestion:sources"),
    ("quality", "Quality", "chart", "drafts:quality"),
    ("assistant", "Assistant", "assist", "conversations:chats"),
)
LINKS = {
    "queue": "drafts:queue",
    "conversations": "conversations:list",
    "profile": "conversations:profile",
    "notices": "conversations:notices",
    "bell": "conversations:bell",
    "switch": "conversations:switch",
    "logout": "account_logout",
}
#: The modules behind desk.js: a page asks for all of them at once, not one import after the other.
MODULES = (
    "acts", "ask", "batch", "copies", "decide", "dialogs", "diff", "dom", "editor", "keymap", "keys", "panes", "pulse",
    "sources", "strip", "toolbar",
)  # fmt: skip
#: What the palette and the list of keys offer beside pages, each only to whom it is allowed.
COMMANDS = ("assist", "claim", "edit", "reject", "regenerate", "snooze", "undo", "batch_approve")


@dataclass(frozen=True, slots=True)
class Shell:
    theme: str
    keys: str
    caps: dict[str, str]
    acts: str
    talk_acts: str
    person: str
    initials: str
    role: str
    account: str
    unread: int
    csrf: str
    preferences_url: str
    live_url: str
    can: dict[str, bool]
    urls: dict[str, str]
    nav: list[dict[str, str]]


def _address(name: str) -> str:
    try:
        return address(name)
    except NoReverseMatch:
        return ""


def _as_json(values: dict[str, str]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _administration(tenant: Tenant | None, user: User) -> str:
    """Where the administration begins: an account's admin with what is to be set up, the platform with its tenants."""
    if tenant is not None and tenant.role == Role.ADMIN:
        return "admin:begin"
    return "admin:tenants" if tenant is None and user.is_superuser else "admin:index"


@register.simple_tag(takes_context=True)
def desk_shell(context: template.Context) -> Shell | dict[str, Any]:
    """The signed-in person's shell; an empty dict for strangers and for error pages without a request."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return {}
    tenant = getattr(request, "tenant", None)
    choices = user.choices
    urls = {key: _address(name) for key, name in LINKS.items()}
    admin = user.is_staff or (tenant is not None and tenant.role == Role.ADMIN)
    urls["admin"] = _address(_administration(tenant, user)) if admin else ""
    nav = [{"key": key, "label": label, "icon": icon, "url": _address(name)} for key, label, icon, name in PAGES]
    if not may(tenant, Verb.ASSIST):
        nav = [item for item in nav if item["key"] != "assistant"]
    if tenant is not None and tenant.role == Role.ADMIN:
        nav.append({"key": "admin", "label": "Administration", "short": "Admin", "icon": "gear", "url": urls["admin"]})
    elif tenant is None and user.is_superuser:  # without an account there is no queue to lead to
        nav = [{"key": "admin", "label": "Tenants", "icon": "tenants", "url": urls["admin"]}]
    return Shell(
        theme=choices.theme,
        keys=choices.single_keys,
        caps=choices.caps,
        acts=_as_json(acts_at(choices.moved, conversation=False)),
        talk_acts=_as_json(acts_at(choices.moved, conversation=True)),
        person=user.name,
        initials=initials(user.name),
        role=tenant.role.label if tenant and tenant.role else "Platform operator" if user.is_superuser else "No role",
        account=tenant.name if tenant else "No account",
        unread=tenant.unread if tenant else 0,
        csrf=get_token(request),
        preferences_url=_address("conversations:preferences"),
        live_url=_address("conversations:live") if tenant and is_live(request) else "",
        can={verb: may(tenant, Verb(verb)) for verb in COMMANDS},
        urls=urls,
        nav=[item for item in nav if item["url"]],
    )


@register.simple_tag
def desk_modules() -> tuple[str, ...]:
    return tuple(f"desk/{name}.js" for name in MODULES)

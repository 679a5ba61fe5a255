"""`{% open_reset as reset %}`: whether somebody is taking this person's second factor away, for their own pages."""

from __future__ import annotations

from typing import Any

from django import template

from conversations.models import FactorReset, User
from conversations.people import lost_factor

register = template.Library()


@register.simple_tag(takes_context=True)
def open_reset(context: dict[str, Any]) -> FactorReset | None:
    user = getattr(context.get("request"), "user", None)
    return lost_factor.open_reset(user) if isinstance(user, User) else None

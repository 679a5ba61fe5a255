"""`{{ name|isolated }}`: for attributes and titles, where no `<bdi>` can stand. Known to every template (settings)."""

from __future__ import annotations

from typing import Any

from django import template

from conversations.web import bidi

register = template.Library()


@register.filter
def isolated(value: Any) -> str:
    return bidi.isolated(str(value)) if value is not None else ""

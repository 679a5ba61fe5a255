"""Where things are, and the way on after a press."""

from __future__ import annotations

import functools
import uuid

from django.conf import settings
from django.http import HttpResponseRedirect
from django.urls import reverse


def address(name: str) -> str:
    """Where a page without arguments is. Kept: a `reverse` for each link of a page costs more than the page's rows."""
    return _address(name, settings.ROOT_URLCONF)


@functools.cache
def _address(name: str, urlconf: str) -> str:
    return reverse(name, urlconf=urlconf)


def below(name: str) -> str:
    """What the addresses of rows begin with: the page `name` of one row, without its id."""
    return _below(name, settings.ROOT_URLCONF)


@functools.cache
def _below(name: str, urlconf: str) -> str:
    nobody = uuid.UUID(int=0)
    return reverse(name, urlconf=urlconf, args=[nobody]).removesuffix(f"{nobody}/")


def with_query(url: str, query: str) -> str:
    return f"{url}?{query}" if query else url


def see_other(url: str) -> HttpResponseRedirect:
    """303: what follows is read, whatever was sent (RFC 9110, 15.4.4)."""
    response = HttpResponseRedirect(url)
    response.status_code = 303
    return response

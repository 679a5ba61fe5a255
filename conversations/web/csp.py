"""A strict Content-Security-Policy under Django 6's setting name, until that one's own middleware takes over (decision 0036).

`SECURE_CSP` maps a directive to its sources; the source `'nonce'` becomes this response's nonce, which templates read
as `csp_nonce` (django-htmx does so by itself). A view that needs another policy sets `response.csp`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

Policy = Mapping[str, Sequence[str]]


def header(policy: Policy, nonce: str = "") -> str:
    def sources(values: Sequence[str]) -> str:
        return " ".join(
            f"'nonce-{nonce}'" if value == "'nonce'" else value for value in values if value != "'nonce'" or nonce
        )

    return "; ".join(f"{directive} {sources(values)}" for directive, values in policy.items())


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        used: list[str] = []

        def nonce() -> str:
            if not used:
                used.append(secrets.token_urlsafe(16))
            return used[0]

        request.csp_nonce = SimpleLazyObject(nonce)  # type: ignore[attr-defined]
        response = self.get_response(request)
        policy: Policy = getattr(response, "csp", settings.SECURE_CSP)
        response.headers.setdefault("Content-Security-Policy", header(policy, used[0] if used else ""))
        return response


def csp(request: HttpRequest) -> dict[str, object]:
    """Context processor: `csp_nonce`."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}

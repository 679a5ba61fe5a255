"""A script that holds a person's own token."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from conversations.models import Account, User
from conversations.people import own_tokens, tokens
from conversations.people.own_tokens import OwnScope
from conversations.tenancy import tenant_context


class Script:
    """`Script(acme, cy)` may all that a token may; scopes after them are all that it may."""

    def __init__(self, account: Account, person: User, *scopes: str, days: int = 1) -> None:
        wanted = scopes or OwnScope.values
        with tenant_context(account.pk, person=person.pk):
            self.token, plain = own_tokens.make(
                account_id=account.pk, actor=person, name="Script", scopes=wanted, days=days
            )
            caller = tokens.read(f"Bearer {plain}")
            assert caller is not None
            tokens.touch(caller)  # that it is used is remembered once a minute, and is no change that a test looks for
        self.headers = {"Authorization": f"Bearer {plain}"}
        self.client = Client(raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        given: dict[str, Any] = {"headers": {**self.headers, **headers}}
        if body is not None:
            given |= {"data": json.dumps(body), "content_type": "application/json"}
        answer = getattr(self.client, method)(f"/internal/{path}", **given)
        is_json = answer.get("Content-Type", "").startswith("application/json") and answer.content
        return answer.status_code, answer.json() if is_json else answer.content.decode()

    def get(self, path: str) -> Any:
        status, found = self("get", path)
        assert status == 200, (status, found)
        return found

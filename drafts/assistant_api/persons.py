"""Who asks: the person whose token it is, in their account, as the transaction names them. Without a person nothing is read."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.http import HttpRequest
from ninja import Router, Schema
from ninja.errors import HttpError
from pydantic import Field, StringConstraints

from conversations import factors
from conversations.models import Role, User
from conversations.people import tokens
from conversations.people.own_tokens import OwnScope
from conversations.people.roles import Verb, check
from conversations.tenancy import tenant_context
from ingestion.api import PROBLEMS, Bearer, Problem, caller_of

#: One for all of them: operations of one address have one router.
router = Router(auth=Bearer(), tags=["assistant"])
ANSWERS: dict[int, type[Schema]] = {**PROBLEMS, 429: Problem}
NOT_FOUND = "There is no such thing of yours. Nothing was changed."
#: The same again is the same thing, done once. It is an id, so that no words stand where nothing empties them.
RequestId = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9._:-]{0,64}$"),
    Field(description="An id of your own. The same again is answered again and done once."),
]


def as_person(scope: OwnScope) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The person of the token and its scope, then their tenant around the whole view: what a refusal had written is rolled back.
    A GET is read-only in the database."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            caller = caller_of(request)
            if caller.person is None:
                raise HttpError(403, "This is a person's own. A service's token reads no chat and confirms nothing.")
            if scope not in caller.scopes:
                raise HttpError(403, f"This token lacks the scope {scope.value}. Nothing was changed.")
            reads = request.method == "GET"
            if caller.role == Role.AUDITOR and not reads:
                raise HttpError(403, "You can read everything here and change nothing. Nothing was changed.")
            user = User.objects.get(pk=caller.person)
            if caller.factor_missing or factors.operator_needs_factor(user):
                raise HttpError(403, "Set up a second factor first, at the desk. Nothing was changed.")
            with tenant_context(caller.account_id):
                tokens.touch(caller)
            request.person = user  # type: ignore[attr-defined]
            try:
                with tenant_context(caller.account_id, person=user.pk, read_only=reads):
                    check(user, Verb.ASSIST, account_id=caller.account_id)
                    return view(request, *args, **kwargs)
            except PermissionDenied as error:
                raise HttpError(403, str(error)) from error
            except ObjectDoesNotExist as error:
                raise HttpError(404, NOT_FOUND) from error

        inner.__signature__ = inspect.signature(view, eval_str=True)  # type: ignore[attr-defined]
        return inner

    return decorate


def person_of(request: HttpRequest) -> User:
    """Whose token it is, after `as_person`."""
    user: User = request.person  # type: ignore[attr-defined]
    return user


def account_of(request: HttpRequest) -> uuid.UUID:
    return caller_of(request).account_id

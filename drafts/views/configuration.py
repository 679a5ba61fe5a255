"""The configuration: what its file and the desk say differently, both ways out of each, the file and those before it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from conversations import hooks
from conversations.errors import Invalid, Refusal
from conversations.models import Account, ProposedAction
from conversations.people.roles import Verb, may, require
from conversations.tenancy import require_tenant
from conversations.views.access import person, signed_in
from conversations.views.links import see_other
from conversations.views.words import clock_for, plural
from drafts.assistant.from_a_page import propose_on_the_desk
from drafts.assistant.waiting import on_the_file
from drafts.configuration import documents, following, words
from drafts.configuration.desk import look
from drafts.configuration.differences import Comparison, Difference
from drafts.configuration.marks import Line, marked
from drafts.configuration.reading import MAX_BYTES, File
from drafts.configuration.shapes import KEYED, SECTIONS
from drafts.models import ConfigDocument
from drafts.views.cards import draw
from drafts.views.exports import record_export

NAME = "countersign.yaml"
HISTORY = 10
TOOLS = {"desk": "apply_difference", "file": "adopt_difference"}
WORDS = {"desk": "Make the desk follow the file", "file": "Take it into the file"}


@dataclass(slots=True)
class Said:
    """What a form came to that was refused: why, where, and what was typed."""

    problem: str = ""
    status: int = 200
    path: str = ""
    typed: str = ""


@dataclass(slots=True)
class Drift:
    """One difference as it is shown. `why` says why the desk cannot follow there."""

    id: str
    path: str
    name: str
    chip: str
    chip_kind: str
    line: int | None
    desk: str
    file: str
    in_desk: bool
    in_file: bool
    why: str
    problem: str
    cards: list[SafeString] = field(default_factory=list)


def _whole(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """For who sees every channel: the configuration names them all."""

    @functools.wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not require_tenant(request).channels.is_all:
            raise PermissionDenied(
                "The configuration names every channel, and you see some. Ask an admin of your account."
            )
        return view(request, *args, **kwargs)

    return inner


@require_safe
@signed_in
@require(Verb.READ)
@_whole
def page(request: HttpRequest) -> HttpResponse:
    """Everybody may see how the account works; who may manage changes it."""
    return _page(request, Said())


@require_POST
@signed_in
@require(Verb.MANAGE)
@_whole
def upload(request: HttpRequest) -> HttpResponse:
    """Another text for the file, as a document of its own. Nothing of the desk is changed by it."""
    tenant, text = require_tenant(request), request.POST.get("text", "")
    try:
        if given := request.FILES.get("file"):
            if (given.size or 0) > MAX_BYTES:
                raise Invalid(f"A configuration has at most {MAX_BYTES // 1024} kB. Nothing was changed.")
            text = _decoded(given.read())
        documents.add_document(
            account_id=tenant.account_id, actor=person(request), text=text, origin=documents.Origin.UPLOADED
        )
    except Refusal as refusal:
        return _page(request, Said(str(refusal), refusal.status, typed=text))
    return see_other(reverse("drafts:configuration"))


@require_POST
@signed_in
@require(Verb.MANAGE)
@_whole
def keep_desk(request: HttpRequest) -> HttpResponse:
    """The desk as it is now, as the newest document."""
    try:
        documents.keep_desk(account_id=require_tenant(request).account_id, actor=person(request))
    except Refusal as refusal:
        return _page(request, Said(str(refusal), refusal.status))
    return see_other(reverse("drafts:configuration"))


@require_POST
@signed_in
@require(Verb.PROPOSE)
@_whole
def propose(request: HttpRequest) -> HttpResponse:
    """One of the two ways out of a difference, as a card below it."""
    tenant, path, to = (
        require_tenant(request),
        request.POST.get("path", "").replace("\x00", ""),
        request.POST.get("to", ""),
    )
    number = request.POST.get("document", "")
    if to not in TOOLS or not number.isdecimal():
        raise Http404("There is no such way out of a difference.")
    try:
        with transaction.atomic():
            action = propose_on_the_desk(
                account_id=tenant.account_id, actor=person(request), tool=TOOLS[to],
                arguments={"path": path, "document": int(number[:9])}, words=f"{WORDS[to]}: {path[:1000]}",
            )  # fmt: skip
    except Refusal as refusal:
        return _page(request, Said(str(refusal), refusal.status, path))
    except PermissionDenied as refusal:
        return _page(request, Said(str(refusal), 403, path))
    return see_other(f"{reverse('drafts:configuration')}#act-{action.pk}")


@require_safe
@signed_in
@require(Verb.READ)
@_whole
def document(request: HttpRequest, number: int) -> HttpResponse:
    """One of the texts as it was stored."""
    found = ConfigDocument.objects.filter(account_id=require_tenant(request).account_id, number=number).first()
    if found is None:
        raise Http404("There is no such document.")
    return _as_file(found.text)


@require_safe
@signed_in
@require(Verb.READ)
@_whole
def export(request: HttpRequest) -> HttpResponse:
    """The desk as a file. That somebody took it along stands in the trail."""
    account = Account.objects.get(pk=require_tenant(request).account_id)
    text = documents.export(account)
    record_export(request, what="the configuration", rows=text.count("\n"))
    return _as_file(text)


def _as_file(text: str) -> HttpResponse:
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{NAME}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid("This is no text in UTF-8. Nothing was changed.") from error


def _page(request: HttpRequest, said: Said) -> HttpResponse:
    tenant, user = require_tenant(request), person(request)
    account = Account.objects.get(pk=tenant.account_id)
    newest = documents.current(account.pk)
    context: dict[str, Any] = {
        "nav": "assistant",
        "said": said,
        "newest": newest,
        "may": {
            "manage": may(tenant, Verb.MANAGE),
            "propose": may(tenant, Verb.PROPOSE),
            "assist": may(tenant, Verb.ASSIST),
        },
        "to_sign": hooks.count_signatures(user, account.pk) if hooks.count_signatures else 0,
        "compared": clock_for(request).stamp(clock_for(request).now),
    }
    if newest is not None:
        file, comparison = documents.difference(account, newest)
        context |= _compared(request, account, newest, file, comparison, said)
    return render(request, "drafts/configuration.html", context, status=said.status)


def _compared(
    request: HttpRequest, account: Account, newest: ConfigDocument, file: File, comparison: Comparison, said: Said
) -> dict[str, Any]:
    lines = marked(file, comparison)
    actions = on_the_file(person(request), account.pk, newest.number)
    drifts = [
        _drift(request, account, at, one, line, actions.get(one.path, ()), said)
        for at, (one, line) in enumerate(lines.placed, 1)
    ]
    by_section = {section: [one for one, (of, _) in zip(drifts, lines.placed, strict=True) if of.place.section == section] for section in SECTIONS}  # fmt: skip
    desk = look(account)
    return {
        "number": newest.number,
        "drifts": drifts,
        "more": comparison.more,
        "sections": [
            {"key": section, "title": words.TITLES[section], "drifts": found} for section, found in by_section.items() if found
        ],
        "calm": [
            {
                "title": words.TITLES[section],
                "silent": section in comparison.silent,
                "hint": _hint(section, desk, silent=section in comparison.silent),
            }
            for section, found in by_section.items()
            if not found
        ],
        "counts": [
            (label, sum(one.kind == kind for one in comparison.differences)) for kind, label in words.KINDS.items()
        ],
        "lines": lines.lines,
        "documents": _history(request, account),
    }  # fmt: skip


def _drift(
    request: HttpRequest,
    account: Account,
    at: int,
    one: Difference,
    line: Line | None,
    actions: Sequence[ProposedAction],
    said: Said,
) -> Drift:
    return Drift(
        id=f"d-{at}",
        path=one.path,
        name=words.name_of(one),
        chip=words.KINDS[one.kind],
        chip_kind={"value_mismatch": "warn", "missing_in_db": "ok", "missing_in_yaml": "bad"}[one.kind],
        line=line.number if line else None,
        desk=words.desk_says(one),
        file=words.file_says(one),
        in_desk=one.kind != "missing_in_db",
        in_file=one.kind != "missing_in_yaml",
        why=following.why_not(account, one),
        problem=said.problem if said.path == one.path else "",
        cards=draw(request, actions, back=reverse("drafts:configuration")),
    )


def _hint(section: str, desk: Any, *, silent: bool) -> str:
    if silent:
        return "Not in the file, so it says nothing about it."
    if section == "lanes":
        return "In step. The file may shut a lane, never open one."
    if section in KEYED:
        return f"In step, {plural(len(getattr(desk, section)), 'entry', 'entries')}."
    return "In step."


def _history(request: HttpRequest, account: Account) -> list[dict[str, Any]]:
    clock = clock_for(request)
    found = list(ConfigDocument.objects.filter(account=account).order_by("-number")[: HISTORY + 1])
    out = []
    for at, one in enumerate(found[:HISTORY]):
        before = found[at + 1] if at + 1 < len(found) else None
        out.append(
            {
                "number": one.number,
                "current": at == 0,
                "said": f"{one.get_origin_display()} by {one.by_name}, {clock.stamp(one.created_at)}.",
                "place": one.path,
                "differ": f"{plural(_other_lines(before.text, one.text), 'line')} differ from {before.number}." if before else "The first one.",
                "url": reverse("drafts:config-document", args=[one.number]),
            }
        )  # fmt: skip
    return out


def _other_lines(old: str, new: str) -> int:
    before, after = set(old.splitlines()), set(new.splitlines())
    return max(len(before - after), len(after - before))

"""Files of messages and of drafts: one as a download, a picture of it to look at, all of a message in one archive."""

from __future__ import annotations

import tempfile
import uuid
import zipfile
from collections.abc import Iterable
from pathlib import PurePosixPath
from urllib.parse import quote

from django.conf import settings
from django.core.files import File as DjangoFile
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from conversations.errors import NotThere, Shut
from conversations.messages import files, scanning
from conversations.messages.pdf_pages import MOST_BYTES, Page, Undrawable, draw
from conversations.messages.scanning import Infected
from conversations.messages.sniffing import PDF, PICTURES, UNKNOWN, kind_of
from conversations.models import Attachment, Conversation, Message, StoredFile
from conversations.people.roles import Verb, require
from conversations.storage import Away, Links
from conversations.tenancy import outside_transaction, require_tenant
from conversations.views.access import signed_in
from conversations.views.present import FileView
from conversations.visible import Visible

SHOWN_PAGES = 50  # of a PDF
IN_MEMORY = 5_000_000  # bytes of an archive; a larger one is built on disk
_NOTHING = {"default-src": ["'none'"], "sandbox": []}


@require_safe
@signed_in
@require(Verb.READ)
def attachment(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """One file as a download, never shown inline; the name is sent by RFC 6266, the type is never guessed. From a bucket it
    comes by a link that is of this person's asking and dies within a minute."""
    found = _find(request, pk)
    store = files.storage()
    if isinstance(store, Links):
        _let_through(found)
        return _elsewhere(store, found)
    return _download(_opened(request, found), found.file_name, found.size_bytes)


@require_safe
@signed_in
@require(Verb.READ)
def picture(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The same file for an `img` element, if it is a PNG, a JPEG or a GIF, or a page of a PDF (`page`, the first); else there
    is no picture of it (404)."""
    found = _find(request, pk)
    stream = _opened(request, found)
    first = stream.read(16)
    stream.seek(0)
    kind = kind_of(first)
    response: HttpResponseBase
    if kind == PDF:
        drawn = _drawn(request, stream, number=_page_number(request))
        response = HttpResponse(drawn.png, content_type="image/png")
    elif kind in PICTURES:
        response = FileResponse(stream, content_type=kind)
    else:
        stream.close()
        raise Http404("This file is no picture.")
    response["Content-Disposition"] = "inline"
    response["X-Content-Type-Options"] = "nosniff"
    response.csp = _NOTHING  # type: ignore[attr-defined, union-attr]
    return response


@require_safe
@signed_in
@require(Verb.READ)
def pages(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """All pages of a PDF file, each drawn when it is scrolled to."""
    found = _find(request, pk)
    stream = _opened(request, found)
    kind = kind_of(stream.read(16))
    stream.seek(0)
    if kind != PDF:
        stream.close()
        raise Http404("This file has no pages.")
    count = _drawn(request, stream, number=1).of
    context = {
        "title": found.file_name,
        "file": FileView.of(found.pk, found.file_name, found.size_bytes),
        "numbers": range(1, min(count, SHOWN_PAGES) + 1),
        "left_out": max(0, count - SHOWN_PAGES),
    }
    return render(request, "conversations/pages.html", context)


@require_safe
@signed_in
@require(Verb.READ)
def all_files(request: HttpRequest, pk: uuid.UUID) -> FileResponse:
    """All files of one message as a ZIP archive, each under its own name. One that is not in the store any more is left out
    and named in `missing.txt`."""
    mine = Message.objects.within(require_tenant(request).channels)
    message = mine.filter(pk=pk).first()
    found = list(message.attachments.order_by("id")) if message else []
    if not found:
        raise Http404("There are no such files in this account.")
    held = scanning.shut(found[0].account_id, {file.sha256 for file in found})
    shut = {file.pk: held[file.sha256] for file in found if file.sha256 in held}
    archive = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115  the response closes it
    with (
        outside_transaction(request),
        zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as into,
    ):  # pictures, PDF: packed already
        missing = []
        for name, file in zip(_names(one.file_name for one in found), found, strict=True):
            try:
                if file.pk in shut:
                    raise Infected(shut[file.pk])
                with files.open_whole(file.storage_key, file.sha256) as stream, into.open(name, "w") as entry:
                    for chunk in stream.chunks():
                        entry.write(chunk)
            except OSError as error:
                missing.append(f"{name}: {error}")
        if missing:
            into.writestr("missing.txt", "\n".join(missing))
    size = archive.tell()
    archive.seek(0)
    return _download(archive, f"message {message.seq if message else 0}.zip", size)


def _names(given: Iterable[str]) -> list[str]:
    """Names for an archive: no folder, no way up, no name twice whatever its case."""
    out: list[str] = []
    taken: set[str] = set()
    for name in given:
        plain = "".join("_" if c in '/\\:*?"<>|' or not c.isprintable() else c for c in name).strip(". ") or "file"
        path, number, free = PurePosixPath(plain), 1, plain
        while free.casefold() in taken:
            number += 1
            free = f"{path.stem} ({number}){path.suffix}"
        taken.add(free.casefold())
        out.append(free)
    return out


def _find(request: HttpRequest, pk: uuid.UUID) -> Attachment:
    found = Attachment.objects.filter(pk=pk).first()
    if found is None or not _may_see(found, require_tenant(request).channels):
        raise Http404("There is no such file in this account.")
    return found


def _opened(request: HttpRequest, found: Attachment) -> DjangoFile:
    _let_through(found)
    try:
        with outside_transaction(request):
            return files.open_whole(found.storage_key, found.sha256)
    except files.Damaged as error:
        raise Http404(str(error)) from None
    except Away as error:
        raise NotThere(f"{error} The file is kept; try again in a moment.") from None


def _drawn(request: HttpRequest, stream: DjangoFile, *, number: int) -> Page:
    """A page of it, drawn while no transaction is open. Raises Http404 for what cannot be drawn, in words."""
    with stream:
        content = stream.read(MOST_BYTES + 1)
    try:
        with outside_transaction(request):
            return draw(content, number=number)
    except Undrawable as error:
        raise Http404(f"There is no picture of it: {error}.") from None


def _page_number(request: HttpRequest) -> int:
    given = request.GET.get("page", "1")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 5 else 0


def _let_through(found: Attachment) -> None:
    """Raises Shut (409) for a file that is infected, or that the scanner has not let through."""
    try:
        scanning.refuse(found.account_id, found.sha256)
    except OSError as error:
        raise Shut(f"{found.file_name}: {error}") from None


def _elsewhere(store: Links, found: Attachment) -> HttpResponse:
    """The way to the bucket, for a minute. Nothing of it is kept: who has the link needs no other right."""
    kind = StoredFile.objects.filter(storage_key=found.storage_key).values_list("kind", flat=True).first() or UNKNOWN
    link = store.link(
        found.storage_key,
        seconds=settings.ATTACHMENTS_LINK_SECONDS,
        disposition=_disposition(found.file_name),
        kind=kind,
    )
    response = HttpResponseRedirect(link)
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


def _download(stream: object, name: str, size: int) -> FileResponse:
    response = FileResponse(stream, content_type="application/octet-stream")
    response["Content-Disposition"] = _disposition(name)
    response["Content-Length"] = str(size)
    response["X-Content-Type-Options"] = "nosniff"
    response.csp = _NOTHING  # type: ignore[attr-defined, union-attr]
    return response


def _disposition(name: str) -> str:
    ascii_name = "".join(c if c.isascii() and (c.isalnum() or c in "._- ") else "_" for c in name)[:150]
    utf8 = quote(name.replace("\x00", ""), safe="")
    return f"attachment; filename=\"{ascii_name or 'file'}\"; filename*=UTF-8''{utf8}"


def _may_see(found: Attachment, channels: Visible) -> bool:
    """Whether a file's message, or the draft that it belongs to, is in the person's own channels."""
    if channels.is_all:
        return True
    mine = Conversation.objects.of_customers().within(channels)
    # This app knows drafts only as data.
    of_it = {"drafts__id": found.draft_id} if found.draft_id else {"messages__id": found.message_id}
    return mine.filter(**of_it).exists()

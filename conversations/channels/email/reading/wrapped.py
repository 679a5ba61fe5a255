"""Parts that hold a mail of their own (S/MIME, winmail.dat): what is inside takes its place in the tree."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from urllib.parse import quote

from conversations.channels.email.reading import smime, tnef
from conversations.channels.email.reading.headers import Headers
from conversations.channels.email.reading.mime import Part, parse_tree, walk

# More in one mail are an attack; what is not opened stays a file.
MAX_OPENED = 10
MAX_DEPTH = 3
SIGNED = "The message is signed with {}; the signature was not checked."
ENCRYPTED = "The message is encrypted with {} and cannot be read here; it is kept as a file."
# What the page and the drafter get instead of a text that nobody here has the key to.
UNREADABLE = "(This message is encrypted and cannot be read here.)"
_SIGNATURES = dict.fromkeys(smime.SIGNATURE_TYPES, "S/MIME") | {"application/pgp-signature": "PGP"}


def open_wrapped(root: Part) -> None:
    """Open what is wrapped in the tree of a mail, in place; what is signed and what cannot be read is told in `problems`."""
    waiting, opened = [(part, 0) for part in walk(root)], 0
    while waiting:
        part, depth = waiting.pop(0)
        if part.parent_type == "multipart/signed" and part.type in _SIGNATURES:
            part.problems.append(SIGNED.format(_SIGNATURES[part.type]))
        elif part.type == "multipart/encrypted":
            part.problems.append(ENCRYPTED.format("PGP"))
        if part.is_multipart or part.cut or opened >= MAX_OPENED or depth >= MAX_DEPTH:
            continue
        if _is_envelope(part):
            _open_envelope(part)
            waiting += [(inner, depth + 1) for child in part.children for inner in walk(child)]
        elif part.type in tnef.TYPES or part.file_name.lower() == "winmail.dat":
            _open_winmail(part, has_text=any(_is_text(other) for other in walk(root)))
        else:
            continue
        opened += 1


def is_encrypted(root: Part) -> bool:
    start = ENCRYPTED.partition("{}")[0]
    return any(problem.startswith(start) for part in walk(root) for problem in part.problems)


def _is_envelope(part: Part) -> bool:
    return part.type in smime.TYPES or (
        part.type == "application/octet-stream" and part.file_name.lower().endswith(".p7m")
    )


def _open_envelope(part: Part) -> None:
    kind, content = smime.open_envelope(part.content)
    if kind is smime.Kind.ENCRYPTED:
        part.problems.append(ENCRYPTED.format("S/MIME"))
    elif content:
        part.problems.append(SIGNED.format("S/MIME"))
        _put_inside(part, [parse_tree(content)])


def _open_winmail(part: Part, *, has_text: bool) -> None:
    found = tnef.unpack(part.content)
    texts = [("text/plain", found.text), ("text/html", found.html)]
    shown = [_made(text.encode(), f"{kind}; charset=utf-8") for kind, text in texts if text.strip() and not has_text]
    inside = [Part(b"", Headers([("content-type", b"multipart/alternative")]), 0, 0, children=shown)] if shown else []
    inside += [_made_file(file) for file in found.files if len(file.content)]
    if found.problem:
        part.problems.append(found.problem)
        inside += [_made(part.content, part.type, "attachment; filename=winmail.dat")] if inside else []
    _put_inside(part, inside)


def _put_inside(part: Part, children: Iterable[Part]) -> None:
    part.children = list(children)
    for child in part.children:
        for inner in walk(child):
            inner.depth += part.depth + 1


def _made_file(file: tnef.TnefFile) -> Part:
    name = quote(file.name.strip("\x00 ")[:300])
    kind = file.mime_type.strip("\x00 ") or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    is_picture = bool(file.content_id) and kind.startswith("image/")
    disposition = f"{'inline' if is_picture else 'attachment'}; filename*=utf-8''{name}"
    content_id = file.content_id.strip("\x00 ").encode("ascii", "ignore")
    return _made(bytes(file.content), kind, disposition, content_id)


def _made(content: bytes, kind: str, disposition: str = "inline", content_id: bytes = b"") -> Part:
    fields = [("content-type", kind.encode("ascii", "ignore")), ("content-disposition", disposition.encode())]
    headers = Headers([*fields, ("content-id", content_id)])
    return Part(content, headers, 0, len(content), default_type="application/octet-stream")


def _is_text(part: Part) -> bool:
    return (
        part.type in {"text/plain", "text/html"} and part.disposition.value != "attachment" and bool(part.body.strip())
    )

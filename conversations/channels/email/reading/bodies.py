"""Which parts of a mail are its text, its HTML and its files (RFC 8621 section 4.1.4), decoded and bounded."""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass, field

from conversations.channels.base import File
from conversations.channels.email.reading.charsets import clean_text, decode_bytes
from conversations.channels.email.reading.headers import decode_words, parse_headers
from conversations.channels.email.reading.html_text import MAX_HTML_CHARS, html_to_text
from conversations.channels.email.reading.invitations import MAX_EVENTS, TYPES, read_invitations
from conversations.channels.email.reading.mime import Part, parse_tree, uudecode, walk
from conversations.channels.email.reading.wrapped import ENCRYPTED, SIGNED, UNREADABLE, is_encrypted, open_wrapped
from conversations.channels.lines import one_line
from conversations.web.sanitise import text_to_html

# A longer text is cut here and kept whole as a file: the page, the index and the model all read the text.
MAX_TEXT_CHARS = 1_000_000
# Of a larger part only the beginning is decoded; the part itself becomes a file.
MAX_BODY_BYTES = 4_000_000
_META_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s{0,10}=\s{0,10}[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]{2,}")
_CLEARSIGNED = re.compile(
    r"^-----BEGIN PGP SIGNED MESSAGE-----[ \t]*\n(?:[A-Za-z-]{1,40}:[^\n]*\n)*\s*\n(.*?)\n"
    r"-----BEGIN PGP SIGNATURE-----.*?(?:-----END PGP SIGNATURE-----[ \t]*\n?|\Z)",
    re.MULTILINE | re.DOTALL,
)
_ENCRYPTED = re.compile(
    r"^-----BEGIN PGP MESSAGE-----[ \t]*\n.*?(?:^-----END PGP MESSAGE-----[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_EXTENSIONS = {"message/rfc822": ".eml", "text/plain": ".txt", "text/html": ".html", "image/jpeg": ".jpg"} | {
    "image/jpg": ".jpg",
    "message/delivery-status": ".txt",
    "text/rfc822-headers": ".txt",
    "application/pgp-encrypted": ".txt",
    "application/pgp-signature": ".asc",
}


@dataclass
class Bodies:
    """What `read_bodies` found; `plain_from_html` says that `text` was made from the HTML, `attached` is what mails say
    that are attached, `events` what calendars do."""

    text: str = ""
    html: str = ""
    files: list[File] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    plain_from_html: bool = False
    attached: str = ""
    events: str = ""


def read_bodies(root: Part, *, is_attached: bool = False) -> Bodies:
    """Return text, HTML and files of a parsed mail. Every part ends in one of the three; never raises. Of a mail that is
    attached to another only the text is wanted: its files are in the file that it is."""
    chosen = _Chosen()
    _choose([root], "mixed", False, chosen, chosen.html, chosen.text)
    bodies = Bodies()
    texts = [_text_of(part, bodies) for part in chosen.text]
    htmls = [_html_of(part, bodies) for part in chosen.html]
    if any(part.type == "text/html" for part in chosen.html):
        bodies.html = "\n".join(html for html in htmls if html)
    bodies.text = "\n".join(text for text in texts if text.strip())
    if bodies.html and _is_placeholder(bodies.text, shown := html_to_text(bodies.html)):
        bodies.text, bodies.plain_from_html = shown, True
    bodies.text = _without_armour(bodies.text, bodies)
    if is_attached:
        return bodies
    if root.type != "multipart/report":
        bodies.attached = "".join(_attached(part) for part in chosen.files if part.type == "message/rfc822")
    bodies.events = _events(root, bodies)
    if not bodies.text.strip() and not bodies.html and not bodies.events:
        bodies.text = "" if is_encrypted(root) else _last_resort(chosen.files, bodies)
    found = bodies.text.strip() or bodies.html or chosen.files or bodies.files or _media(chosen.text)
    if not found and root.type.startswith("multipart/") and root.body.strip():
        # Nothing was found in a tree of parts that is broken: the body as it stands is better than an empty page.
        bodies.text = _decoded(root, bodies, root.body[:MAX_TEXT_CHARS]).strip()
    _bound(bodies)
    seen: set[int] = set()
    for part in [*chosen.files, *_media(chosen.text), *_media(chosen.html)]:
        if id(part) not in seen:
            seen.add(id(part))
            bodies.files.append(_file(part, number=len(bodies.files) + 1, shown=part not in chosen.files))
    return bodies


def _is_placeholder(text: str, shown: str) -> bool:
    """Whether the text beside an HTML body says nothing of it: empty, signs without width, "your program shows no HTML"."""
    words, wanted = set(_WORD.findall(text.lower())), set(_WORD.findall(shown.lower()))
    if not words:
        return bool(shown.strip()) or not text.strip()
    return len(text) < 400 and len(wanted) >= 3 and len(words & wanted) < 0.3 * len(wanted)


def _without_armour(text: str, bodies: Bodies) -> str:
    """The text that was signed in clear (RFC 9580 section 7), without armour and with its dashes as they were written. What is
    encrypted becomes a file."""

    def signed(match: re.Match[str]) -> str:
        bodies.problems.append(SIGNED.format("PGP"))
        return re.sub(r"^- ", "", match[1], flags=re.MULTILINE)

    def encrypted(match: re.Match[str]) -> str:
        bodies.problems.append(ENCRYPTED.format("PGP"))
        bodies.files.append(File("message.asc", "application/pgp-encrypted", match[0].encode()))
        return UNREADABLE

    if "-----BEGIN PGP SIGNED MESSAGE-----" in text:
        text = _CLEARSIGNED.sub(signed, text, count=10)
    return _ENCRYPTED.sub(encrypted, text, count=10) if "-----BEGIN PGP MESSAGE-----" in text else text


def _attached(part: Part) -> str:
    """A mail that is attached, below the text and as programs write a forwarded one: it may be what is asked about."""
    if part.cut:
        return ""
    inner = parse_tree(part.content)
    open_wrapped(inner)
    found = read_bodies(inner, is_attached=True).text.strip()
    if not found:
        return ""
    fields = [
        (name.title(), one_line(decode_words(inner.headers.text(name)), 300))
        for name in ("from", "date", "subject", "to")
    ]
    head = "\n".join(f"{name}: {value}" for name, value in fields if value)
    return f"\n\n---------- Forwarded message ---------\n{head}\n\n{found[:200_000]}\n"


def _events(root: Part, bodies: Bodies) -> str:
    """What a mail's calendars say; programs often put the same one into it twice, once as a file."""
    found: dict[str, None] = {}
    for part in walk(root):
        if part.cut or not (part.type in TYPES or part.file_name.lower().endswith(".ics")):
            continue
        text, _ = decode_bytes(part.content, part.content_type.get("charset") or "utf-8")
        try:
            found |= dict.fromkeys(read_invitations(text, method=part.content_type.get("method")))
        except (ValueError, RecursionError):
            bodies.problems.append("A calendar could not be read; it is kept as a file.")
    return "\n\n".join(list(found)[:MAX_EVENTS])


class _Chosen:
    def __init__(self) -> None:
        self.text: list[Part] = []
        self.html: list[Part] = []
        self.files: list[Part] = []


def _choose(
    parts: list[Part],
    multipart: str,
    in_alternative: bool,
    chosen: _Chosen,
    html: list[Part] | None,
    text: list[Part] | None,
) -> None:
    """The algorithm of RFC 8621 section 4.1.4; None stands for a list that no longer takes parts."""
    html_before, text_before = len(chosen.html), len(chosen.text)
    for index, part in enumerate(parts):
        if part.is_multipart:
            subtype = part.type.partition("/")[2]
            _choose(part.children, subtype, in_alternative or subtype == "alternative", chosen, html, text)
            continue
        kind = _leaf_type(part)
        media = kind.startswith(("image/", "audio/", "video/"))
        inline = (
            part.disposition.value != "attachment"
            and (kind in {"text/plain", "text/html"} or media)
            and not part.cut
            and (index == 0 or (multipart != "related" and (media or not part.file_name)))
        )
        if not inline:
            chosen.files.append(part)
        elif multipart == "alternative":
            if kind == "text/plain":
                chosen.text.append(part)
            elif kind == "text/html":
                chosen.html.append(part)
            else:
                chosen.files.append(part)
        else:
            if in_alternative:
                html = None if kind == "text/plain" else html
                text = None if kind == "text/html" else text
            if text is not None:
                text.append(part)
            if html is not None:
                html.append(part)
            if media and (text is None or html is None):
                chosen.files.append(part)
    if multipart == "alternative" and text is not None and html is not None:
        if len(chosen.text) == text_before and len(chosen.html) > html_before:
            chosen.text.extend(chosen.html[html_before:])
        elif len(chosen.html) == html_before and len(chosen.text) > text_before:
            chosen.html.extend(chosen.text[text_before:])


def _leaf_type(part: Part) -> str:
    if part.type.startswith("multipart/") and not part.cut:
        return "text/plain"  # a multipart in which no part could be found
    return part.type


def _media(parts: list[Part]) -> list[Part]:
    return [part for part in parts if not _leaf_type(part).startswith("text/")]


def _text_of(part: Part, bodies: Bodies) -> str:
    kind = _leaf_type(part)
    if kind == "text/html":
        return html_to_text(_decoded(part, bodies))
    if kind != "text/plain":
        return ""
    content = part.content
    for name, file, start, end in reversed(uudecode(content) if b"begin " in content else []):
        bodies.files.append(File(_clean_name(name) or "file", _guess_type(name), file))
        content = content[:start] + content[end:]
    text = _decoded(part, bodies, content)
    if part.content_type.get("format").lower() == "flowed":
        text = _unflow(text, delete_space=part.content_type.get("delsp").lower() == "yes")
    return text


def _html_of(part: Part, bodies: Bodies) -> str:
    kind = _leaf_type(part)
    if kind == "text/html":
        return _decoded(part, bodies)
    return text_to_html(_text_of(part, Bodies())) if kind == "text/plain" else ""


def _decoded(part: Part, bodies: Bodies, content: bytes | None = None) -> str:
    content = part.content if content is None else content
    if len(content) > MAX_BODY_BYTES:
        _keep_whole(bodies, "message.html" if part.type == "text/html" else "message.txt", part.type, content)
        content = content[:MAX_BODY_BYTES]
    label = part.content_type.get("charset")
    if not label and part.type == "text/html" and (meta := _META_CHARSET.search(content[:4096])):
        label = meta[1].decode("ascii")
    text, problem = decode_bytes(content, label)
    if problem and problem not in bodies.problems:
        bodies.problems.append(problem)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _last_resort(files: list[Part], bodies: Bodies) -> str:
    """A mail without text or HTML: show what can be read of its parts (text/enriched, a broken calendar, a cut tree)."""
    for part in files:
        if part.cut:
            return _decoded(part, bodies, part.body[:20_000])
        if part.type.startswith("text/") and part.disposition.value != "attachment" and not part.file_name:
            return _decoded(part, bodies, part.content[:200_000])
    return ""


def _bound(bodies: Bodies) -> None:
    if len(bodies.text) > MAX_TEXT_CHARS:
        if not bodies.plain_from_html:
            _keep_whole(bodies, "message.txt", "text/plain", bodies.text.encode("utf-8"))
        bodies.text = bodies.text[:MAX_TEXT_CHARS]
    if len(bodies.html) > MAX_HTML_CHARS:
        _keep_whole(bodies, "message.html", "text/html", bodies.html.encode("utf-8"))
        bodies.html = ""


def _keep_whole(bodies: Bodies, name: str, kind: str, content: bytes) -> None:
    if any(file.file_name == name for file in bodies.files):
        return
    bodies.files.append(File(name, kind, content))
    bodies.problems.append(f"The message is very long; it is shown in part and kept whole as {name}.")


def _file(part: Part, *, number: int, shown: bool) -> File:
    content = part.body if part.cut else part.content
    kind = "application/octet-stream" if part.cut else one_line(clean_text(part.type), 120)
    content_id = one_line(part.headers.text("content-id").strip("<> "), 500)
    inline = shown or part.disposition.value == "inline" or bool(content_id and part.disposition.value != "attachment")
    name = _clean_name(part.file_name) or _described(part)
    if not name and kind == "message/rfc822":
        name = _clean_name(parse_headers(content[:200_000])[0].text("subject")[:150] or "message") + ".eml"
    if not name:
        name = f"attachment-{number}{_EXTENSIONS.get(kind) or mimetypes.guess_extension(kind) or '.bin'}"
    return File(name, kind, content, content_id, inline)


def _described(part: Part) -> str:
    """Content-Description (RFC 2045 section 8) where it reads like a file's name, as some programs write it."""
    name = _clean_name(decode_words(part.headers.text("content-description"))[:200])
    return name if re.fullmatch(r".*\w\.\w{1,5}", name) else ""


def _clean_name(name: str) -> str:
    """A file name for people: no path, no control character, no direction override, at most 200 characters."""
    name = re.sub(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", one_line(clean_text(name)))
    name = re.sub(r"[/\\:]+", "_", name).strip(". _") if re.search(r"[/\\:]", name) else name.strip()
    if len(name) > 200:
        stem, dot, extension = name.rpartition(".")
        name = f"{stem[:180]}.{extension[:19]}" if dot else name[:200]
    return "" if name in {".", ".."} else name


def _guess_type(name: str) -> str:
    return mimetypes.guess_type(name)[0] or "application/octet-stream"


def _unflow(text: str, *, delete_space: bool) -> str:
    """Join the soft line breaks of format=flowed (RFC 3676)."""
    out: list[str] = []
    flowing: tuple[int, list[str]] | None = None  # quote depth and the pieces of the paragraph under way

    def flush() -> None:
        nonlocal flowing
        if flowing is not None:
            depth, pieces = flowing
            out.append(("> " * depth) + "".join(pieces) if depth else "".join(pieces))
        flowing = None

    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        if flowing is not None and (flowing[0] != depth or content == "-- "):
            flush()
        soft = content.endswith(" ") and content != "-- "
        piece = content[:-1] if soft and delete_space else content
        if flowing is None:
            flowing = (depth, [piece])
        else:
            flowing[1].append(piece)
        if not soft:
            flush()
    flush()
    return "\n".join(out)

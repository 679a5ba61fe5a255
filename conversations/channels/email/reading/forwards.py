"""Mail that was passed on: what is asked stands in what is passed on, and whoever wrote that may be the one to answer."""

from __future__ import annotations

from conversations.channels.email.reading import quoting_phrases as phrases
from conversations.channels.email.reading.quoting import MAX_LINE, field_name, label_lines


def is_forward(text: str, subject: str = "") -> bool:
    """Whether what `split_reply` takes for history is a mail that was passed on: then the question is in there."""
    return _forward_begins(*label_lines(text), subject) is not None


def forwarded_sender(text: str, subject: str = "") -> str:
    """The field of the mail that `text` passes on which says who wrote it, as it stands there; "" where there is none."""
    lines, labels = label_lines(text)
    begin = _forward_begins(lines, labels, subject)
    if begin is None:
        return ""
    for at in range(begin, min(begin + 12, len(lines))):
        field = phrases.HEADER_LINE.match(lines[at][:MAX_LINE])
        if field is not None and field_name(lines[at][:MAX_LINE]) in phrases.SENDER_NAMES:
            wrapped = lines[at + 1][:MAX_LINE] if "@" not in field[2] and at + 1 < len(lines) else ""
            return f"{field[2]} {wrapped}".strip()
    return ""


def _forward_begins(lines: list[str], labels: list[str], subject: str) -> int | None:
    """The line at which a mail begins that was passed on."""
    history = (at for at, label in enumerate(labels) if label == "h" and lines[at].strip())
    # Without a note nothing is cut: then it is the first line that says so.
    first = next(history, next((at for at, line in enumerate(lines) if line.strip()), None))
    if first is None:
        return None
    says_so = phrases.DELIMITER.match(lines[first]) and phrases.FORWARDED.search(lines[first])
    is_mail = "h" in labels or any(field_name(line[:MAX_LINE]) for line in lines[first : first + 3])
    return first if says_so or (is_mail and phrases.FORWARDING_SUBJECT.match(subject)) else None

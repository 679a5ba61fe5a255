"""What the sender wrote this time, apart from the history and the signature below (or above) it.

A view, never a loss: every line of the text is in exactly one of the three parts. Measured against the published
libraries on their own test mails this reads about twice as many exactly (docs/corpora.md), because it looks at the
whole shape of a mail (which lines are quoted, what stands after them) and not only at the first heading that matches.
Each line is looked at a bounded number of times and never beyond MAX_LINE characters, so the cost is linear.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from conversations.channels.email.reading import quoting_phrases as phrases

# A longer line is somebody's text, not a heading of a mailer.
MAX_LINE = 600
# "On <date>, <name> <address> wrote:" is wrapped over at most this many lines.
MAX_HEADING_LINES = 5
# Below the history stand footers and remains of wrapping; more text than this is an answer below the quote.
MAX_TAIL = 7
MAX_SIGNATURE_LINES = 25
# Of a quote that was answered in place, this many lines go with the answer.
CONTEXT_LINES = 3
MAX_QUOTED = 12
# No mail of a person has more lines that end like a heading; a text of nothing else is an attack.
MAX_CANDIDATES = 2000

_QUOTED = re.compile(r"\s{0,3}>")
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")
_DASHES = re.compile(r"\s{0,3}(?:--|__|—-|–-|\*{2}|-- ?\*|\*-- ?\*)\s{0,3}\Z")
_RULE = re.compile(r"\s{0,10}(?:[-_=*─━]{4,}|(?:[-_] ){5,}[-_]?)\s{0,10}\Z")
_GREETING = re.compile(r"\s{0,3}(?:\w+[ ,!.]{0,2}){1,4}\s{0,3}\Z")
_ZOHO = re.compile(r"\s{0,3}-{2,}\s?.{1,400}\s?-{2,}\s{0,3}\Z")


class _Kind(enum.Enum):
    EMPTY = "empty"
    TEXT = "text"
    CODE = "code"
    QUOTED = "quoted"
    HEADING = "heading"  # On ... wrote:
    HISTORY = "history"  # from here on all is history: a block of mail fields, "-----Original Message-----"
    DASHES = "dashes"  # the line above a signature
    MOBILE = "mobile"  # Sent from my ...


_WRITTEN = (_Kind.TEXT, _Kind.CODE)


@dataclass(frozen=True, slots=True)
class Reply:
    """A text in three parts; each line of it is in exactly one of them, in its order."""

    new: str
    signature: str
    history: str


def split_reply(text: str) -> tuple[str, str]:
    """Return what the sender wrote this time, and the rest (history and signature). Linear time, never raises.

    When nothing would be left (only a quote, only a forward) the whole text counts as new.
    """
    lines, labels = label_lines(text)
    if not any(label == "n" for label in labels):
        return text.strip("\n"), ""
    return _join(lines, labels, "n"), _join(lines, labels, "sh")


def read_reply(text: str) -> Reply:
    """Return the three parts of `text`; see `split_reply`."""
    lines, labels = label_lines(text)
    return Reply(_join(lines, labels, "n"), _join(lines, labels, "s"), _join(lines, labels, "h"))


def _join(lines: list[str], labels: list[str], wanted: str) -> str:
    return "\n".join(line for line, label in zip(lines, labels, strict=True) if label in wanted).strip("\n")


def label_lines(text: str) -> tuple[list[str], list[str]]:
    """Give every line its label: "n" new, "s" signature, "h" history."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    kinds = _kinds(lines)
    labels = ["n"] * len(lines)
    end = _cut_history(lines, kinds, labels)
    end = _cut_trailing_quote(kinds, labels, end)
    _cut_signature(lines, kinds, labels, end)
    if not any(kind in _WRITTEN and label == "n" for kind, label in zip(kinds, labels, strict=True)):
        return lines, ["n"] * len(lines)
    return lines, labels


def _kinds(lines: list[str]) -> list[_Kind]:
    kinds = [_Kind.TEXT] * len(lines)
    fences = [index for index, line in enumerate(lines) if _FENCE.match(line)]
    code = {at for start, stop in zip(fences[::2], fences[1::2], strict=False) for at in range(start, stop + 1)}
    for index, line in enumerate(lines):
        if index in code:
            kinds[index] = _Kind.CODE
        elif not line.strip():
            kinds[index] = _Kind.EMPTY
        elif _QUOTED.match(line) and not (index and re.fullmatch(r"\s*>\s?:\s*", line) and "<" in lines[index - 1]):
            kinds[index] = _Kind.QUOTED
        elif len(line) > MAX_LINE:
            continue
        elif phrases.DELIMITER.match(line) or phrases.REPLY_ABOVE.match(line):
            kinds[index] = _Kind.HISTORY
        elif _DASHES.match(line) or _RULE.match(line):
            kinds[index] = _Kind.DASHES
        elif phrases.MOBILE_SIGNATURE.match(line) and not phrases.is_about_a_parcel(line):
            kinds[index] = _Kind.MOBILE
    _find_headings(lines, kinds, stop=_find_field_block(lines, kinds))
    _find_wrapped_quotes(lines, kinds)
    return kinds


def _find_headings(lines: list[str], kinds: list[_Kind], *, stop: int) -> None:
    loose = (_Kind.TEXT, _Kind.MOBILE, _Kind.DASHES)
    looked_at = 0
    for last, line in enumerate(lines[:stop]):
        if kinds[last] not in loose or not _may_end_heading(line):
            continue
        looked_at += 1
        if looked_at > MAX_CANDIDATES:
            return
        # The most complete reading of the lines above wins; among equals the shortest, but the whole date.
        best, chosen, joined = 0, last, ""
        for first in range(last, max(-1, last - MAX_HEADING_LINES), -1):
            joined = f"{lines[first].strip()} {joined}".strip()
            if (
                kinds[first] not in loose
                or len(joined) > MAX_LINE
                or (first < last and re.search(r"[!?]\s*\Z", lines[first]))
            ):
                break
            rank = _heading_rank(joined)
            if rank > best or rank == 3:
                best, chosen = rank, first
        if best == 1 and lines[chosen].lstrip().startswith("<") and chosen and kinds[chosen - 1] is _Kind.TEXT:
            name = lines[chosen - 1].strip()
            chosen -= len(name.split()) <= 4 and not name.endswith((".", "!", "?", ",", ":"))
        if best:
            kinds[chosen : last + 1] = [_Kind.HEADING] * (last + 1 - chosen)


def _may_end_heading(line: str) -> bool:
    ending = _bare(line)
    return len(line) <= MAX_LINE and (
        ending.endswith((":", "：", ">", "-")) or phrases.WROTE.search(ending[-14:]) is not None
    )


def _bare(line: str) -> str:
    return re.sub(r"[\u200b-\u200f\u202a-\u202e\u2066-\u2069]", "", line).strip(" \t*_|\xa0")


def _heading_rank(line: str) -> int:
    """3: opens with its date, 2: opens with a name and is complete, 1: the end of a heading, 0: something else."""
    line = _bare(line)
    if phrases.DATE_NAME_ADDRESS.fullmatch(line):
        return 3
    verb = phrases.WROTE.search(line)
    if verb and _ZOHO.match(line):
        return 3
    if not line.endswith((":", "：")) and not (verb and verb.end() >= len(line) - 2):
        return 0
    if phrases.QUOTING.match(line):
        return 2
    dated = phrases.DATE.search(line) is not None
    address = phrases.BRACKETED_ADDRESS.search(line)
    timed = address is not None and phrases.TIME.search(line) is not None
    if dated and (verb or timed):
        if phrases.AT_DATE.match(line) or phrases.OPENER.match(line) or phrases.DATE_FIRST.match(line):
            return 3
        if address and line[0].isalpha():
            return 2
    if verb is None:
        return 0
    name = phrases.NAME_ADDRESS.match(line)
    return 1 if name and verb.start() <= name.end() + 40 else 0


def _find_field_block(lines: list[str], kinds: list[_Kind]) -> int:
    """Mark where the first block of mail fields (From:, Sent:, To:, Subject:) starts, or the rule above it.

    Everything below it is history. Returns that line's index, the number of lines when there is no such block.
    """
    names = [
        field_name(line) if kind in {_Kind.TEXT, _Kind.MOBILE} and len(line) <= MAX_LINE else ""
        for line, kind in zip(lines, kinds, strict=True)
    ]
    index = 0
    while index < len(lines):
        if not names[index]:
            index += 1
            continue
        found, at, gap, has_address = {names[index]}, index + 1, 0, "@" in lines[index]
        while at < len(lines) and gap <= 2 and at - index < 16:
            if names[at]:
                found.add(names[at])
                has_address = has_address or "@" in lines[at]
                gap = 0
            elif kinds[at] is _Kind.EMPTY or kinds[at] in {_Kind.QUOTED, _Kind.CODE}:
                gap += 1 if len(found) < 3 else 3
            else:
                gap += 1  # the wrapped value of a field
            at += 1
        above = index - 1
        while above >= 0 and kinds[above] is _Kind.EMPTY and above > index - 3:
            above -= 1
        ruled = above >= 0 and kinds[above] in {_Kind.DASHES, _Kind.HISTORY}
        if not ruled and not has_address and above >= 0 and lines[above].rstrip().endswith((":", "：")):
            index = at  # "The app shows this:" and a block without any address: what is shown, not a mail
            continue
        subject = bool(found & phrases.SUBJECT_NAMES)
        if (len(found) >= 3 and (has_address or subject)) or (len(found) >= 2 and (ruled or (has_address and subject))):
            kinds[above if ruled else index] = _Kind.HISTORY
            return above if ruled else index
        index += 1
    return len(lines)


def field_name(line: str) -> str:
    match = phrases.HEADER_LINE.match(line)
    if match is None:
        return ""
    name = re.sub(r"\s+", " ", match[1]).strip(" *_").casefold()
    return name if name in phrases.HEADER_NAMES else ""


def _find_wrapped_quotes(lines: list[str], kinds: list[_Kind]) -> None:
    """A short line right below a long quoted one is its remainder, broken off by a mailer that wraps."""
    for index in range(1, len(lines)):
        if kinds[index] is _Kind.TEXT and kinds[index - 1] is _Kind.QUOTED and len(lines[index]) < 40:
            below = kinds[index + 1] if index + 1 < len(lines) else _Kind.EMPTY
            if len(lines[index - 1]) >= 66 and below is _Kind.QUOTED:
                kinds[index] = _Kind.QUOTED


def _is_told(lines: list[str], kinds: list[_Kind], index: int, below: int) -> bool:
    """A "Max <max@...> wrote:" below a greeting, without a date and a quote: a greeting alone is no answer, so the rest is the mail."""
    above = [line for line, kind in zip(lines[:index], kinds[:index], strict=True) if kind in _WRITTEN]
    heading = " ".join(line for line in lines[index:below])
    return len(above) == 1 and above[0].rstrip().endswith(",") and phrases.DATE.search(heading) is None


def _cut_history(lines: list[str], kinds: list[_Kind], labels: list[str]) -> int:
    """Label the history; return the index at which what remains ends."""
    count = len(kinds)
    written = next((at for at, kind in enumerate(kinds) if kind in _WRITTEN or kind is _Kind.MOBILE), count)
    count = next((at for at in range(written, count) if kinds[at] is _Kind.HISTORY), count)
    labels[count:] = ["h"] * (len(kinds) - count)
    _keep_answers(lines, kinds, labels, count, len(kinds))
    for index in range(count):
        if kinds[index] is not _Kind.HEADING or (index and kinds[index - 1] is _Kind.HEADING):
            continue
        below = index
        while below < count and kinds[below] in {_Kind.HEADING, _Kind.EMPTY}:
            below += 1
        quoted_below = below < count and kinds[below] is _Kind.QUOTED
        if index <= written:
            if quoted_below:
                _cut_quote_above(kinds, labels, index, count)
            return count
        if not quoted_below and _is_told(lines, kinds, index, below):
            continue
        if not quoted_below or not _answers_below(kinds, below, count, above=index):
            labels[index:count] = ["h"] * (count - index)
            _keep_answers(lines, kinds, labels, index, count)
            return index
        _shorten_quotes(lines, kinds, labels, below, count)
        return count  # answers between the quotes: the quotes are what they answer
    return count


def _is_written(kinds: list[_Kind], start: int, stop: int) -> bool:
    return any(kind in _WRITTEN or kind is _Kind.MOBILE for kind in kinds[start:stop])


def _answers_below(kinds: list[_Kind], start: int, stop: int, *, above: int) -> bool:
    """Does the sender go on writing below a quote, so that what stands there is new?"""
    tail, runs, previous = 0, 0, _Kind.QUOTED
    for index in range(start, stop):
        kind = kinds[index]
        if kind is _Kind.DASHES:
            break  # a signature or the footer of a list
        if kind in _WRITTEN:
            tail += 1
            runs += previous is _Kind.QUOTED
        if kind is not _Kind.EMPTY:
            previous = kind
    written_above = sum(kind in _WRITTEN for kind in kinds[:above])
    return tail >= MAX_TAIL or runs > 1 or (tail > 0 and written_above <= 1 and above <= 3)


def _keep_answers(lines: list[str], kinds: list[_Kind], labels: list[str], start: int, stop: int) -> None:
    """What the sender wrote between the quoted lines of a history is new, with the last lines above it that it answers."""
    if not any(kind is _Kind.QUOTED for kind in kinds[start:stop]):
        return
    at = kinds.index(_Kind.QUOTED, start)
    if any(kind in _WRITTEN for kind in kinds[start:at]):
        return  # a history without marks: what stands between marked lines in it is as old as the rest
    quoted: list[int] = []  # the filled lines of the stretch above
    while at < stop and kinds[at] in {_Kind.QUOTED, _Kind.EMPTY, *_WRITTEN}:
        if kinds[at] is _Kind.QUOTED:
            quoted += [at] if lines[at].strip("> ") else []
        elif kinds[at] in _WRITTEN:
            below = at
            while below < stop and kinds[below] in {_Kind.EMPTY, *_WRITTEN}:
                below += 1
            if quoted and below < stop and kinds[below] is _Kind.QUOTED and _is_answer(lines, quoted[-1], at):
                labels[quoted[-CONTEXT_LINES:][0] : below] = ["n"] * (below - quoted[-CONTEXT_LINES:][0])
            quoted, at = [], below
            continue
        at += 1


def _shorten_quotes(lines: list[str], kinds: list[_Kind], labels: list[str], start: int, stop: int) -> None:
    """Of a long stretch of quoted lines above an answer only the last ones say what is answered."""
    quoted: list[int] = []
    for at in range(start, stop):
        if kinds[at] is _Kind.QUOTED:
            quoted += [at] if lines[at].strip("> ") else []
        elif kinds[at] is not _Kind.EMPTY:
            if len(quoted) > MAX_QUOTED:
                labels[quoted[0] : quoted[-CONTEXT_LINES]] = ["h"] * (quoted[-CONTEXT_LINES] - quoted[0])
            quoted = []


def _is_answer(lines: list[str], quoted: int, index: int) -> bool:
    """Whether a line below a quoted one is no remainder of it, broken off by a mailer that wraps."""
    above = lines[quoted].rstrip()
    return index > quoted + 1 or above.endswith(("?", "？")) or (len(above) < 60 and above.endswith((".", "!", ":")))


def _cut_quote_above(kinds: list[_Kind], labels: list[str], index: int, count: int) -> None:
    """An answer below one quoted mail: the heading and the quote are history, unless answers stand in between."""
    last_quoted = max(at for at in range(index, count) if kinds[at] is _Kind.QUOTED)
    if _is_written(kinds, index, last_quoted) or not _is_written(kinds, last_quoted, count):
        return
    labels[: last_quoted + 1] = ["h"] * (last_quoted + 1)


def _cut_trailing_quote(kinds: list[_Kind], labels: list[str], end: int) -> int:
    """Quoted lines that end the mail are history even without a heading."""
    index = end
    while index > 0 and kinds[index - 1] in {_Kind.QUOTED, _Kind.EMPTY, _Kind.HEADING}:
        index -= 1
    if any(kind is _Kind.QUOTED for kind in kinds[index:end]) and _is_written(kinds, 0, index):
        labels[index:end] = ["h"] * (end - index)
        return index
    return end


def _parts_questions(lines: list[str], index: int, end: int) -> bool:
    """A line of dashes between empty lines, with a question below it, parts two things that are asked."""
    around = [lines[at].strip() for at in (index - 1, index + 1) if 0 <= at < end]
    return not any(around) and any(line.rstrip().endswith(("?", "？", "؟")) for line in lines[index:end])


def _cut_signature(lines: list[str], kinds: list[_Kind], labels: list[str], end: int) -> None:
    first = next((at for at in range(end) if kinds[at] in _WRITTEN and labels[at] == "n"), end)
    filled = sum(kind is not _Kind.EMPTY for kind in kinds[first:end])
    long_lines = sum(len(line) > 90 for line in lines[first:end])
    for index in range(first, end):
        filled -= kinds[index] is not _Kind.EMPTY
        long_lines -= len(lines[index]) > 90
        if kinds[index] is not _Kind.DASHES or labels[index] != "n":
            continue
        certain = _DASHES.match(lines[index]) is not None and not _parts_questions(lines, index, end)
        # A rule may also part two paragraphs: below it only what looks like a visiting card is a signature.
        card = filled <= 15 and long_lines <= 1 and not _parts_questions(lines, index, end)
        if filled <= MAX_SIGNATURE_LINES and (certain or card):
            labels[index:end] = ["s"] * (end - index)
            end = index
            break
    below = end
    while end > 0 and (kinds[end - 1] in {_Kind.EMPTY, _Kind.MOBILE} or labels[end - 1] != "n"):
        end -= 1
        if kinds[end] is _Kind.MOBILE and labels[end] == "n":
            labels[end:below] = ["s" if label == "n" else label for label in labels[end:below]]
            below = end

"""The details of what somebody asks for: a number, a colleague, a time, tags, a name. Read from their words alone."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from rapidfuzz import fuzz, process

from drafts.assistant.reader import PLACE

SURE, AHEAD = 0.85, 0.1  # how alike a name has to be, and how far ahead of the next one
MORNING = time(9)
_PARTS = {"morning": time(9), "noon": time(12), "midday": time(12), "lunch": time(12), "afternoon": time(14), "evening": time(18),
          "tonight": time(19), "früh": time(9), "vormittag": time(10), "mittag": time(12), "nachmittag": time(14),
          "abend": time(18), "tarde": time(15), "noche": time(20)}  # fmt: skip
_DAYS = (
    ("monday", "mon", "montag", "lunes"), ("tuesday", "tue", "tues", "dienstag", "martes"),
    ("wednesday", "wed", "mittwoch", "miércoles"), ("thursday", "thu", "thurs", "donnerstag", "jueves"),
    ("friday", "fri", "freitag", "viernes"), ("saturday", "sat", "samstag", "sonnabend", "sábado"), ("sunday", "sun", "sonntag", "domingo"),
)  # fmt: skip
_MONTHS = (
    ("january", "jan", "januar", "enero"), ("february", "feb", "februar", "febrero"), ("march", "mar", "märz", "marzo"),
    ("april", "apr", "abril"), ("may", "mai", "mayo"), ("june", "jun", "juni", "junio"), ("july", "jul", "juli", "julio"),
    ("august", "aug", "agosto"), ("september", "sep", "sept", "septiembre"), ("october", "oct", "oktober", "okt", "octubre"),
    ("november", "nov", "noviembre"), ("december", "dec", "dezember", "dez", "diciembre"),
)  # fmt: skip
_DAY_OF = {name: at for at, names in enumerate(_DAYS) for name in names}
_MONTH_OF = {name: at + 1 for at, names in enumerate(_MONTHS) for name in names}
_WORDS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "ten": 10,
          "einem": 1, "einer": 1, "ein": 1, "eine": 1, "zwei": 2, "drei": 3, "vier": 4, "un": 1, "una": 1, "dos": 2, "tres": 3,
          "half an": 0.5, "a couple of": 2, "a few": 3}  # fmt: skip
_UNITS = {
    "minute": timedelta(minutes=1), "min": timedelta(minutes=1), "minuten": timedelta(minutes=1), "minuto": timedelta(minutes=1),
    "hour": timedelta(hours=1), "hr": timedelta(hours=1), "stunde": timedelta(hours=1), "hora": timedelta(hours=1),
    "day": timedelta(days=1), "tag": timedelta(days=1), "tagen": timedelta(days=1), "día": timedelta(days=1),
    "week": timedelta(weeks=1), "woche": timedelta(weeks=1), "semana": timedelta(weeks=1), "fortnight": timedelta(weeks=2),
}  # fmt: skip
_AMOUNT = re.compile(
    rf"\b(?:in|for|after|für|nach|en|dentro de|por)\s+(?P<n>\d{{1,3}}|{'|'.join(sorted(_WORDS, key=len, reverse=True))})\s+(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))})(?:s|n|en)?\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?:\b(?:at|um|a las|by|until|till|bis)\s+)?\b(?P<h>\d{1,2})(?::(?P<m>\d{2}))?\s*(?P<half>am|pm|a\.m\.|p\.m\.|uhr|h|o'?clock)(?!\w)|\b(?P<h2>[01]?\d|2[0-3]):(?P<m2>[0-5]\d)\b"
    r"|\b(?:at|um|a las)\s+(?P<h3>\d{1,2})\b(?!\s*[:./-]\d)",
    re.IGNORECASE,
)
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_NAMED = re.compile(
    rf"\b(?:(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of |de )?(?P<m>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})"
    rf"|(?P<m2>{'|'.join(sorted(_MONTH_OF, key=len, reverse=True))})\s+(?P<d2>\d{{1,2}})(?:st|nd|rd|th)?)\b",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})?")
_NUMBER = re.compile(r"#(\d{1,9})\b|\b(?:number|no\.?|case|conversation|ticket|nummer|número|nr\.?|with|into|mit|con)\s+#?(\d{1,9})\b", re.IGNORECASE)  # fmt: skip
_REMOVE = re.compile(r"\b(?:untag|remove|take (?:off|away)|drop|delete|off|entfern\w*|quit\w*|ohne)\b", re.IGNORECASE)
_TAG_LEAD = re.compile(
    r"^.*?\b(?:untag|tag|label|mark)\w*(?: (?:it|this|that|the (?:case|conversation|ticket|thread)|them|him|her))?(?: (?:as|with|for|under|by|al[s]?|mit|como|con))?\s+(?:the tags? )?",
    re.IGNORECASE,
)
_TAG_NOISE = re.compile(
    r"\b(?:please|the|a|an|new|tags?|labels?|on|to|from|off|it|this|that|case|conversation|ticket|thread|so .*|because .*|bitte|das|die|den|und das|schlagwort|etiquetas?|la|el|por favor|called|named|with|as)\b",
    re.IGNORECASE,
)
_ME = re.compile(r"\b(?:me|myself|i|mir|mich|mí)\b", re.IGNORECASE)
_SPLIT = re.compile(r"\s*(?:,|;|\band\b|\bund\b|\by\b|&|\+)\s*", re.IGNORECASE)
_AFTER_TO = re.compile(r"\b(?:to|as|into|in|zu|auf|a|por)\s+(.+)$", re.IGNORECASE)
_BECAUSE = re.compile(
    r"(?:\b(?:because|since|as in|so that|about|for|saying|with the note|note|reason|weil|wegen|porque)\b:?|:|–|—| - )\s*(.+)$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Colleague:
    id: str
    name: str


def number(text: str) -> int | None:
    """The number of a conversation: #214, case 214."""
    found = _NUMBER.search(text)
    return int(found[1] or found[2]) if found else None


def people(text: str, colleagues: Sequence[Colleague], *, me: str = "") -> list[Colleague]:
    """Who is meant: one, several that are as likely, or nobody. A first name is enough where it is one person's."""
    words = re.findall(r"[\w'’-]+", text)
    scored: dict[str, float] = {}
    for colleague in colleagues:
        parts = colleague.name.split()
        forms = [colleague.name, *(part for part in parts if len(part) > 1)]
        best = 0.0
        for form in forms:
            length = len(form.split())
            spans = (" ".join(words[at : at + length]) for at in range(len(words) - length + 1))
            alike = max((_alike(form, span) for span in spans), default=0.0)
            best = max(best, alike + (AHEAD if length > 1 and alike >= SURE else 0))  # a whole name says more
        scored[colleague.id] = best
    top = max(scored.values(), default=0.0)
    if top < SURE:
        mine = [one for one in colleagues if one.id == me]
        return mine if mine and _ME.search(_without_verbs(text)) else []
    return [one for one in colleagues if top - scored[one.id] < AHEAD]


def _without_verbs(text: str) -> str:
    return re.sub(r"^.*?\b(?:to|an|zu|a)\b", "", text, count=1, flags=re.IGNORECASE)


def _alike(name: str, said: str) -> float:
    name, said = name.casefold(), said.casefold().removesuffix("'s").removesuffix("’s")
    return fuzz.ratio(name, said) / 100 if said[:1] == name[:1] else 0.0


def moment(text: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When, in the person's time zone: never in the past. None for no time, or one that is over."""
    here = now.astimezone(zone)
    amount = _AMOUNT.search(text)
    if amount:
        count = _WORDS.get(amount["n"].casefold()) or int(amount["n"])
        return now + count * _UNITS[amount["unit"].casefold()]
    day, clock = _day(text, here), _clock(text)
    if day is None and clock is None:
        return None
    part = next((at for word, at in _PARTS.items() if re.search(rf"\b{word}\b", text, re.IGNORECASE)), None)
    at = datetime.combine(day or here.date(), clock or part or MORNING, zone)
    if day is None and at <= here:
        at += timedelta(days=1)  # "at 9", said at 10
    return at if at > here else None


def _day(text: str, here: datetime) -> date | None:
    low, today = text.casefold(), here.date()
    if found := _ISO.search(text):
        return _date(int(found[1]), int(found[2]), int(found[3]))
    if found := _NAMED.search(text):
        month = _MONTH_OF[(found["m"] or found["m2"]).casefold()]
        return _next(today, month, int(found["d"] or found["d2"]))
    if found := _DOTTED.search(text):
        if found[3]:
            return _date(int(found[3]), int(found[2]), int(found[1]))
        return _next(today, int(found[2]), int(found[1]))
    if re.search(r"\b(?:day after tomorrow|übermorgen|pasado mañana)\b", low):
        return today + timedelta(days=2)
    if re.search(r"\b(?:tomorrow|tmrw|morgen|mañana)\b", low):
        return today + timedelta(days=1)
    named = re.search(
        rf"\b(?P<next>next |nächste[nrs]? |kommende[nrs]? |próximo )?(?P<day>{'|'.join(_DAY_OF)})s?\b", low
    )
    if named:
        ahead = (_DAY_OF[named["day"]] - today.weekday()) % 7 or 7
        return today + timedelta(days=ahead)
    if re.search(r"\b(?:next week|nächste[rn]? woche|(?:la )?próxima semana|la semana que viene)\b", low):
        return today + timedelta(days=7 - today.weekday())
    if re.search(r"\b(?:next month|nächste[nr]? monat|próximo mes)\b", low):
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    if re.search(r"\b(?:end of (?:the |this )?week|wochenende?)\b", low):
        return today + timedelta(days=(4 - today.weekday()) % 7 or 7)
    if re.search(
        r"\b(?:today|tonight|this (?:morning|afternoon|evening)|later|heute|hoy|esta (?:tarde|noche)|end of (?:the )?day)\b",
        low,
    ):
        return today
    return None


def _clock(text: str) -> time | None:
    if re.search(r"\bend of (?:the )?day\b", text, re.IGNORECASE):
        return time(17)
    for found in _CLOCK.finditer(text):
        hour = int(found["h"] or found["h2"] or found["h3"])
        minute, half = int(found["m"] or found["m2"] or 0), (found["half"] or "").casefold()
        if half.startswith("p") and hour < 12:
            hour += 12
        elif half.startswith("a") and hour == 12:
            hour = 0
        if hour < 24 and minute < 60:
            return time(hour, minute)
    return None


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _next(today: date, month: int, day: int) -> date | None:
    found = _date(today.year, month, day)
    return found if found and found >= today else _date(today.year + 1, month, day)


def tags(words: str, quoted: Sequence[str], known: Iterable[str]) -> tuple[list[str], list[str]]:
    """(to give, to take off), by the account's names where one is meant; others as they were said."""
    lead = _REMOVE.search(words)
    names = {name.casefold(): name for name in known}
    rest = _TAG_LEAD.sub("", words, count=1)
    said = [quoted[int(at)] for at in PLACE.findall(rest) if int(at) < len(quoted)]
    plain = PLACE.sub(" ", rest)
    if any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", words, re.IGNORECASE) for name in names):
        plain = PLACE.sub(" ", words)  # "take the fuel tag off"
    for name in sorted(names, key=len, reverse=True):
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", plain, re.IGNORECASE):
            said.append(names[name])
            plain = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", ",", plain, flags=re.IGNORECASE)
    if not said:
        bare = re.sub(r"^.*?\b(?:add|put|set|attach|give|apply|remove|drop|delete|take off|take)\b", "", plain, count=1, flags=re.IGNORECASE)  # fmt: skip
        said = [_TAG_NOISE.sub("", part).strip(" .!?") for part in _SPLIT.split(bare)]
    found = list(dict.fromkeys(_folded(one, names) for one in said if 0 < len(one) <= 40))
    return ([], found) if lead else (found, [])


def _folded(said: str, names: dict[str, str]) -> str:
    near = process.extractOne(said.casefold(), list(names), scorer=fuzz.ratio, score_cutoff=85)
    return names[near[0]] if near else said


def name(words: str, quoted: Sequence[str]) -> str:
    """What somebody is called from now on: what is quoted, else what stands behind "to"."""
    if quoted:
        return quoted[0]
    found = _AFTER_TO.search(words) or re.search(r"\bcall (?:the customer|him|her|them) (.+)$", words, re.IGNORECASE)
    said = found[1].strip(" .!?") if found else ""
    return said if said and re.search(r"[^\W\d]", said) and not re.fullmatch(r"(?:the|his|her|their)? ?(?:customer|name)", said) else ""  # fmt: skip


def reason_given(words: str, quoted: Sequence[str]) -> str:
    """Why, in the person's words: what is quoted, else what stands behind "because" or a colon."""
    if quoted:
        return quoted[0]
    found = _BECAUSE.search(words)
    return found[1].strip(" .!") if found else ""


def closing_reason(words: str) -> str:
    """One of the desk's own reasons, as people say them."""
    for reason, pattern in (
        ("answered_elsewhere", r"answered|phone|called|elsewhere|told (?:him|her|them)|by (?:mail|chat)|anderswo|telefon|otro lado"),
        ("not_needed", r"no longer|not need|does ?n[o']t need|thank|spam|nothing to|never ?mind|solved (?:it )?(?:him|her|them)sel|erledigt|nicht mehr|ya no"),
        ("goes_on", r"goes on|continue|another (?:case|conversation|ticket)|other (?:case|conversation|ticket)|duplicate|woanders|otr[ao] (?:caso|conversación)"),
    ):  # fmt: skip
        if re.search(rf"\b(?:{pattern})", words, re.IGNORECASE):
            return reason
    return ""

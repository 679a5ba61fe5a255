"""Finding conversations: words in their messages, files and customers, and operators, in two statements.

The database keeps the words and reads the question (docs/decisions/0038); here it is taken apart. Nothing of what was typed is
silently left out: what is not understood is said.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, tzinfo

from django.contrib.postgres.search import SearchQuery, SearchQueryCombinable
from django.db import connection
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast

from conversations.models import Attachment, Channel, Conversation, ConversationTag, Delivery, Message

PROBED = 200  # newest conversations that tell how common words are
LOOKED_UP = 200  # newest conversations that are taken from the index at once; a page shows fifty
MAX_CHARS, MAX_TERMS = 200, 12
_TOKEN = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+))?')
_THOUSANDS = re.compile(r"(?<![\w#:.-])\d{1,3}(?:\s\d{3})+(?!\w)")
_IS = {
    "pending": "a draft waits for a decision",
    "open": "open",
    "owed": "owed an answer without a draft",
    "snoozed": "snoozed",
    "waiting": "waiting for the customer",
    "closed": "closed",
    "sent": "a reply was sent",
    "archived": "archived",
    "automatic": "automatic",
}
#: For the help under the box: what to write, and what it finds.
EXAMPLES = (
    ("from:dana", "who wrote"),
    ("to:support@", "who was written to"),
    ("channel:email", "where"),
    ("is:pending", "or open, owed, snoozed, waiting, closed, sent, archived, automatic"),
    ("has:attachment", "with a file"),
    ("tag:vip", "with a tag"),
    ("after:2026-01-31", "and before:"),
    ("#12", "by number"),
    ("regul", "what begins so; capitals and accents count for nothing"),
    ('"both words"', "exactly these, side by side"),
    ("-word", "without it"),
)
OPERATORS = ("from", "to", "channel", "is", "has", "tag", "before", "after")


@dataclass(frozen=True, slots=True)
class Term:
    text: str
    phrase: bool = False
    negative: bool = False


@dataclass(slots=True)
class Question:
    """What was asked for. `problems` are sentences on what was not understood, for the person who typed it."""

    terms: list[Term] = field(default_factory=list)
    conditions: list[Q] = field(default_factory=list)
    number: int | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def words(self) -> list[Term]:
        return [term for term in self.terms if not term.negative]


def parse(text: str, zone: tzinfo) -> Question:
    """Words, "phrases", -not, #number and `operator:value`; days of `before:` and `after:` are days of `zone`."""
    out = Question()
    text = text.replace("\x00", "")
    if len(text) > MAX_CHARS:
        out.problems.append(f"Only the first {MAX_CHARS} characters were looked for.")
        text = text[:MAX_CHARS]
    text = _THOUSANDS.sub(lambda number: re.sub(r"\s", ",", number[0]), text)  # one number, not several words
    for minus, name, quoted, plain in _TOKEN.findall(text):
        value = quoted or plain
        if not (name or value):
            continue
        if name and not plain.startswith("//") and not plain.isdecimal():
            _operator(out, name.lower(), value, zone, negative=bool(minus))
            continue
        word = f"{name}:{value}" if name else value
        if not quoted and not minus and re.fullmatch(r"#\d{1,9}", word):
            out.number = int(word[1:])
        elif any(c.isalnum() for c in word):
            out.terms.append(Term(word, phrase=bool(quoted), negative=bool(minus)))
    if len(out.terms) > MAX_TERMS:
        out.problems.append(f"Only the first {MAX_TERMS} words were looked for.")
        out.terms = out.terms[:MAX_TERMS]
    if out.terms and not out.words and not out.conditions and out.number is None:
        out.problems.append("A search needs something to find beside what to leave out. Add a word.")
        out.terms = []
    return out


def plain_terms(text: str) -> list[Term]:
    """The terms of a box of words, where `operator:value` is a word like any other."""
    terms = [
        Term(quoted or plain, phrase=bool(quoted), negative=bool(minus))
        for minus, name, quoted, value in _TOKEN.findall(text.replace("\x00", "")[:MAX_CHARS])
        for plain in [f"{name}:{value or quoted}" if name else value]
    ]
    return [term for term in terms if any(sign.isalnum() for sign in term.text)][:MAX_TERMS]


def words_query(text: str) -> SearchQueryCombinable | None:
    """What somebody typed into a box of words, for a column of English lexemes; None if there is no word to look for.

    Words are all wanted, "words in quotes" in this order, -words not. `operator:value` is a word here.
    """
    query: SearchQueryCombinable | None = None
    for term in plain_terms(text):
        one = SearchQuery(term.text, config="english", search_type="phrase", invert=term.negative)
        query = one if query is None else query & one
    return query


def _operator(out: Question, name: str, value: str, zone: tzinfo, *, negative: bool) -> None:
    builder = _BUILDERS.get(name)
    if builder is None:
        out.problems.append(f"There is no “{name}:”. Known are {', '.join(f'{o}:' for o in OPERATORS)} and #number.")
        return
    found = builder(value, zone) if value else None
    if found is None:
        out.problems.append(f"“{name}:{value}” was not understood: {_HELP[name]}.")
        return
    out.conditions.append(~found if negative else found)


def _from(value: str, zone: tzinfo) -> Q | None:
    return Q(customer_email__icontains=value) | Q(customer_name__icontains=value)


def _to(value: str, zone: tzinfo) -> Q | None:
    written = Message.objects.filter(conversation=OuterRef("pk")).annotate(
        recipients=Cast("metadata__to", TextField()), copies=Cast("metadata__cc", TextField())
    )
    answered = Delivery.objects.filter(conversation=OuterRef("pk")).annotate(to=Cast("envelope__to", TextField()))
    return (
        Q(channel__external_id__icontains=value)
        | Q(Exists(written.filter(Q(recipients__icontains=value) | Q(copies__icontains=value))))
        | Q(Exists(answered.filter(to__icontains=value)))
    )


def _channel(value: str, zone: tzinfo) -> Q | None:
    if value.lower() in Channel.Type.values:
        return Q(channel__type=value.lower())
    return Q(channel__name__icontains=value)


def _is(value: str, zone: tzinfo) -> Q | None:
    match value.lower():
        case "pending":
            # This app knows drafts only as data.
            drafts = Conversation._meta.get_field("drafts").related_model
            return Q(Exists(drafts._default_manager.filter(conversation=OuterRef("pk"), status="pending")))  # type: ignore[union-attr]
        case "open":
            return Q(status=Conversation.Status.OPEN)
        case "owed" | "snoozed" | "waiting" as word:  # the lists of these names
            return Q(pk__in=getattr(Conversation.objects, word)().values("pk"))
        case "closed":
            return Q(status=Conversation.Status.CLOSED)
        case "sent":
            out = Delivery.objects.filter(conversation=OuterRef("pk"), status__in=["sent", "delivered", "bounced"])
            return Q(Exists(out))
        case "automatic":
            return AUTOMATIC
        case "archived":
            return Q(is_archived=True) | Q(archived_at__isnull=False)
    return None


#: Nobody but machines has written: away notices, bounces, announcements. No draft was asked for.
AUTOMATIC = Q(last_inbound_message__isnull=True) & Q(
    Exists(Message.objects.filter(conversation=OuterRef("pk"), is_automatic=True))
)


def _has(value: str, zone: tzinfo) -> Q | None:
    if value.lower() not in {"attachment", "attachments", "file", "files"}:
        return None
    return Q(Exists(Attachment.objects.filter(message__conversation=OuterRef("pk"), is_inline=False)))


def _tag(value: str, zone: tzinfo) -> Q | None:
    return Q(Exists(ConversationTag.objects.filter(conversation=OuterRef("pk"), tag__name__iexact=value)))


def _day(value: str, zone: tzinfo) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(value), time(), zone)
    except (ValueError, OverflowError):
        return None


def _before(value: str, zone: tzinfo) -> Q | None:
    day = _day(value, zone)
    return Q(last_message_at__lt=day) if day else None


def _after(value: str, zone: tzinfo) -> Q | None:
    day = _day(value, zone)
    return Q(last_message_at__gte=day) if day else None


_BUILDERS: dict[str, Callable[[str, tzinfo], Q | None]] = {
    "from": _from,
    "to": _to,
    "channel": _channel,
    "is": _is,
    "has": _has,
    "tag": _tag,
    "before": _before,
    "after": _after,
}
_HELP = {
    "from": "write a name or an address",
    "to": "write an address",
    "channel": "write email, chat, shopify, slack or a channel's name",
    "is": f"write {', '.join(_IS)}",
    "has": "write attachment",
    "tag": "write a tag",
    "before": "write a day as 2026-01-31",
    "after": "write a day as 2026-01-31",
}


def find(
    conversations: QuerySet[Conversation], question: Question, *, before: datetime | None = None
) -> QuerySet[Conversation]:
    """`conversations` narrowed to what was asked, its order and columns left alone. One statement here, for the words.

    A conversation is found when each word is in its messages, its files' names or its customer's name, address or subject,
    and none of those that are not wanted is. `before` is the time of the last conversation already shown.
    """
    for condition in question.conditions:
        conversations = conversations.filter(condition)
    if question.number is not None:
        conversations = conversations.filter(number=question.number)
    if not question.terms:
        return conversations
    wanted, unwanted, newest, since = _newest(question.terms, before)
    found = Q(pk__in=newest)
    if since:
        found |= Q(last_message_at__lte=since) & Q(Holds(wanted, unwanted))  # in this order: asking costs
    return conversations.filter(found)


class Questions(Func):
    template = "%(expressions)s::tsquery[]"


class Holds(Func):
    """Whether a conversation holds each of the wanted words, and none of the unwanted."""

    function = "conversation_holds"
    output_field = BooleanField()

    def __init__(self, wanted: str, unwanted: str) -> None:
        super().__init__(F("pk"), Questions(Value(wanted)), Questions(Value(unwanted)))


def _newest(terms: list[Term], before: datetime | None) -> tuple[str, str, list[uuid.UUID], datetime | None]:
    """The wanted and the unwanted words as the database reads them, the newest conversations that hold them, and where one
    older than these may, since when."""
    # A tie in time with the last one shown must not be lost.
    until = before + timedelta(microseconds=1) if before else None
    words, phrases, refused = ([getattr(term, name) for term in terms] for name in ("text", "phrase", "negative"))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT wanted::text, unwanted::text, holding, since FROM search_conversations(%s, %s, %s, %s, %s, %s)",
            [words, phrases, refused, until, PROBED, LOOKED_UP],
        )
        found: tuple[str, str, list[uuid.UUID], datetime | None] = cursor.fetchone()
    return found

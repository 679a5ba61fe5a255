"""What the persona and the score read out of a reply: phrases, questions, promises, greetings. English, German, Spanish."""

from __future__ import annotations

import re
from functools import lru_cache

from drafts.writing.sentences import Sentence, split_sentences

#: How a request begins that is no question: "Please send us the order number."
_REQUEST = re.compile(
    r"^(?:\W*(?:and|so|then|also|und|dann|y)\W+)?(?:please|kindly|(?:could|can|would|will) you|let (?:me|us) know|tell (?:me|us)"
    r"|send (?:me|us)|give (?:me|us)|i(?:'d| would)? need|we(?:'d| would)? need|bitte|k(?:ö|oe)nn(?:en|ten) sie|teilen sie|nennen sie"
    r"|senden sie|schicken sie|sagen sie|wir (?:brauchen|ben(?:ö|oe)tigen)|por favor|d(?:í|i)ganos|d(?:í|i)game|env(?:í|i)e(?:nos)?"
    r"|ind(?:í|i)que(?:nos)?|necesit(?:o|amos)|puede|podr(?:í|i)a)\b|\bplease\b|\bbitte\b|\bpor favor\b",
    re.IGNORECASE,
)
_GREETING = re.compile(
    r"^\s*(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|hallo|guten (?:tag|morgen|abend)|moin|liebe[rs]?|sehr geehrte[rs]?"
    r"|hola|buen(?:os|as) (?:d[ií]as|tardes|noches)|estimad[oa]s?|querid[oa]s?)\b[^\n]*",
    re.IGNORECASE,
)
_PROMISE = re.compile(
    r"\b(?:guarantee[ds]?|promis(?:e[ds]?|ing)|garantier(?:en|t|e)|versprech(?:en|e)|verspricht|garantiza(?:mos|do)?|prometemos)\b"
    r"|\b(?:we|i|you|it|they|your \w+(?: \w+)?)(?:['’]ll| will| have| has|['’]ve| am|['’]m| are|['’]re| is)\b"
    r"|\b(?:is on (?:its|the) way|today|tomorrow)\b"
    r"|\b(?:wir|ich|sie) (?:werden|werde|haben|habe|erstatten|erstatte|ersetzen|bekommen|erhalten)\b|\b(?:heute|morgen)\b"
    r"|\b(?:le|les) (?:devolveremos|reembolsaremos|enviaremos|hemos)\b|\b(?:hemos|recibir[áa]|hoy|ma[ñn]ana)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"\b(?:once|after|if|as soon as|when|unless|until|whether|cannot|can ?not|can['’]t|not yet|sobald|nachdem|wenn|falls|erst|ob|nicht"
    r"|una vez|despu[ée]s|cuando|si|hasta|en cuanto|no)\b",
    re.IGNORECASE,
)
#: What a promise is about where the rubric does not say.
PROMISED = ("refund", "money", "replacement", "credit", "discount", "compensation", "Erstattung", "Geld", "Ersatz", "Gutschrift",
            "Rabatt", "reembolso", "dinero", "reemplazo", "descuento", "compensación")  # fmt: skip


@lru_cache(maxsize=512)
def _pattern(phrase: str) -> re.Pattern[str]:
    words = r"[\s\-]+".join(re.escape(word) for word in re.split(r"[\s\-]+", phrase))
    ends = r"(?:e?s|ed|ing|n|en)?" if phrase[-1:].isalpha() else ""
    return re.compile(rf"(?<!\w){words}{ends}(?!\w)", re.IGNORECASE)


def find(phrase: str, text: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
    """Where the text first has the phrase, as whole words, whatever its case and its last letters ("refund", "refunded")."""
    found = _pattern(phrase).search(text, start, len(text) if end is None else end)
    return found.span() if found else None


def requests(text: str) -> list[Sentence]:
    """The sentences that want something of the customer: questions, and what begins like one."""
    found = (one for one in split_sentences(text))
    return [one for one in found if one.text.rstrip().endswith("?") or _REQUEST.search(one.text)]


def asked(phrase: str, text: str) -> tuple[int, int] | None:
    """The sentence of the text that asks for it."""
    return next(((one.start, one.end) for one in requests(text) if find(phrase, text, one.start, one.end)), None)


def greeting(text: str) -> tuple[int, int] | None:
    found = _GREETING.search(text)
    return (found.start() + len(found[0]) - len(found[0].lstrip()), found.end()) if found else None


def promises(text: str, about: tuple[str, ...]) -> list[tuple[int, int]]:
    """The sentences that promise one of these things outright."""
    return [(one.start, one.end) for one in _about(text, about) if _PROMISE.search(one.text) and not _is_careful(one)]


def careful(text: str, about: tuple[str, ...]) -> list[tuple[int, int]]:
    """The sentences that speak of them and make it depend on something."""
    return [(one.start, one.end) for one in _about(text, about) if _is_careful(one)]


def _about(text: str, about: tuple[str, ...]) -> list[Sentence]:
    return [one for one in split_sentences(text) if any(find(word, one.text) for word in about)]


def _is_careful(sentence: Sentence) -> bool:
    return sentence.text.rstrip().endswith("?") or _CONDITION.search(sentence.text) is not None

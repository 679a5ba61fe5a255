"""Which sentences of a text say something, and which passages really say it too.

The check does not trust who wrote the text: a statement keeps a source only if the words of that source bear it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Any

from drafts.diffing import render_ops
from drafts.writing.frames import ENGLISH, HOLDING, SAID_OF_NOBODY
from drafts.writing.markdown import NAME_ENDS, Kind, Line, lines_of, plain_text
from drafts.writing.port import Source, Statement
from drafts.writing.sentences import Sentence, split_sentences
from ingestion.knowledge.words import terms

ENOUGH_SHARED = 0.8
"""The share of a sentence's meaningful words that one or two neighbouring sentences of a passage must have."""

_NUMBER = re.compile(r"\d+(?:[.,/]\d+)*")
_NEGATED = re.compile(r"\b(?:not|no|never|none|nothing|neither|nor|cannot|without|\w+n['’]t|non(?=-))\b", re.IGNORECASE)
_MONEY = re.compile(r"[$€£¥]\s?\d|\d\s?(?:[$€£¥]|USD|EUR|GBP|dollars?|euros?)\b", re.IGNORECASE)
_TRAILING_SIGNS = re.compile(r"[^\w.!?？,…]+$")  # an emoji after "Have a great day!" says no more than that

# A courtesy says nothing that could be wrong. Whole sentences only: "Happy to help, your refund is on its way" does.
_COURTESIES = [
    r"(?:hi|hello|hey|dear|good (?:morning|afternoon|evening)|bonjour|bonsoir|hola|hallo|guten (?:tag|morgen)|liebe[r]?"
    r"|sehr geehrte[r]?|ciao|buongiorno|ol[áa]|hei|hej)(?: [^\s,!?]+){0,3}[,.!]?",
    r"(?:many )?thanks?(?: you)?(?: so much| very much| again)?(?: for (?:getting in touch|reaching out|writing(?: in)?"
    r"|asking|waiting|letting us know|your (?:message|question|e-?mail|patience|note|order|photos?|reply)))?[.!]?",
    r"(?:i|we)(?:['’]m| am|['’]re| are) (?:really |very |so )?sorry(?: about (?:that|this|the (?:trouble|wait|mix-up))"
    r"| to hear (?:that|this)| for (?:that|the (?:trouble|wait|delay|mix-up)))?[.!]?",
    r"(?:please )?(?:let (?:us|me) know|just (?:reply|ask))(?: if (?:you have (?:any )?(?:other |more |further )?questions"
    r"|(?:anything|something) is(?: still)? unclear|there is anything else|this does not answer (?:it|your question)))?[.!]?",
    r"(?:if you (?:have|need) (?:any )?(?:other |more |further |additional )?(?:questions?|help|assistance|clarification|concerns?)"
    r"(?: or (?:questions?|help|assistance|clarification|concerns?))?,? )?(?:please )?(?:(?:do not|don['’]t) hesitate to"
    r"|feel free to|just) (?:ask|(?:contact|reach out to|write to|reply to|let) (?:me|us)(?: know)?|reach out|reply|write)"
    r"(?: (?:again|any ?time))?[.!]?",
    r"if you (?:have|need) (?:any )?(?:other |more |further |additional )?(?:questions?|help|assistance|clarification|concerns?)"
    r"(?: or (?:questions?|help|assistance|clarification|concerns?))?,? (?:please )?(?:let (?:me|us) know|ask|reply)[.!]?",
    r"(?:i|we) hope (?:this|that) helps[.!]?",
    r"(?:(?:i|we)(?:['’]d| would|['’]ll| will) be )?(?:happy|glad) to (?:help|assist)(?: you)?(?: further)?"
    r"(?: with any (?:other |further |more )?(?:questions?|concerns?)(?: you (?:may |might )?have)?)?[.!]?",
    r"(?:have a (?:great|nice|good) (?:day|week|weekend|one))[.!]?",
    r"(?:best|kind|warm)(?: regards| wishes)?[,.]?|(?:regards|sincerely|cheers|yours)[,.]?|all the best[,.]?"
    r"|(?:mit )?(?:freundlichen|besten|viele|beste|liebe) gr(?:ü|ue)(?:ß|ss)en?[,.]?|(?:bien )?cordialement[,.]?"
    r"|(?:un )?saludos?(?: cordial(?:es)?)?[,.]?|cordiali saluti[,.]?|med vennlig hilsen[,.]?",
]
_CLOSING = re.compile(_COURTESIES[-1], re.IGNORECASE)
_NAME_WORDS = frozenset({"at", "from", "the", "and", "of", "team", "de", "van", "von", "der", "da"})
_COURTESY = re.compile("|".join(f"(?:{pattern})" for pattern in _COURTESIES), re.IGNORECASE)

#: What a holding reply says: that a person will answer, and nothing else.
NOT_FOUND, PARTLY_FOUND, PASSED_ON = ENGLISH.not_found, ENGLISH.partly_found, ENGLISH.passed_on
HOLDING_SENTENCES = HOLDING


def factual_sentences(text: str) -> list[Sentence]:
    """The sentences that state something: all but greetings, courtesies, questions and the sign-off at the end."""
    found = [sentence for sentence in split_sentences(text) if not is_courtesy(sentence.text)]
    sign_off = _sign_off_start(text)
    return [sentence for sentence in found if sentence.start < sign_off]


def is_courtesy(sentence: str) -> bool:
    """True for a sentence that claims nothing: a greeting, thanks, a question, the holding reply."""
    plain = _TRAILING_SIGNS.sub("", " ".join(sentence.split()).strip("*_ "))
    if not any(sign.isalnum() for sign in plain) or plain in HOLDING_SENTENCES | SAID_OF_NOBODY:
        return True
    if plain.endswith(("?", "？")):  # a question states nothing, unless it is a statement in disguise
        return not _MONEY.search(plain) and not plain.casefold().startswith(("did you know", "do you know that"))
    return _COURTESY.fullmatch(plain) is not None


def check_statements(text: str, statements: Iterable[Statement], sources: Sequence[Source]) -> tuple[Statement, ...]:
    """One statement for each factual sentence of ``text``, in order, with the sources that bear it.

    A named source keeps its place only if it holds the sentence, or nearly all of its words with the same numbers and
    no other "not". Where none of those named does, the first other one that does takes their place: small models miscount.
    A sentence that no source bears becomes a statement without sources.
    """
    by_id = {source.passage_id: source for source in sources}
    given = list(statements)
    checked: list[Statement] = []
    for sentence in factual_sentences(text):
        named: dict[Any, Source] = {}
        for statement in given:
            if statement.start < sentence.end and sentence.start < statement.end:
                named |= {key: by_id[key] for key in statement.source_ids if key in by_id}
        borne = tuple(key for key, source in named.items() if supports(sentence.text, source.text))
        if not borne:
            others = (source for source in sources if source.passage_id not in named)
            borne = tuple(islice((each.passage_id for each in others if supports(sentence.text, each.text)), 1))
        checked.append(Statement(sentence.start, sentence.end, borne))
    return tuple(checked)


def supports(sentence: str, passage: str) -> bool:
    """Whether the passage says the sentence: word for word, or with nearly all words of two neighbouring sentences."""
    wanted = normalised(sentence).rstrip(".!")
    if not any(sign.isalnum() for sign in wanted):
        return False
    literal = re.compile(rf"(?<![\w-]){re.escape(wanted)}(?!\w)")
    words, figures = set(terms(plain_text(sentence))), numbers(wanted)
    # A "not" is counted below. Among the words it would make a neighbour that has one the closer of the two.
    meant = set(terms(_NEGATED.sub(" ", plain_text(sentence))))
    is_told = bool(meant) and len(words) >= 3
    lines = lines_of(passage)
    foreign = _foreign_rows(wanted, lines)
    said = [
        (line.kind, normalised(part.text))
        for line in lines
        if line not in foreign
        for part in split_sentences(line.text)
    ]
    parts = [text for _, text in said]
    # Not of a table: one row's name with another's price is a statement that nobody made.
    pairs = [f"{a} {b}" for (kind, a), (other, b) in pairwise(said) if Kind.ROW not in (kind, other)]
    for near in (parts, pairs):
        close = [
            text
            for text in near
            if literal.search(text) or (is_told and len(meant & set(terms(text))) >= ENOUGH_SHARED * len(meant))
        ]
        if close:
            # Judged by the closest alone: a neighbour must not lend the "not", or the number, that is missing here.
            return any(figures <= numbers(text) and negations(text) == negations(wanted) for text in close)
    return False


def _foreign_rows(sentence: str, lines: Sequence[Line]) -> set[Line]:
    """The rows of tables that a sentence is not about, however many words it shares with them.

    "Rubber: size -8, 12 per foot" has four words of five of the row "PTFE – size: -8; price: 12 per foot", and is false.
    """
    rows = {line: line.text.partition(NAME_ENDS) for line in lines if line.kind is Kind.ROW and NAME_ENDS in line.text}
    said = set(terms(sentence))
    named = said & {word for name, _, _ in rows.values() for word in terms(name)}
    return {
        row
        for row, (name, _, values) in rows.items()
        if sentence not in [normalised(part.text).rstrip(".!") for part in split_sentences(row.text)]
        and (
            not named <= set(terms(row.text))  # another row's name
            or not (said & set(terms(name)) or not terms(name))  # no name, or one that is in no row of this passage
            or _has_another_value(sentence, values)
        )
    }


def _has_another_value(sentence: str, values: str) -> bool:
    """Whether a figure right behind a column's name ("size 12") is not what the row has there."""
    for each in values.split("; "):
        name, colon, value = each.partition(": ")
        figure = rf"(?<!\w){re.escape(normalised(name))}(?!\w)\s*(?:is|of|are|[:=])?\s*[^\w\s]?({_NUMBER.pattern})"
        if colon and any(found not in numbers(value) for found in re.findall(figure, sentence)):
            return True
    return False


def numbers(text: str) -> set[str]:
    """As they are written: "1,500" and "1500" are two."""
    return set(_NUMBER.findall(text))


def negations(text: str) -> int:
    """How many words of it deny something (English)."""
    return len(_NEGATED.findall(text))


def rebase_statements(statements: Iterable[Statement], ops: dict[str, Any], *, source: str) -> tuple[Statement, ...]:
    """The statements of the edited text, given those of ``source`` and the edit as ``diffing.diff_ops`` made it.

    A sentence that stands in the edited text exactly as before, untouched up to its own ends, keeps its sources.
    Every other factual sentence is a statement without sources. Raises diffing.ReplayError when the edit is another's.
    """
    stretches: list[tuple[int, int, int]] = []  # (start and end in the new text, how far it moved)
    before = after = 0
    pieces: list[str] = []
    for kind, piece in render_ops(ops, source):
        if kind == "same":
            stretches.append((after, after + len(piece), before - after))
        before += len(piece) if kind != "ins" else 0
        after += len(piece) if kind != "del" else 0
        pieces.append(piece if kind != "del" else "")
    old_sentences = {(sentence.start, sentence.end) for sentence in split_sentences(source)}
    given = list(statements)
    rebased: list[Statement] = []
    for sentence in factual_sentences("".join(pieces)):
        sources: dict[Any, None] = {}
        for start, end, moved in stretches:
            span = (sentence.start + moved, sentence.end + moved)
            if start <= sentence.start and sentence.end <= end and span in old_sentences:
                for statement in given:
                    if statement.start <= span[0] and span[1] <= statement.end:
                        sources |= dict.fromkeys(statement.source_ids)
        rebased.append(Statement(sentence.start, sentence.end, tuple(sources)))
    return tuple(rebased)


def unsourced(statements: Iterable[Statement]) -> int:
    """How many statements no passage bears."""
    return sum(1 for statement in statements if not statement.source_ids)


def normalised(text: str) -> str:
    """For comparing word for word: no markup, one kind of quote and blank, no case."""
    plain = unicodedata.normalize("NFKC", plain_text(text)).casefold()  # NFKC makes U+2011 the hyphen U+2010
    for fancy, simple in (("’", "'"), ("‘", "'"), ("“", '"'), ("”", '"'), ("–", "-"), ("—", "-"), ("‐", "-")):
        plain = plain.replace(fancy, simple)
    return " ".join(plain.split())


def _sign_off_start(text: str) -> int:
    """Where the sign-off begins: names on the last lines, alone in their paragraph or under "Best regards,"."""
    paragraph = text.rstrip().rfind("\n\n") + 2
    if paragraph < 2:
        return len(text)
    lines = [line.strip() for line in text[paragraph:].strip().split("\n")]
    closed = bool(lines) and _CLOSING.fullmatch(lines[0]) is not None
    names = lines[1:] if closed else lines
    if len(names) <= 3 and all(_is_name(line, digits=closed) for line in names):
        return paragraph
    return len(text)


def _is_name(line: str, *, digits: bool) -> bool:
    # Capitals tell "Tess at Hot Rod AN" from "Refund granted in full", which is a claim wherever it stands.
    words = [word.strip(",.&|-–—") for word in line.split()]
    return (
        len(words) <= 6
        and not line.endswith((".", "!", "?", ":"))
        and (digits or not any(sign.isdigit() for sign in line))
        and all(not word or word[0].isupper() or word[0].isdigit() or word in _NAME_WORDS for word in words)
    )

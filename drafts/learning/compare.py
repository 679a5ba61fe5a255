"""Whether a reply says something else than the approved answer: statement by statement, however alike the words are.

Two texts that differ by one "not" or one digit share 95 % of their words. What decides here is the statement of the
answer on the same matter: another number in it, a "not" more or less, a promise that neither it nor a source makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from drafts.writing.port import Statement
from drafts.writing.statements import factual_sentences, negations, normalised, numbers, supports
from ingestion.knowledge.words import terms

SAME_MATTER = 0.6  # of the meaningful words of the shorter of two statements
MIN_WORDS = 2  # a statement of fewer meaningful words is on no particular matter
#: Words with which a reply binds whoever sends it.
_PROMISE = re.compile(
    r"\bwe(?:['’]ll| will| guarantee| promise)\b|\bguarantee[ds]?\b|\brefund(?:ed|s)?\b|\bfree of charge\b|\bfor free\b|\bin stock\b"
    r"|\bby (?:tomorrow|(?:mon|tues|wednes|thurs|fri|satur|sun)day)\b|\bwir (?:garantieren|erstatten|werden)\b|\bkostenlos\b|\bgarantiert?\b"
    r"|\bnous (?:garantissons|remboursons)\b|\bgratuit|\brembours|\bgarantizamos\b|\bgratis\b|\breembols",
    re.IGNORECASE,
)

_CANNOT = re.compile(r"\b(?:cannot|(?:can|could|may|must) not|(?:can|couldn|mayn|mustn)'t)\b")
_CAN = re.compile(r"\b(?:can|could|may)\b(?! not\b|'t)")


def differences(question: str, answer: str, reply: str, statements: Iterable[Statement]) -> list[str]:
    """The sentences of `reply` that contradict the approved `answer` to `question`, or promise what nothing bears."""
    approved = [normalised(each.text) for each in factual_sentences(answer)]
    known = numbers(normalised(f"{question} {answer}"))
    found = []
    for statement in statements:
        sentence = reply[statement.start : statement.end]
        near = _nearest(normalised(sentence), approved)
        is_promise = _PROMISE.search(sentence) and not statement.source_ids and not supports(sentence, answer)
        if is_promise or (near and _contradicts(normalised(sentence), near, known)):
            found.append(sentence)
    return found


def _contradicts(said: str, approved: str, known: set[str]) -> bool:
    if negations(said) % 2 != negations(approved) % 2 or _allows(said) * _allows(approved) < 0:
        return True
    if _denied(said) & (_matter(approved) - _denied(approved)) or _denied(approved) & (_matter(said) - _denied(said)):
        return True  # as many a "not", but of another word
    mine, theirs = numbers(said), numbers(approved)
    return bool(mine - known) or (len(mine) == len(theirs) == 1 and mine != theirs)


def _nearest(sentence: str, approved: list[str]) -> str:
    """The statement on the same matter, "" if there is none."""
    best, nearest = SAME_MATTER, ""
    mine = _matter(sentence)
    for each in approved:
        theirs = _matter(each)
        size = min(len(mine), len(theirs))
        share = len(mine & theirs) / size if size >= MIN_WORDS else 0.0
        if share >= best:
            best, nearest = share, each
    return nearest


def _allows(sentence: str) -> int:
    """1 if it says that something can be done, -1 that it cannot, 0 neither or both."""
    cannot, can = len(_CANNOT.findall(sentence)), len(_CAN.findall(sentence))
    return 0 if bool(cannot) == bool(can) else 1 if can else -1


def _denied(sentence: str) -> set[str]:
    """The meaningful word after each "not"."""
    parts = re.split(r"\b(?:not|no|never|without|cannot|\w+n't)\b", sentence)[1:]
    return {next(iter(terms(part)), "") for part in parts} - {""}


def _matter(sentence: str) -> set[str]:
    return {term for term in terms(sentence) if not negations(term) and not any(sign.isdigit() for sign in term)}

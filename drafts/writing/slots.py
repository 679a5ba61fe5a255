"""What has to be known before a message can be answered, and is asked back: an order number, a size, a photo, the car, what happens.

Only where nothing answers: a message that says too little is asked back, one that says enough and that no page answers is held.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum

from drafts.writing.facts import Fact, FactKind
from ingestion.knowledge.words import terms

TOO_LITTLE = 4  # meaningful words; a message with more of them has said what it is about
SHORT = 12  # a wish for "it" is vague up to so many


class Slot(StrEnum):
    WHAT = "what"
    CAME = "came"  # what was ordered, and what came instead
    WHICH = "which"
    ORDER = "order"
    SIZE = "size"
    PHOTO = "photo"
    CAR = "car"


_TROUBLE = re.compile(
    r"\b(?:(?:do|does|did|is|are|was|has|can)(?:n't|nt| not)|won'?t|not|stopped|stops|quit) (?:\w+ )?(?:work\w*|open\w*|load\w*|start\w*|go\w*|fit\w*)"
    r"|\b(?:broken?|broke|leak(?:s|ing|ed)?|cracked|stuck|problems?|issues?|trouble|errors?|help|wrong|damaged|fail(?:s|ed|ing)?|down|crash\w*"
    r"|funktioniert nicht|geht nicht|kaputt|hilfe|undicht|no funciona|roto|ayuda|ne marche pas|fonctionne pas|cassée?|aide|fuit)\b",
    re.IGNORECASE,
)
_SEEN = re.compile(
    r"\b(?:leak\w*|crack\w*|broke\w*|damag\w*|bent|torn|drip\w*|kaputt|undicht|roto|cassée?|fuit|wrong (?:part|item|one|colou?r))\b",
    re.IGNORECASE,
)
_ANOTHER_CAME = re.compile(
    r"\b(?:wrong (?:part|item|one|size|colou?r|order|product|thing|stuff|parcel|hose|kit)s?|(?:not|isn't|wasn't) what (?:i|we) (?:ordered|asked for|bought)|mixed up (?:my|our|the) order"
    r"|falsche[nrs]? (?:teil|artikel|ware|größe|produkt|paket)|nicht (?:das|was) (?:ich )?bestellt|(?:pieza|artículo|producto|pedido|talla) (?:equivocad|incorrect)[oa]"
    r"|mauvaise? (?:pièce|article|produit|taille|colis)|pas ce que j'ai commandé)\b",
    re.IGNORECASE,
)
_CAR = re.compile(
    r"\bmy (?:\w+ )?(?:truck|car|van|pickup|vehicle|engine|motor|bike|boat|build|project|ride)\b|\bmein(?:en)? (?:auto|wagen|motor)\b|\bmi (?:coche|carro|camioneta)\b|\bma voiture\b",
    re.IGNORECASE,
)
_FOR_CAR = re.compile(r"\b(?:need|want|order|fit|buy|get|recommend|require|brauche|necesito|besoin)\b", re.IGNORECASE)
_KNOWN_CAR = re.compile(r"\b(?:19|20)\d\d\b|'\d\d\b|\b[A-Z]{1,3}\d+[A-Z]?\b|\b\d\.\d ?(?:l\b|liter)?|\bV[68]\b|\bhp\b")
_PICTURED = re.compile(
    r"\b(?:photo|picture|pic|image|screenshot|foto|bild|imagen|captura)(?:s|es|er)?\b", re.IGNORECASE
)
_VAGUE_WISH = re.compile(
    r"\b(?:change|switch|send|replace|cancel|fix|update|move|remove|delete|add|swap|correct|do|ändern|cambiar|changer)\s+(?:\w+ )?"
    r"(?:it|this|that|them|those|one|the other(?: one)?|das|eso|lo|ça)\b",
    re.IGNORECASE,
)
_FITS = re.compile(r"\b(?:which|what) (?:size|one|length)\b.{0,40}\b(?:need|fit|right|take|order|get)\b", re.IGNORECASE)
#: Words that tell nobody what is meant.
_EMPTY = frozenset(terms("it work works working not doesnt help pls please again problem issue thing stuff something anything wrong leak leaking now change other one thx"
                         " broken fix error trouble hi hello send out going go happen same still question quick asap urgent"))  # fmt: skip


def missing(text: str, facts: Sequence[Fact]) -> tuple[Slot, ...]:
    """What to ask back, in the order in which it is asked; nothing where the message has said enough."""
    plain = text.replace("’", "'")
    told = {fact.kind for fact in facts}
    said = [word for word in dict.fromkeys(terms(plain)) if word not in _EMPTY]
    if _CAR.search(plain) and _FOR_CAR.search(plain) and not _KNOWN_CAR.search(plain) and FactKind.SIZE not in told:
        return (Slot.CAR,)
    if FactKind.ORDER in told:
        return ()
    if _ANOTHER_CAME.search(plain) and FactKind.SIZE not in told and len(plain.split()) <= SHORT:
        return (Slot.CAME, Slot.ORDER) if _PICTURED.search(plain) else (Slot.CAME, Slot.ORDER, Slot.PHOTO)
    if _TROUBLE.search(plain) and len(said) <= TOO_LITTLE:
        return (Slot.WHAT, Slot.PHOTO) if _SEEN.search(plain) and not _PICTURED.search(plain) else (Slot.WHAT,)
    if _VAGUE_WISH.search(plain) and len(said) <= TOO_LITTLE and len(plain.split()) <= SHORT + TOO_LITTLE:
        return (Slot.WHICH,)
    if _FITS.search(plain) and len(said) <= TOO_LITTLE and FactKind.SIZE not in told:
        return (Slot.SIZE,)
    return ()

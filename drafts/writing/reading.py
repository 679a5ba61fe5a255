"""What a customer's message is about, what it tells, and why a person should look twice: plain rules, the same for every drafter.

English key words, and the gravest ones in German, Spanish and French. A rule that fires too often costs a reviewer a second look; one that stays silent costs more, so the
rules lean towards firing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from drafts.writing.closed import is_closed
from drafts.writing.facts import Fact, facts_of
from drafts.writing.topics import NEUTRAL, Topics


class Need(StrEnum):
    """Why a person should look twice. The values are stored with drafts and shown as tags."""

    REFUND = "refund"
    UPSET = "upset"
    FURIOUS = "furious"
    LEGAL = "legal"
    PRIVACY = "privacy"
    SAFETY = "safety"
    ORDER = "order"
    PERSON = "person"
    NO_SOURCE = "no_source"
    INJECTION = "injection"
    LANGUAGE = "language"


@dataclass(frozen=True)
class Reading:
    """The topic (one word, stored as the draft's intent), the needs, strongest first, what the message tells, and whether it closes
    the matter."""

    intent: str
    needs: tuple[Need, ...]
    facts: tuple[Fact, ...] = ()
    is_closed: bool = False


_NEEDS: dict[Need, str] = {
    Need.LEGAL: r"lawyer|attorney|solicitor|legal action|legal department|sue|lawsuit|small claims|court|bbb|better business|trading standards"
    r"|consumer protection|anwalt|rechtsanwalt|abogad[oa]|avocat|tribunal|verbraucherzentrale",
    Need.PRIVACY: r"gdpr|dsgvo|rgpd|ccpa|data protection|(?:right of|subject) access|personal data|(?:erase|delete|remove|wipe) (?:all )?(?:of )?my "
    r"(?:data|information|details|records)|datenschutz|datos personales|données personnelles",
    Need.SAFETY: r"caught fire|on fire|fire\b|burn(?:t|ed|s)\b|injur(?:y|ed|ies)|ambulance|(?:went|taken|sent|rushed|ended up|night) (?:\w+ ){0,3}(?:hospital|er|emergency room)|explo(?:de|ded|sion)|recall"
    r"|unsafe|dangerous|bad batch|threaten(?:ed|s|ing)?|stalk(?:er|ed|ing|s)|the police|hurt (?:me|him|her|us|them|myself|badly|someone|somebody|a)"
    r"|verletzt|verbrannt|brannte|krankenhaus|herid[oa]s?|quemad\w*|bless(?:é|ée)s?|brûlé\w*",
    Need.REFUND: r"refund|money back|charge ?back|charged (?:twice|double)|reimburse|compensat\w*|store credit"
    r"|cancel (?:my|the|this) order",
    Need.UPSET: r"not happy|unhappy|angry|furious|ridiculous|unacceptable|terrible|awful|worst|disappoint\w*|fed up|rip ?-?off"
    r"|scam|joke|never (?:again|buy|order)|third time|second (?:one|time)|still (?:no|not|waiting)|disgust\w*|frustrat\w*"
    r"|pissed|wtf|useless|waste of",
    # Nobody who writes so wants to read a page; what is merely disappointed may.
    Need.FURIOUS: r"furious|disgust\w*|(?:absolute|complete|total|utter) (?:joke|disgrace|scam|rip ?-?off|garbage|crap)|disgrace\w*"
    r"|(?:you|you're|you are|bunch of|pack of) (?:\w+ )?(?:liars?|crooks?|thieves|scammers?|idiots?|clowns)|how dare you|screw you|shame on you"
    r"|(?:rude|insult(?:ed|ing)|yelled|screamed|hung up|laughed|sexist|racist) (?:\w+ ){0,3}(?:me|us|my \w+)"
    r"|your (?:\w+ ){0,3}(?:was|is|were) (?:\w+ )?(?:rude|insulting|disrespectful)|complain(?:t)? about (?:\w+ ){0,3}(?:employee|colleague|staff|agent|driver)"
    r"|unverschämt\w*|frechheit|vergüenza|honteux|scandaleux",
    Need.PERSON: r"(?:speak|talk|chat) (?:to|with) (?:a |an |the |your |some)?(?:human|person|real|someone|somebody|manager|supervisor|boss|owner)"
    r"|real person|call me|phone me|your (?:manager|supervisor)",
    Need.ORDER: r"\b[A-Z]{2,5}-?\d{4,}\b|[Oo]rder (?:#|no\.?|number) ?\w*\d|#\d{4,}|(?i:where(?:'s| is) my (?:order|package|parcel)"
    r"|my tracking|tracking (?:number|has|says|shows))",
}
_INJECTION = re.compile(
    r"(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instruction|prompt|everything (?:above|before|you))"
    r"|(?:^|[.!?:;\n]\s*)(?:please |now )?(?:ignore|disregard|forget|override) (?:the|our|company) (?:\w+ )?(?:rule|guideline|polic)"
    # Rules of a business are everywhere in its pages ("staff can ignore all four rules"); those of the model are these.
    r"|(?:ignore|disregard|forget|override)\b.{0,40}\b(?:your|previous|prior|earlier|these|those|system|all|any)"
    r"(?: (?:of|the|your|previous|prior|above|earlier|system|safety|other))* (?:rule|guideline|polic)"
    r"|(?:ignore|disregard|forget|override)\b.{0,40}\b(?:rules?|guidelines?|polic(?:y|ies)) (?:above|before|you (?:have|were))"
    r"|(?:system|developer) (?:prompt|message|note|override)|you are now (?:an?|the|my|in|free|dan|no|only)\b|act as (?:an? |the )?(?:admin|system|developer|dan\b)"
    r"|(?:reveal|print|repeat|show|tell)(?: me| us)? your (?:\w+ )?(?:prompt|instructions?|rules)|jailbreak"
    r"|</?(?:system|assistant|instructions?|source|customer|thread)\b|\[/?INST\]|<\|\w+\|>"
    r"|(?:note|notice|message|instruction)s? (?:to|for) (?:the |any )?(?:\w+ )?(?:ai|assistant|bot|model|llm)\b"
    r"|(?:reply|respond|answer|confirm) (?:only )?with (?:the (?:word|text|phrase|sentence)|exactly)\b|as an ai\b.{0,40}\bmust\b"
    r"|from now on,? you (?:\w+ ){0,2}(?:obey|follow|are)\b|you are no longer an? (?:\w+ ){0,2}(?:ai|assistant|bot)\b"
    r"|\b(?:ai|assistant|bot|llm)[:,] you (?:must|should|shall|will|are|may)\b|to the (?:ai|assistant|bot|model) (?:reading|that reads|who reads)"
    # German
    r"|(?:ignorier(?:e|t|en)|vergiss|vergesst|vergessen sie|missacht(?:e|et|en)|übergeh(?:e|t|en))\b.{0,40}\b(?:anweisung|regel|vorgabe|richtlinie)\w*"
    r"|(?:vergiss|vergessen sie|ignorier(?:e|t|en sie)) alles,? was"
    r"|du bist (?:jetzt|nun|ab jetzt) (?:ein|der|die|kein)|ab (?:jetzt|sofort|nun) (?:befolgst|gehorchst|bist|antwortest) du"
    r"|(?:hinweis|nachricht|anweisung|notiz|mitteilung) (?:an|für) (?:die |den |das |jede[nr]? )?(?:ki|assistent|bot|modell|sprachmodell)"
    r"|(?:zeige?|nenne?|gib|verrate?)\b.{0,20}\bdeine?n? (?:system-?prompt|prompt|anweisung|regel)"
    # Spanish
    r"|(?:ignora|olvida|olvide|caso omiso de|no hagas caso (?:de|a))\b.{0,40}\b(?:instrucci|regla|norma|indicaci|todo lo anterior)\w*"
    r"|ahora eres (?:un|el|la|mi)\b|a partir de ahora (?:s[oó]lo )?(?:obedeces|sigues|eres|respondes)"
    r"|(?:nota|mensaje|aviso|instrucci[oó]n) para (?:la |el |cualquier )?(?:ia|asistente|bot|modelo)\b"
    r"|(?:muestra|revela|dime|enséñame)\b.{0,20}\btus? (?:prompt|instrucci|regla)"
    # French
    r"|(?:ignore[sz]?|oublie[sz]?|(?:tiens|tenez) pas compte)\b.{0,40}\b(?:instruction|consigne|règle)s?\b"
    r"|(?:tu es|vous êtes) (?:maintenant|désormais) (?:un|une|le|la|mon) |(?:tu n'es|vous n'êtes) plus un(?:e)? assistant"
    r"|(?:note|message|consigne) (?:pour|à) (?:l'|le |la |tout )?(?:ia|assistant|bot|modèle|robot)\b"
    r"|(?:montre|révèle|affiche)[sz]?(?:-moi)?\b.{0,20}\b(?:ton|tes|votre|vos) (?:prompt|consigne|règle)",
    re.IGNORECASE | re.DOTALL,
)
_NEED_RULES = {
    need: re.compile(words if need is Need.ORDER else rf"\b(?:{words})\b", 0 if need is Need.ORDER else re.IGNORECASE)
    for need, words in _NEEDS.items()
}
_GRAVE = (Need.LEGAL, Need.PRIVACY, Need.SAFETY)
_SHOUTING = re.compile(r"(?=[A-Z\W]{14})(?:\b[A-Z]{2,}\b[^A-Za-z0-9]{1,3}){3,}[A-Z]{2,}|!{3,}")


def read_question(text: str, topics: Topics = NEUTRAL, *, subject: str = "") -> Reading:
    """The topic of a customer's message and why a person should look twice. Never fails; "other" when nothing fits.

    A subject counts where it names what is grave ("possible bad batch"): "Re: refund" is only where a thread began.
    """
    text = text[:20_000].replace("’", "'")
    intent = topics.of(text)
    titled = f"{subject[:300]}\n{text}"
    needs = [need for need, rule in _NEED_RULES.items() if rule.search(titled if need in _GRAVE else text)]
    if intent in ("order_problem", "order_status") and Need.ORDER not in needs:
        needs.append(Need.ORDER)  # whatever a policy says, somebody has to look at this order
    if _SHOUTING.search(text) and Need.UPSET not in needs:
        needs.append(Need.UPSET)
    if plants_instruction(text):
        needs.append(Need.INJECTION)
    plain = not set(needs) - {Need.ORDER, Need.REFUND}
    return Reading(intent, tuple(needs), facts_of(text), plain and is_closed(text))


def plants_instruction(text: str) -> bool:
    """Whether a text that should be data speaks to the model ("ignore previous instructions"). A hint, not a wall."""
    return _INJECTION.search(text.replace("’", "'")) is not None

"""Whether a message closes the matter: thanks, "never mind", "it arrived". Plain rules in four languages.

Answering "Thank you, it fits!" with a decline is worse than no answer, and so is closing a complaint that begins with thanks:
what is left of a message without its courtesies must say one of these things, and nothing that speaks of trouble or a wish.
"""

from __future__ import annotations

import re

MAX_WORDS, MAX_WORDS_TAKEN_BACK = 30, 45

_TAKEN_BACK = re.compile(
    r"never ?mind|forget (?:it\b|about it|(?:about )?(?:my|the|that|this) (?:\w+ )?(?:e-?mail|mail|message|question|request))"
    r"|(?:ignore|disregard|scratch) (?:my|the|that|this|it)\b|false alarm|no need to (?:answer|reply|respond|write|get back|do anything)"
    r"|(?:solved|sorted|resolved|settled)\b|(?:found|figured) (?:it|the \w+|out)\b|(?:my|the) (?:bad|mistake was mine)\b"
    r"|hat sich (?:\w+ )?(?:erledigt|geklärt)|schon gefunden|nicht mehr nötig|vergessen sie|olvídelo|olvida(?:lo|d)?\b|ya (?:lo|la) encontré|ya está resuelto"
    r"|laissez tomber|c'est (?:bon|réglé)|oubliez|j'ai trouvé|plus besoin",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"\bthank(?:s| you)\b|\bthx\b|\bty\b|\bcheers\b|^\W*(?:ok(?:ay|ie)?|great|perfect|super|got it|understood|noted|will do|awesome|brilliant|lovely)\b"
    r"|\b(?:it|they|that|this|everything|all|(?:the|my) \w+(?: \w+)?)(?:'s| is| are|'re)? (?:now |just |finally |all |both )*"
    r"(?:fits?|fit|works?|worked|working|arrived|came|here|good|fine|perfect|great|in order|set|there|sorted|received)\b"
    r"|\b(?:received|got) (?:it|them|everything|the \w+|my \w+)\b|\b(?:just|already|finally) (?:\w+ )?(?:brought|delivered|dropped|came|arrived|showed up)\b"
    r"|\b(?:danke|vielen dank|passt|angekommen|funktioniert|alles klar|gracias|ya llegó|funciona|merci|bien reçu|ça marche|parfait|perfecto)\b",
    re.IGNORECASE,
)
_MORE_TO_COME = re.compile(
    r"\?|\b(?:but|however|still|though|unless|except|instead|wrong|broken|leak\w*|damag\w*|missing|problem|trouble|refund|money|cancel\w*|return(?:s|ed|ing)?"
    r"|complain\w*|worst|need(?!n't| to (?:answer|reply))|want|could you|can you|would you|would like|i'd like|please (?!ignore|disregard|forget|scratch)|let me know|send|waiting"
    r"|how|why|what(?! a\b)|when (?:will|can|do)|where|aber|trotzdem|noch nicht|leider|bitte (?!ignorieren|vergessen)|kaputt|falsch|pero|todavía|aún no|por favor|mais|toujours pas|s'il vous)\b",
    re.IGNORECASE,
)
_WISHES_NOTHING = re.compile(
    r"(?:\bno |\bdon'?t |\bdo not |\bnot )(?:more )?(?:need|want|problem|trouble)\w*|\bno (?:longer|more) need\w*|\bstill (?:thank|great|happy)"
    r"|thanks? (?:you )?for (?:your|the|all|sending|being|sorting|letting)(?:(?! but | however )[^.!,\n])*",
    re.IGNORECASE,
)


def is_closed(text: str) -> bool:
    """Whether nothing is asked or wished any more."""
    plain = text.replace("’", "'")
    words = len(plain.split())
    # "No need", "no more problems" and "thanks for the refund" wish nothing.
    told = _WISHES_NOTHING.sub(lambda found: "thanks" if found[0].casefold().startswith("thank") else " ", plain)
    if not plain.strip() or _MORE_TO_COME.search(told):
        return False
    if _TAKEN_BACK.search(plain):
        return words <= MAX_WORDS_TAKEN_BACK
    return words <= MAX_WORDS and _CONTENT.search(plain) is not None

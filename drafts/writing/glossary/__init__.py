"""A message in another language, in English words: enough for a search that knows English, and never shown to anybody.

Plain lists of the words that customers of any business use, one file a language ("versand* = shipping", `*` is any ending). What
a list does not have stays as it is: names, sizes and numbers are the same everywhere. An embedder that knows the language
(EMBEDDINGS_URL) needs none of it.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

LANGUAGES = ("de", "es", "fr")
_WORDS = re.compile(r"-?\w+(?:['’.,-]\w+)*")
#: Words that say nothing and would only push the text away from English.
_SMALL = {
    "de": "der die das den dem des ein eine einen einem einer und oder aber ich wir sie er es ihr mich mir uns ihnen ist sind war waren bin hat habe haben"
    " nicht kein keine zu zum zur in im an am auf aus bei mit nach von vom für über um als auch noch schon nur denn doch mal bitte danke hallo guten tag moin"
    " lg mfg mein meine meinen meiner unser unsere ihre ihren ob wenn weil dass da dann hier dort so sehr mehr geht würde möchte brauche will erst drauf drin"
    " was wer wie wo wann warum welche welcher welches herren damen geehrte",
    "es": "el la los las un una unos unas y o u pero yo me mi mis nos nuestro nuestra su sus se le les lo es son era está están ha han he hay no ni a al de del"
    " en con por para sin sobre como que q si ya más muy también buenos buenas hola gracias saludos favor tengo tiene quiero quisiera necesito este esta"
    " ese esa el martes lunes",
    "fr": "le la les l un une des du de d et ou mais je j nous vous il elle on me m mon ma mes notre nos votre vos se s est sont était a ai avez ont ne n pas ni à au"
    " aux en dans avec par pour sans sur comme que qu qui si déjà plus très aussi bonjour merci cordialement c ce cette ces cet y voudrais veux besoin",
}


@lru_cache(maxsize=len(LANGUAGES))
def _list(language: str) -> tuple[re.Pattern[str], dict[str, str]]:
    lines = (Path(__file__).parent / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    pairs: dict[str, str] = {}
    for line in lines:
        foreign, _, english = line.partition("=")
        pairs[foreign.strip()] = english.strip()
    # The longest first: "wie lange" before "wie".
    ordered = sorted(pairs, key=len, reverse=True)
    forms = "|".join(re.escape(each.rstrip("*")) + (r"\w*" if each.endswith("*") else "") for each in ordered)
    return re.compile(rf"(?<!\w)(?:{forms})(?!\w)", re.IGNORECASE), pairs


def in_english(text: str, language: str) -> str:
    """What can be said of a text in English words, in its order; the text itself where there is no list for its language."""
    code = language.strip().lower()[:2]
    if code not in LANGUAGES:
        return text
    rule, pairs = _list(code)
    small = frozenset(_SMALL[code].split())

    def english(found: re.Match[str]) -> str:
        said = found[0].casefold()
        if said in pairs:
            return pairs[said]
        stems = (each for each in pairs if each.endswith("*") and said.startswith(each[:-1]))
        return pairs[max(stems, key=len)]

    lines = []
    for line in text.splitlines():
        words = _WORDS.findall(rule.sub(english, line))
        lines.append(" ".join(word for word in words if word.casefold() not in small))
    return "\n".join(lines)

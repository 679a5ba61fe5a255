"""In which language a message is written, so that the reply can be in it."""

from __future__ import annotations

import re
from functools import lru_cache
from threading import Lock
from typing import Any

SURE = 0.80  # the share of the probability that one language must have
ENOUGH_LETTERS = 20
ENOUGH_SIGNS = 6  # of writing without spaces, where a sign is about a word
LOOKED_AT = 3_000  # characters
#: Those that support desks meet. The model knows more, mostly as mistakes for these: Luxembourgish for short German.
LANGUAGES = "ar bg ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nl no pl pt ro ru sk sl sr sv th tr uk vi zh"
_NOT_WORDS = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|^>.*$", re.MULTILINE)
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
_lock = Lock()


def detect(text: str) -> str:
    """The ISO 639-1 code of a text's language, e.g. "de"; "" if it is too short or too mixed to tell. Never fails.

    The first call of a process reads the model (about 1.5 s); the later ones take under a millisecond.
    """
    words = _NOT_WORDS.sub(" ", text[:LOOKED_AT])
    letters = sum(1 for sign in words if sign.isalpha())
    if letters < ENOUGH_LETTERS and len(_UNSPACED.findall(words)) < ENOUGH_SIGNS:
        return ""
    language, share = _model().classify(words)
    return str(language) if share >= SURE else ""


def nearest_language(text: str) -> str:
    """The language that a text is most like, however little that says."""
    return str(_model().classify(text[:LOOKED_AT])[0])


def _model() -> Any:
    with _lock:  # two threads at once would read it twice
        return _load()


@lru_cache(maxsize=1)
def _load() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    model.set_languages([language for language in LANGUAGES.split() if language in model.labels])
    return model

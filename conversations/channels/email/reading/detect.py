"""Which character set bytes are in that bear no name, or plainly a wrong one: charset-normalizer's judgement, checked."""

from __future__ import annotations

import re

from charset_normalizer import from_bytes

from conversations.channels.email.reading.language import nearest_language

#: More would change no judgement.
MAX_BYTES = 20_000
MIN_HIGH = 6  # bytes above ASCII; fewer are a word or two of Western mail
_OTHER_SCRIPTS = ("gb18030", "big5", "cp932", "euc_jp", "cp949", "koi8_r", "cp1251", "iso8859_5", "cp1253", "iso8859_7")
#: Languages that are written in ISO 8859-2 and Windows-1250.
_CENTRAL = frozenset({"pl", "cs", "sk", "hu", "hr", "sl", "bs", "ro"})
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")
_LETTERS = re.compile(r"[^\W\d_]")


def detect(content: bytes) -> str:
    """The codec that `content`, which is neither ASCII nor UTF-8, is most likely in; "cp1252" where nothing else is.

    Western mail with a few letters above ASCII looks like anything to a detector, so another script has to make up at least
    a third of the letters.
    """
    sample = content[:MAX_BYTES]
    western = sample.decode("cp1252", "replace")
    high = sum(byte >= 0x80 for byte in sample)
    if high >= MIN_HIGH and high * 3 >= high + len(re.findall(rb"[A-Za-z]", sample)):
        for match in from_bytes(sample, cp_isolation=[*_OTHER_SCRIPTS, "cp1252", "cp1250"]):
            text = str(match)
            if match.encoding in _OTHER_SCRIPTS and not _is_half_width(text) and _decodes(content, match.encoding):
                return match.encoding
    if nearest_language(western) in _CENTRAL:
        # The two differ in a few letters; only Windows uses the bytes from 0x80 to 0x9F for some of them.
        codec = "cp1250" if re.search(rb"[\x80-\x9f]", sample) else "iso8859_2"
        return codec if _decodes(content, codec) else "cp1252"
    return "cp1252"


def is_mostly_high(content: bytes) -> bool:
    """Whether most letters lie above ASCII, as in no language of Western Europe."""
    sample = content[:MAX_BYTES]
    high = sum(byte >= 0xA0 for byte in sample)
    return high > len(re.findall(rb"[A-Za-z]", sample)) + 4


def _is_half_width(text: str) -> bool:
    """Chinese that is read as Japanese is full of half-width kana, which nobody writes mail in."""
    return len(_HALF_WIDTH.findall(text)) * 5 > len(_LETTERS.findall(text))


def _decodes(content: bytes, codec: str) -> bool:
    try:
        content.decode(codec)
    except (UnicodeError, ValueError):
        return False
    return True

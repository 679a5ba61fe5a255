"""Bytes to text for mail: lying, unknown and missing charsets never raise, and PostgreSQL can store every result.

The labels follow the WHATWG Encoding Standard (https://encoding.spec.whatwg.org/#names-and-labels): what senders call
`iso-8859-1`, `gb2312`, `shift_jis` or `ks_c_5601-1987` is in practice the larger Windows repertoire of that name.
"""

from __future__ import annotations

import codecs
import encodings.aliases
import re

from conversations.channels.email.reading.detect import detect, is_mostly_high

# What the label means in mail that people really send, where Python's codec of that name is narrower or missing.
_WIDER = {
    "ascii": "cp1252",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "johab": "johab",
    "iso2022_jp": "iso2022_jp_ext",
    "iso2022_jp_1": "iso2022_jp_ext",
}
# Labels Python does not know at all.
_ALIASES = {
    "ks_c_5601": "cp949",
    "ksc5601": "cp949",
    "ksc_5601": "cp949",
    "x_sjis": "cp932",
    "windows_31j": "cp932",
    "cp943": "cp932",
    "x_gbk": "gb18030",
    "gb_2312_80": "gb18030",
    "chinesebig5": "cp950",
    "x_x_big5": "cp950",
    "big5_eten": "cp950",
    "macintosh": "mac_roman",
    "x_mac_roman": "mac_roman",
    "x_mac_cyrillic": "mac_cyrillic",
    "x_mac_ce": "mac_latin2",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_6_i": "iso8859_6",
    "dos_874": "cp874",
    "windows_874": "cp874",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_2_0_utf_7": "utf_7",
    "csunicode11utf7": "utf_7",
    "x_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "unicode": "utf_8",
    "utf8": "utf_8",
    "cp_850": "cp850",
    "cp_437": "cp437",
    "ansi": "cp1252",
    "8bit": "ascii",
    "unknown": "ascii",
    "unknown_8bit": "ascii",
    "x_unknown": "ascii",
    "default": "ascii",
    "default_charset": "ascii",
    "none": "ascii",
    "binary": "ascii",
    "iso_8859": "latin_1",
    "iso_8859_1_windows_1252": "latin_1",
}
# Codecs of Python that are not charsets of text, or that cost more than linear time (punycode).
_NOT_CHARSETS = frozenset(
    """base64_codec bz2_codec hex_codec quopri_codec rot_13 uu_codec zlib_codec mbcs oem charmap idna punycode
    raw_unicode_escape unicode_escape undefined""".split()  # noqa: SIM905
)
#: Labels that say little: programs write them without looking.
_WESTERN = frozenset({"ascii", "latin_1", "cp1252", "iso8859_15"})
_SINGLE_BYTE = re.compile(r"(?:cp125\d|cp874|cp8\d\d|cp437|iso8859_\d+|koi8_\w|mac_\w+|latin_1)\Z")
_ISO_2022_JP_RUN = re.compile(rb"\x1b(\$B|\$@|\(B|\(J|\(I|\$\(D)([^\x1b]*)")


def clean_text(text: str) -> str:
    """Return `text` without what PostgreSQL refuses: NUL is dropped, a lone surrogate becomes U+FFFD."""
    if "\x00" in text:
        text = text.replace("\x00", "")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # A correct pair that a sloppy decoder left in two halves is joined again; only lone halves are replaced.
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def codec_for(label: str) -> str | None:
    """Return the name of Python's codec for a charset label of a mail, or None when nobody knows the label."""
    name = re.sub(r"[^a-z0-9]+", "_", label.strip().lower()[:60]).strip("_")
    name = re.sub(r"^(?:ks_c_5601)_\d+$", "ks_c_5601", name)
    name = re.sub(r"^x_(?=windows|cp|iso|euc|mac|gb)", "", name) if f"x_{name}" not in _ALIASES else name
    codec = _ALIASES.get(name) or _ALIASES.get(f"x_{name}") or encodings.aliases.aliases.get(name) or name
    if codec in _NOT_CHARSETS:
        return None
    try:
        info = codecs.lookup(codec)
    except (LookupError, ValueError, UnicodeError):
        squeezed = name.replace("_", "")  # "windows1252", "iso88591"
        match = re.match(r"(?:windows|win|cp)(\d{3,4})\Z", squeezed) or re.match(r"iso8859(\d{1,2})\Z", squeezed)
        if match is None:
            return None
        guess = f"iso8859_{match[1]}" if squeezed.startswith("iso") else f"cp{match[1]}"
        try:
            info = codecs.lookup(guess)
        except LookupError:
            return None
    codec = info.name.replace("-", "_")
    codec = {"iso8859_1": "latin_1", "us_ascii": "ascii"}.get(codec, codec)
    if codec in _NOT_CHARSETS or not getattr(info, "_is_text_encoding", True):
        return None
    return codec


def decode_bytes(content: bytes, label: str = "") -> tuple[str, str]:
    """Decode `content`, said to be in charset `label`; return the text and a problem in words ("" when none).

    A right label is honoured. A missing, unknown or plainly wrong one is replaced by what the bytes themselves prove
    (valid UTF-8, a UTF-16 byte pattern), else by what they are most like (`detect`), which for Western mail is
    Windows-1252, in which every byte has a meaning.
    """
    codec = codec_for(label) if label else "ascii"
    problem = "" if codec else f"The character set “{clean_text(label[:60])}” is unknown."
    codec = codec or "ascii"
    if codec in _WESTERN and not _is_utf_8(content) and (codec == "ascii" or is_mostly_high(content)):
        codec = detect(content) if b"\x00" not in content[:4096] else codec
    text = _decode(content, codec)
    if text is None and codec == "utf_8" and not _is_nearly_utf_8(content):
        codec = detect(content)
        text = _decode(content, codec)
        problem = f"The text is not {label}, as it says; it was read as {codec}."
    if text is None:
        text = content.decode(_WIDER.get(codec, codec), "replace")
        problem = f"Some characters are not valid {label or 'text'} and are shown as “\ufffd”."
    return clean_text(text.removeprefix("\ufeff")), problem


def _is_utf_8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_nearly_utf_8(content: bytes) -> bool:
    """UTF-8 with a few broken characters, such as a cut one, and nothing else."""
    text = content.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    return sum(not sign.isascii() for sign in text) - broken >= broken


def _decode(content: bytes, codec: str) -> str | None:
    """Return the text if some reading of `content` is faultless, else None."""
    if b"\x00" in content[:4096] and codec in {"ascii", "latin_1", "utf_8"}:
        wide = _decode_wide(content)
        if wide is not None:
            return wide
    if codec in {"ascii", "utf_8"} or _SINGLE_BYTE.match(codec):
        # Valid UTF-8 with non-ASCII characters is hardly ever an accident, whatever the label says.
        try:
            if codec in {"ascii", "utf_8", "latin_1"} or not content.isascii():
                return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
    if codec == "utf_8":
        return None
    for candidate in (_WIDER.get(codec, codec), codec):
        try:
            return content.decode(candidate)
        except (UnicodeError, ValueError):
            continue
    if codec.startswith("iso2022_jp"):
        return _decode_iso_2022_jp(content)
    if codec in {"ascii", "latin_1"}:
        return content.decode("latin_1")  # the five bytes that Windows-1252 leaves open
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _decode_wide(content: bytes) -> str | None:
    """UTF-16 that lost its label: every other byte of Western text is NUL."""
    sample = content[:4096]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    codec = "utf-16-le" if odd > len(sample) * 0.3 and even < odd / 4 else ""
    codec = codec or ("utf-16-be" if even > len(sample) * 0.3 and odd < even / 4 else "")
    if not codec or len(content) < 4:
        return None
    try:
        return content.decode(codec)
    except UnicodeDecodeError:
        return None


def _decode_iso_2022_jp(content: bytes) -> str | None:
    """ISO-2022-JP with the vendor rows (NEC row 13, IBM) that Outlook sends and Python's codec refuses.

    Each run of double-byte characters is moved to Shift_JIS, whose Windows code page has those rows.
    """
    pieces: list[str] = []
    position = 0
    for run in _ISO_2022_JP_RUN.finditer(content):
        pieces.append(content[position : run.start()].decode("cp932", "replace"))
        position = run.end()
        charset, body = run[1], run[2]
        if charset in {b"$B", b"$@"}:
            pieces.append(_jis_to_shift_jis(body).decode("cp932", "replace"))
        elif charset == b"(I":
            pieces.append(bytes(byte | 0x80 for byte in body).decode("cp932", "replace"))
        elif charset == b"$(D":
            return None
        else:
            pieces.append(body.decode("cp932", "replace"))
    pieces.append(content[position:].decode("cp932", "replace"))
    text = "".join(pieces)
    return None if "\ufffd" in text else text


def _jis_to_shift_jis(body: bytes) -> bytes:
    out = bytearray()
    index = 0
    while index + 1 < len(body):
        high, low = body[index], body[index + 1]
        if not (0x21 <= high <= 0x7E and 0x21 <= low <= 0x7E):
            out.append(high)  # a line break inside the run
            index += 1
            continue
        row = (high - 0x21) // 2 + 0x81
        out.append(row if row <= 0x9F else row + 0x40)
        out.append(low + 0x1F + (low >= 0x60) if high % 2 else low + 0x7E)
        index += 2
    out += body[index:]
    return bytes(out)

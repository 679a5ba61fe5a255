"""Personal data in a text, replaced by its kind: by what the desk knows, by forms that are told apart, by what stands before.

There is no model of names here: the ones that could be shipped need 300 MB and a download (docs/decisions/0046 has what was
weighed). What is looked for, and what is not, stands in every export's report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

LOOKED_FOR = (
    "e-mail addresses", "IBANs", "card numbers", "VAT and tax numbers", "passport and identity card numbers", "number plates",
    "telephone numbers, international and local", "order, invoice, customer and parcel numbers", "numbers of five digits and more",
    "postal addresses of eight countries", "the names of customers and colleagues that the desk knows",
    "names after a greeting, a title, a word of introduction or at the end, and two capitalised words in a row",
)  # fmt: skip
NOT_LOOKED_FOR = (
    "a first name alone in the middle of a sentence", "names in lower case", "dates of birth", "health and opinions",
    "addresses without a number or a post code", "scripts other than Latin", "what a person can be known by from the story",
)  # fmt: skip

Span = tuple[int, int]
MAX_CHARS = 20_000
_MONEY = r"(?:USD|EUR|GBP|CHF|NOK|SEK|DKK|PLN|CZK|CAD|AUD|NZD|JPY|CNY|INR)\b"  # "149 USD" is no number plate
_TOKEN = r"(?=[\w/-]*\d)[A-Za-z0-9][\w/-]*[A-Za-z0-9]"


def _after(words: str, value: str) -> str:
    """`value` where one of `words` stands shortly before it; only the value is personal."""
    return rf"(?i:\b(?:{words})\w*)(?:[ .:#°º=-]|(?i:\b(?:is|no|nr|number|nummer|numero|número|num|was|ist|lautet|est|es|è|to|was|in|id)\b)){{0,8}}({value})"


#: Applied in this order; text already replaced is skipped. If a pattern has a group, only that part is personal.
_FIRST: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("email", re.compile(r"[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+")),
    ("iban", re.compile(r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?(?![\w-])")),
    ("card", re.compile(r"(?<![\d-])\d(?:[ -]?\d){12,15}(?![\d-])")),
    (
        "tax number",
        re.compile(
            r"(?<![\w-])(?:ATU ?\d{8}|BE ?[01]?\d{9}|DE ?\d{9}|DK ?\d{8}|ES ?[A-Z0-9]\d{7}[A-Z0-9]|FI ?\d{8}|FR ?[A-Z0-9]{2} ?\d{9}"
            r"|GB ?(?:\d{3} ?\d{4} ?\d{2}(?: ?\d{3})?|(?:GD|HA)\d{3})|IE ?\d[A-Z0-9]\d{5}[A-Z]{1,2}|IT ?\d{11}|NL ?\d{9} ?B ?\d{2}|PL ?\d{10}|PT ?\d{9}"
            r"|SE ?\d{12}|\d{2}-\d{7}|CHE[ -]?\d{3}[ .]?\d{3}[ .]?\d{3})(?!\w)"
        ),
    ),
    (
        "tax number",
        re.compile(
            _after(r"vat|ust|tva|iva|btw|nip|nif|cif|ein|p\. ?iva|tax|steuer", rf"{_TOKEN}(?: {_TOKEN}){{0,2}}")
        ),
    ),
    (
        "identity number",
        re.compile(
            _after(
                r"passport|reisepass|pass(?=[ :n])|ausweis|passeport|pasaporte|passaporto|paspoort|paszport|identity|dni|carta d'identità",
                _TOKEN,
            )
        ),
    ),
)
#: After the postal addresses, whose post codes and house numbers these would take for their own.
_THEN: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "number plate",
        re.compile(
            r"(?<![\w-])(?:[A-ZÄÖÜ]{1,3}-[A-ZÄÖÜ]{1,2}[ -]?\d{1,4}[EH]?|[A-ZÄÖÜ]{1,3} [A-ZÄÖÜ]{1,2} \d{1,4}[EH]?|[A-Z]{2}\d{2} ?[A-Z]{3}|[A-Z]{2}[ -]?\d{3}[ -]?[A-Z]{2}"
            rf"|\d{{2,4}}-[A-Z]{{2,3}}-\d{{2,3}}|\d{{4}}[ -]?(?!{_MONEY})[BCDFGHJKLMNPRSTVWXYZ]{{3}}|[A-Z]{{1,2}}[ -]\d{{4}}[ -][A-Z]{{1,2}}"
            r"|(?=[A-Z0-9-]*\d)(?=[A-Z0-9-]*[A-Z])(?:[A-Z]{1,3}|\d{1,3})-(?:[A-Z]{2,3}|\d{2,3})-(?:[A-Z]{1,2}|\d{1,2})"
            rf"|[A-Z]{{3}}[ -]\d{{3,4}}|\d{{3}}[ -](?!{_MONEY})[A-Z]{{3}}|\d[A-Z]{{3}}\d{{3}}|[A-Z]{{2,3}} \d{{1,5}}[A-Z]{{0,3}}\d?(?<=\w{{5}}))(?![\w-])"
        ),
    ),
    (
        "number plate",
        re.compile(
            _after(
                r"(?:licen[cs]e )?plate|registration|reg\b|kennzeichen|immatricul|plaque|matr[ií]cula|targa|kenteken|rejestrac",
                r"(?=[A-Z0-9 -]*\d)[A-Z0-9]{1,4}(?:[ -][A-Z0-9]{1,5}){0,2}",
            )
        ),
    ),
    ("phone", re.compile(r"(?<![\w/])(?:\+|\(\+?\d|\(?0|00)[\d ().\-/]{5,18}\d(?: ?(?:x|ext\.?) ?\d{1,6})?(?!\w)")),
    ("phone", re.compile(r"(?<![\w/+-])\(?\d{3}\)?[ .-]?\d{3}[ .-]?\d{3,4}(?: ?(?:x|ext\.?) ?\d{1,6})?(?![\w/])")),
    ("phone", re.compile(r"(?<![\w/+-])\d{2}(?:[ .-]\d{2,3}){3,4}(?![\w/])")),
    (
        "phone",
        re.compile(
            _after(r"tel|phone|call|mobile|cell|handy|portable|móvil|telefon|bel|dzwo", r"[\d(][\d ().\-/]{4,}\d")
        ),
    ),
    (
        "number",
        re.compile(
            _after(
                r"order|bestell|commande|pedido|ordine|zamówieni|invoice|rechnung|facture|factura|fattura|factuur|faktur|tracking|parcel|sendung|"
                r"colis|ticket|reference|ref|customer|kunden|client|cliente|klant|account|booking|serial",
                rf"#?{_TOKEN}",
            )
        ),
    ),
    ("number", re.compile(r"#[A-Za-z-]*\d[\w-]+")),
    ("number", re.compile(r"(?<![\w.,/-])(?:\d{5,}|(?=[A-Z0-9-]*[A-Z])(?:[A-Z]+-?)?\d{4,}(?:-?[A-Z0-9])*)(?![\w/-])")),
)
MAX_PARTS = 4  # of an address before its post code: house, street, district, town

_STREET = re.compile(
    r"\b\d{1,5}[A-Za-z]?,? (?:[A-Z][\w'’.-]+ ){1,4}(?:Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr|Close|Court|Ct|Way|Place|Pl|Terrace|Square|Sq|"
    r"Crescent|Gardens|Grove|Hill|Row|Mews|Boulevard|Blvd|Parkway|Highway)\b\.?(?:,? (?:Apt|Suite|Unit|Flat|Floor)\.? ?\w+)?"
    r"|(?<!\w)[A-ZÄÖÜ][\wäöüß.'-]*(?: [A-ZÄÖÜI][\w.-]*)?(?:straße|strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|straat|laan|plein|gracht|steeg|singel|hof|kade|dreef|"
    r"-Straße|-Platz|-Weg|-Allee|-Gasse|-Ring| Straße| Allee| Platz)\.? ?\d+(?:[-/]\d+)?[a-z]?\b"
    r"|\b(?:\d{1,4}(?: ?(?:bis|ter))?,? )?(?i:rue|avenue|boulevard|place|chemin|impasse|allée|quai|route) (?:(?:de|du|des|la|le|les) |d[’'])*[A-ZÀ-Ž][\w’'-]+(?: [A-ZÀ-Ž][\w’'-]+){0,3}"
    r"|\b(?:Calle|C/|Avenida|Avda\.?|Plaza|Paseo|Pasadizo|Callejón|Rambla|Cuesta|Ronda|Camino|Glorieta|Pasaje|Via|Viale|Piazza|Corso|Vicolo|Stretto|Contrada|Strada|Borgo|Largo|Rua|"
    r"ul\.|ulica|aleja|al\.|pl\.|plac|os\.) ?(?:(?:de|del|la|las|los|di|della|dei) )*[\w’'.-]+(?: (?:i |y |e )?[A-ZŁŚŻ][\w’'.-]+){0,4},? (?:n[º°.o] ?)?\d+(?:/\d+)?"
    r"(?:,? (?:Apt\.?|Puerta|Piso|Piano|Appartamento|m\.) ?\d+)?"
)
_POSTCODE = re.compile(
    r"(?<![\w-])(?:[A-Z]{1,2}-)?\d{5}(?:-\d{4})?(?=,? [A-ZÀ-ŽŁŚŻ'])|(?<=[A-Z]{2} )\d{5}(?:-\d{4})?(?![\w-])|(?<=, )\d{5}(?![\w-])"
    r"|(?<!\w)\d{4} ?[A-Z]{2}(?=,?\s+['’A-Z])|(?<![\w-])\d{2}-\d{3}(?= [A-ZŁŚŻ])|(?<!\w)[A-Z]{1,2}\d{1,2}[A-Z]? ?\d[A-Z]{2}(?!\w)"
)
_TOWN = re.compile(
    r"(?:,?\s+(?:['’]s-)?[A-ZÀ-ŽŁŚŻ][\w’'-]+(?:[ -](?:[A-ZÀ-ŽŁŚŻ][\w’'-]+|am|an der|sur|de|la|les|di|del)){0,4}(?: \([A-Z]{2}\))?)"
)
_PART = re.compile(
    r"(?:\d[\w/-]*,? ?)?(?:[A-ZÀ-ŽŁŚŻ#'’][\w’'./-]*|\d[\w/-]*)(?: (?:[A-ZÀ-ŽŁŚŻ(][\w’'./)-]*|\d[\w/-]*|de|du|la|del|di|der|den|am|an|im|ul\.|pl\.|plac|rue|avenue|boulevard))*$"
)

_WORD = r"[A-ZÀ-ÖØ-ÝŁŚŻŹĆŃÓĄĘ][\w’'-]+"
_NAME = rf"(?:{_WORD}|[A-Z]\.)(?:[ ](?:(?:van|von|de|der|den|da|del|della|la|le|di|zu|zum|ter|ten|d['’])[ ])*(?:{_WORD}|[A-Z]\.)){{0,3}}"
_INTRODUCED = (
    re.compile(rf"(?im:^|(?<=[.!?,] ))(?i:hi|hello|hey|dear|hallo|liebe[rs]?|sehr geehrte[r]?|guten (?:tag|morgen)|bonjour|chère?|salut|hola|estimad[oa]|querid[oa]|buongiorno|gentile|"
    rf"car[oa]|ciao|beste|geachte|olá|dzień dobry|szanown\w+|drog\w+|good (?:morning|afternoon|evening)|thanks|thank you|danke|merci|gracias|grazie|bedankt|dziękuję),? (?:(?i:mr|mrs|ms|dr|herr|frau|m|mme|"
    rf"madame|monsieur|señora?|sra?|sig|signora?|mevrouw|meneer|dhr|pani?e?)\.? )?({_NAME})"),
    re.compile(rf"\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Herrn?|Frau|Mme|Madame|Monsieur|Señora?|Sra?|Sig|Signora?|Mevrouw|Meneer|Dhr|Pani?)\.? ({_NAME})"),
    re.compile(rf"\b(?i:my name is|my name's|i am|i'm|this is|it is|name:|ich bin|ich heiße|mein name ist|je suis|je m['’]appelle|mon nom est|soy|me llamo|mi nombre es|sono|mi chiamo|il mio nome è|"
    rf"ik ben|mijn naam is|jestem|nazywam się|signed|contact|attn|c/o|z\. ?hd\.)[ :.]+({_NAME})"),
    re.compile(rf"(?i:regards|wishes|greetings|cheers|thanks|thank you|yours|sincerely|best|grüße|grüßen|gruß|gruss|danke|cordialement|salutations|bien à vous|merci|saludos|atentamente|gracias|saluti|grazie|"
    rf"groeten|groet|pozdrawiam|poważaniem),?[ ]?\n+[ \t]*((?:{_NAME}\n?)+)"),
    re.compile(rf"\n\n[ \t]*({_NAME})[ \t]*$"),
)  # fmt: skip
_PAIR = re.compile(rf"{_WORD}(?: (?:(?:van|von|de|der|den|da|del|della|la|le|di|zu|ter|ten|d['’]|y|i|e) )*{_WORD})+")
#: Capitalised words that begin sentences, letters and headings, and are nobody's name.
_NO_NAMES_TEXT = """
i'm i've i'd i'll the a an this that these those it its i we you he she they my our your his her their please thank thanks hi hello hey dear good best
kind warm many no yes not if when where what which who why how can could would will do does did is are was were have has had there here and but or so
as at by for from in of on to with re fwd monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
september october november december order orders regards wishes street road hallo guten sehr geehrte geehrter liebe lieber ich wir sie er es der die
das den dem ein eine mein meine bitte danke vielen mit freundlichen grüßen viele bonjour merci je nous vous le la les un une mon ma votre cordialement
hola gracias el los las una mi su estimado estimada saludos buongiorno grazie il lo gli mia suo cordiali saluti beste hoi dag ik wij het een mijn met
vriendelijke groet groeten dzień dobry dziękuję proszę mam moje z poważaniem pozdrawiam customer service support team sales frau herr mrs mr ms dr
"""
_NO_NAMES = frozenset(_NO_NAMES_TEXT.split())


@dataclass(frozen=True, slots=True)
class Known:
    """What the desk knows of the people in a text, and the words that are the account's own: products, places, brands."""

    names: tuple[str, ...] = ()
    vocabulary: frozenset[str] = frozenset()  # casefolded


NOTHING_KNOWN = Known()


def redact(text: str, report: Counter[str], known: Known = NOTHING_KNOWN) -> str:
    """The text with personal data replaced by its kind in brackets; how many of each kind is added to `report`.

    Its first `MAX_CHARS` characters: some of the forms cost the square of a text that was made to cost it.
    """
    text = text[:MAX_CHARS]
    for kind, spans in _searches(known):
        pieces, at = [], 0
        for start, end in spans(text):
            if start < at or "[" in text[start:end]:
                continue
            pieces += [text[at:start], f"[{kind}]"]
            at = end
            report[kind] += 1
        text = "".join([*pieces, text[at:]])
    return text


def found(text: str) -> Counter[str]:
    """How much personal data of each kind a text holds, for who knows nothing of its people."""
    report: Counter[str] = Counter()
    redact(text, report)
    return report


def _searches(known: Known) -> Iterator[tuple[str, Callable[[str], Iterable[Span]]]]:
    for kind, pattern in _FIRST:
        yield kind, partial(_matches, pattern)
    yield "address", _addresses
    for kind, pattern in _THEN:
        yield kind, partial(_matches, pattern)
    yield "name", partial(_known_names, known)
    for pattern in _INTRODUCED:
        yield "name", partial(_introduced, pattern, known)
    yield "name", partial(_pairs, known)


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[Span]:
    return (each.span(1 if pattern.groups else 0) for each in pattern.finditer(text))


def _addresses(text: str) -> list[Span]:
    """Streets with a number, and what stands around a post code: the town after it, the parts of an address before it."""
    spans = [each.span() for each in _STREET.finditer(text)]
    for code in _POSTCODE.finditer(text):
        start, end = code.span()
        if town := _TOWN.match(text, end):
            end = town.end()
        for _ in range(MAX_PARTS):
            before = text[:start].rstrip(" ,\n")
            part = _PART.search(before[-60:].rsplit("\n", 1)[-1].rsplit(",", 1)[-1])
            if part is None or (len(before) == start and before) or not part[0].strip():
                break
            start = len(before) - len(part[0])
        spans.append((start, end))
    return _joined(spans)


def _joined(spans: Iterable[Span]) -> list[Span]:
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and start <= out[-1][1]:
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def _known_names(known: Known, text: str) -> list[Span]:
    words = {word for name in known.names for word in re.findall(r"[^\W\d_][\w’'-]+", name) if len(word) > 2}
    words = {word for word in words if word.casefold() not in known.vocabulary | _NO_NAMES}
    if not words:
        return []
    each = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return [each.span() for each in re.finditer(rf"(?i)(?<!\w)(?:{each})(?!\w)(?:[ -](?:{each})(?!\w))*", text)]


def _introduced(pattern: re.Pattern[str], known: Known, text: str) -> Iterator[Span]:
    for each in pattern.finditer(text):
        start, end = each.span(1)
        while start < end and (first := re.match(r"\S+\s*", text[start:end])) and _is_common(first[0], known):
            start += len(first[0])
        if start < end:
            yield start, start + len(text[start:end].rstrip())


def _pairs(known: Known, text: str) -> Iterator[Span]:
    """Two capitalised words in a row are a name, unless they are the account's own words or begin a sentence."""
    for each in _PAIR.finditer(text):
        start, end = each.span()
        while start < end and (first := re.match(r"\S+\s*", text[start:end])) and _is_common(first[0], known):
            start += len(first[0])
        words = text[start:end].split()
        if sum(1 for word in words if word[0].isupper()) >= 2 and not any(
            _is_common(word, known) for word in words if word[0].isupper()
        ):
            yield start, end


def _is_common(word: str, known: Known) -> bool:
    plain = word.strip(" .,;:!?'’\n").casefold()
    return plain in _NO_NAMES or plain in known.vocabulary

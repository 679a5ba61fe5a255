"""Each form of personal data by itself: what stands for it, where it begins and ends, and that what the report says is so."""

from __future__ import annotations

from collections import Counter

import pytest

from drafts.learning import redaction
from drafts.learning.redaction import Known, redact

#: One text or more for each thing that the report says is looked for. What the brackets hold is what is found.
FOUND: dict[str, list[tuple[str, str]]] = {
    "e-mail addresses": [("Write to a.b+c@d-e.co.test please", "Write to [email] please")],
    "IBANs": [
        ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [iban] please"),
        ("Refund to GB29NWBK60161331926819", "Refund to [iban]"),
    ],
    "card numbers": [("card 4111 1111 1111 1111 ok", "card [card] ok")],
    "VAT and tax numbers": [
        ("Company CHE-123.456.789 MWST", "Company [tax number] MWST"),
        ("our tax is 12/345/67890", "our tax is [tax number]"),
        ("our tax is A7", "our tax is [tax number]"),
    ],
    "passport and identity card numbers": [
        ("passport number is C01X00T47", "passport number is [identity number]"),
        ("my dni: 7Z", "my dni: [identity number]"),
    ],
    "number plates": [
        ("car is AB12 CDE", "car is [number plate]"),
        ("plate M-AB 1234", "plate [number plate]"),
        ("the licence plate is X1 Y2", "the licence plate is [number plate]"),
    ],
    "telephone numbers, international and local": [
        ("reach +49 30 123456", "reach [phone]"),
        ("at (555) 010-4477 ext 12", "at [phone]"),
        ("06 12 34 56 78", "[phone]"),
        ("so 22 12 34 56 78", "so [phone]"),
        ("at 555 210 4477", "at [phone]"),
        ("tel 12 34 567", "tel [phone]"),
    ],
    "order, invoice, customer and parcel numbers": [
        ("order HR-12345", "order [number]"),
        ("invoice no. A7", "invoice no. [number]"),
        ("see #A12-9", "see [number]"),
    ],
    "numbers of five digits and more": [
        ("code 12345 here", "code [number] here"),
        ("part SN1234-AB", "part [number]"),
    ],
    "postal addresses of eight countries": [
        ("at 12 Baker Street", "at [address]"),
        ("in London SW1A 1AA", "in [address]"),
        ("Hauptstraße 12, 10115 Berlin", "[address]"),
        ("3 rue de la Paix, 75002 Paris", "[address]"),
        ("Calle Mayor 5", "[address]"),
        ("Via Roma 7, 20121 Milano (MI)", "[address]"),
        ("Damrak 1, 1012 LG Amsterdam", "[address]"),
        ("ul. Polna 3, 00-625 Warszawa", "[address]"),
    ],
    "the names of customers and colleagues that the desk knows": [
        ("as webb said", "as [name] said"),
        ("so MARCUS WEBB-Marcus is right", "so [name] is right"),
        ("the cobweb and the webbing stay", "the cobweb and the webbing stay"),
    ],
    "names after a greeting, a title, a word of introduction or at the end, and two capitalised words in a row": [
        ("Dear Anna,", "Dear [name],"),
        ("then Mr Jones came", "then Mr [name] came"),
        ("I am Peter", "I am [name]"),
        ("x\n\nBest regards\nJo\nLund\n", "x\n\nBest regards\n[name]\n"),
        ("is it safe?\n\nJo", "is it safe?\n\n[name]"),
        ("then John Miller came", "then [name] came"),
        ("then Jean de la Tour came", "then [name] came"),
    ],
}
#: And for what it says is not.
LEFT = {
    "a first name alone in the middle of a sentence": "my friend Anna came",
    "names in lower case": "john miller came",
    "dates of birth": "born 3 May 1980",
    "health and opinions": "I have diabetes and I vote for nobody",
    "addresses without a number or a post code": "in the red house by the lake of Ulm",
    "scripts other than Latin": "Я Иван Петров",
    "what a person can be known by from the story": "the man who won the race in Ulm",
}
KNOWN = Known(("Marcus Webb", "Jo of Ulm"), frozenset({"hot", "rod"}))


def clean(text: str, known: Known = redaction.NOTHING_KNOWN) -> str:
    return redact(text, Counter(), known)


def test_what_the_report_says_is_looked_for_is_what_is_shown_here() -> None:
    assert list(FOUND) == list(redaction.LOOKED_FOR)
    assert all("[" in clean(text, KNOWN) for pairs in FOUND.values() for text, _ in pairs[:1])
    assert list(LEFT) == list(redaction.NOT_LOOKED_FOR)


@pytest.mark.parametrize(("text", "wanted"), [pair for pairs in FOUND.values() for pair in pairs])
def test_what_is_looked_for_is_found_from_its_first_sign_to_its_last(text: str, wanted: str) -> None:
    assert clean(text, KNOWN) == wanted


@pytest.mark.parametrize("text", LEFT.values())
def test_what_is_said_not_to_be_looked_for_is_left(text: str) -> None:
    assert clean(text) == text


def test_what_is_counted_is_told_by_its_kind() -> None:
    report = Counter({"email": 1})
    text = "a@b.test, c@d.test, +49 30 123456, Mr Jones, 12 Baker Street, order 7X, code 12345"
    redact(text, report)
    assert report == {"email": 3, "phone": 1, "name": 1, "address": 1, "number": 2}
    assert redaction.found(text)["email"] == 2


def test_only_the_beginning_of_an_endless_text_is_kept() -> None:
    text = "x " * redaction.MAX_CHARS
    assert clean(text) == text[: redaction.MAX_CHARS]
    assert redaction.MAX_CHARS == 20_000


# --- addresses ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("to Flat 3, 7 High Road, Leeds LS1 4AB now", "to [address] now"),
        ("to 12 Baker Street and to 13 Baker Street", "to [address] and to [address]"),
        ("send it to 10115 Berlin, please", "send it to [address], please"),
        ("A1, B2, C3, D4, E5, 10115 Berlin", "A1, [address]"),  # four parts before a post code
        ("10115 Berlin", "[address]"),
        ("so\n10115 Berlin", "so\n[address]"),
        ("Hauptstraße 12\n10115 Berlin\nDanke", "[address]\nDanke"),
    ],
)
def test_an_address_is_one_from_its_house_to_its_town(text: str, wanted: str) -> None:
    assert clean(text) == wanted


@pytest.mark.parametrize(
    ("spans", "joined"),
    [
        ([], []),
        ([(5, 9), (0, 3)], [(0, 3), (5, 9)]),
        ([(0, 3), (3, 5)], [(0, 5)]),
        ([(0, 9), (2, 4)], [(0, 9)]),
        ([(0, 3), (2, 6), (5, 8), (9, 10)], [(0, 8), (9, 10)]),
    ],
)
def test_parts_that_touch_are_one_address(spans: list[tuple[int, int]], joined: list[tuple[int, int]]) -> None:
    assert redaction._joined(spans) == joined


# --- names ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Jo said, and Ulm is nice", "Jo said, and [name] is nice"),  # two letters are too few to look for everywhere
        ("of all things", "of all things"),
        ("the Hot Rod line", "the Hot Rod line"),  # the account's own words
        ("the Hot Miller line", "the Hot Miller line"),  # one name beside a word of the account's
        ("the Anna Hot line", "the Anna Hot line"),
        ("the Hot de la Miller line", "the Hot de la Miller line"),  # the account's word, and one name
        ("the Hot Anna Miller line", "the Hot [name] line"),
        ("Hello Hot Anna, it fits", "Hello Hot [name], it fits"),
        ("Hello Hot Rod, it fits", "Hello Hot Rod, it fits"),
        ("The Please Thanks line", "The Please Thanks line"),
    ],
)
def test_the_accounts_own_words_are_no_names(text: str, wanted: str) -> None:
    assert clean(text, KNOWN) == wanted


def test_a_name_that_is_a_word_of_the_accounts_is_not_looked_for_everywhere() -> None:
    known = Known(("Rod Stewart", "Support Team"), frozenset({"rod"}))
    assert clean("a rod for stewart, and the support", known) == "a rod for [name], and the support"
    assert clean("a rod", Known(("Rod",), frozenset({"rod"}))) == "a rod"


def test_the_longest_of_the_known_names_is_taken() -> None:
    assert clean("as annabel-lee said", Known(("Anna", "Annabel", "Annabel-Lee"))) == "as [name] said"
    assert clean("as anna's friend", Known(("Anna",))) == "as [name]'s friend"

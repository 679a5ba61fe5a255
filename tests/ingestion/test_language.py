from __future__ import annotations

import pytest

from conversations.channels.email.reading.language import LANGUAGES, detect


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Does PTFE hose work with E85? I run it at idle a lot.", "en"),
        ("Wo bleibt meine Bestellung? Ich warte seit zwei Wochen.", "de"),
        ("Bonjour, je voudrais savoir où en est ma commande du mois dernier.", "fr"),
        ("Hola, quiero devolver un pedido que llegó roto esta mañana.", "es"),
        ("Tack så mycket för hjälpen med min beställning", "sv"),
        ("Ik wil deze slang graag retourneren, hoe doe ik dat?", "nl"),
        ("注文はどこですか？", "ja"),
        ("Where is my order?\nhttps://shop.example/bestellung/wo-ist-meine-bestellung\n> Ihre Bestellung ist da", ""),
    ],
)
def test_it_tells_the_language_of_what_customers_write(text: str, language: str) -> None:
    assert detect(text) == language


@pytest.mark.parametrize(
    "text", ["", "Hi", "ok thanks", "-6 AN 3/8 NPT", "https://example.test/a/very/long/address", "\0\ud800"]
)
def test_it_does_not_guess_from_next_to_nothing(text: str) -> None:
    assert detect(text) == ""


def test_it_knows_every_language_that_it_names() -> None:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    assert set(LANGUAGES.split()) <= {str(label) for label in LanguageIdentifier.from_model_file(MODEL_FILE).labels}

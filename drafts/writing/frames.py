"""The words around a quote, in the customer's language: greeting, opening, what is open, what is asked back, closing.

Fixed sentences, written by hand. They promise nothing but a colleague, and none of them is a statement that needs a source
(`statements.HOLDING_SENTENCES` and its courtesies know them).
"""

from __future__ import annotations

from dataclasses import dataclass

from drafts.writing.slots import Slot


@dataclass(frozen=True)
class Frame:
    """A language's sentences. ``in_english`` stands before quotes of pages in another language than the customer's."""

    hello: str
    hello_name: str
    thanks: str
    sorry: str
    very_sorry: str
    glad: str
    not_found: str
    partly_found: str
    passed_on: str
    ask_back: str
    slots: dict[Slot, str]
    closing: str
    regards: str
    in_english: str = ""


ENGLISH = Frame(
    hello="Hello",
    hello_name="Hi",
    thanks="Thanks for getting in touch.",
    sorry="I am sorry about the trouble.",
    very_sorry="I am very sorry to read this, and I do not want to answer it with a standard text.",
    glad="Thank you for letting us know.",
    not_found="I could not find a reliable answer to this in our documentation, and I do not want to guess.",
    partly_found="I could not find a reliable answer to the rest of your message in our documentation.",
    passed_on="I have passed your message to a colleague, who will get back to you.",
    ask_back="So that we can help, we need a little more from you.",
    slots={
        Slot.WHAT: "What exactly happens, where do you see it, and since when?",
        Slot.CAME: "What did you order, and what came instead?",
        Slot.WHICH: "What should be changed, and to what exactly?",
        Slot.ORDER: "What is your order number?",
        Slot.SIZE: "Which size or model do you have?",
        Slot.PHOTO: "Could you send us a photo of it?",
        Slot.CAR: "Which make, model, year and engine is it, and what is it used for?",
    },
    closing="Please let us know if you have any questions.",
    regards="Best regards,",
)
GERMAN = Frame(
    hello="Guten Tag",
    hello_name="Guten Tag",
    thanks="Vielen Dank für Ihre Nachricht.",
    sorry="Es tut mir leid, dass Sie Ärger haben.",
    very_sorry="Es tut mir sehr leid, das zu lesen, und ich möchte darauf nicht mit einem Standardtext antworten.",
    glad="Vielen Dank für die Rückmeldung.",
    not_found="Darauf habe ich in unseren Unterlagen keine verlässliche Antwort gefunden, und raten möchte ich nicht.",
    partly_found="Auf den Rest Ihrer Nachricht habe ich in unseren Unterlagen keine verlässliche Antwort gefunden.",
    passed_on="Ich habe Ihre Nachricht an einen Kollegen weitergeleitet, der sich bei Ihnen meldet.",
    ask_back="Damit wir helfen können, brauchen wir noch etwas von Ihnen.",
    slots={
        Slot.WHAT: "Was genau passiert, wo sehen Sie es, und seit wann?",
        Slot.CAME: "Was haben Sie bestellt, und was ist stattdessen gekommen?",
        Slot.WHICH: "Was genau soll geändert werden, und in was?",
        Slot.ORDER: "Wie lautet Ihre Bestellnummer?",
        Slot.SIZE: "Welche Größe oder welches Modell haben Sie?",
        Slot.PHOTO: "Können Sie uns ein Foto davon schicken?",
        Slot.CAR: "Welche Marke, welches Modell, welches Baujahr und welcher Motor ist es, und wofür wird es genutzt?",
    },
    closing="Bitte melden Sie sich, wenn Sie noch Fragen haben.",
    regards="Mit freundlichen Grüßen",
    in_english="Dazu steht auf unseren Seiten, auf Englisch:",
)
SPANISH = Frame(
    hello="Hola",
    hello_name="Hola",
    thanks="Gracias por escribirnos.",
    sorry="Siento mucho las molestias.",
    very_sorry="Siento mucho leer esto y no quiero responder con un texto estándar.",
    glad="Gracias por avisarnos.",
    not_found="No he encontrado una respuesta fiable a esto en nuestra documentación y no quiero adivinar.",
    partly_found="No he encontrado una respuesta fiable al resto de su mensaje en nuestra documentación.",
    passed_on="He reenviado su mensaje a un compañero, que se pondrá en contacto con usted.",
    ask_back="Para poder ayudarle necesitamos algo más de información.",
    slots={
        Slot.WHAT: "¿Qué ocurre exactamente, dónde lo ve y desde cuándo?",
        Slot.CAME: "¿Qué pidió y qué le llegó en su lugar?",
        Slot.WHICH: "¿Qué hay que cambiar exactamente y por cuál?",
        Slot.ORDER: "¿Cuál es su número de pedido?",
        Slot.SIZE: "¿Qué talla o modelo tiene?",
        Slot.PHOTO: "¿Podría enviarnos una foto?",
        Slot.CAR: "¿Qué marca, modelo, año y motor es, y para qué se usa?",
    },
    closing="Escríbanos si tiene más preguntas.",
    regards="Un saludo,",
    in_english="Nuestras páginas dicen al respecto, en inglés:",
)
FRENCH = Frame(
    hello="Bonjour",
    hello_name="Bonjour",
    thanks="Merci de nous avoir écrit.",
    sorry="Je suis désolé pour ce désagrément.",
    very_sorry="Je suis vraiment désolé de lire cela et je ne veux pas y répondre par un texte tout fait.",
    glad="Merci de nous avoir prévenus.",
    not_found="Je n'ai pas trouvé de réponse fiable à cela dans notre documentation et je ne veux pas deviner.",
    partly_found="Je n'ai pas trouvé de réponse fiable au reste de votre message dans notre documentation.",
    passed_on="J'ai transmis votre message à un collègue, qui reviendra vers vous.",
    ask_back="Pour pouvoir vous aider, il nous faut quelques précisions.",
    slots={
        Slot.WHAT: "Que se passe-t-il exactement, où le voyez-vous et depuis quand ?",
        Slot.CAME: "Qu'avez-vous commandé, et qu'avez-vous reçu à la place ?",
        Slot.WHICH: "Que faut-il changer exactement, et par quoi ?",
        Slot.ORDER: "Quel est votre numéro de commande ?",
        Slot.SIZE: "Quelle taille ou quel modèle avez-vous ?",
        Slot.PHOTO: "Pourriez-vous nous envoyer une photo ?",
        Slot.CAR: "Quels sont la marque, le modèle, l'année et le moteur, et quel en est l'usage ?",
    },
    closing="N'hésitez pas à nous écrire si vous avez d'autres questions.",
    regards="Cordialement,",
    in_english="Voici ce que disent nos pages, en anglais :",
)
FRAMES = {"en": ENGLISH, "de": GERMAN, "es": SPANISH, "fr": FRENCH}


def frame_of(language: str) -> Frame:
    """The language's own, English where there is none. ``language`` is as `detect` says it: "de", "de-AT", ""."""
    return FRAMES.get(language.strip().lower()[:2], ENGLISH)


#: Each sentence that says nothing a source would have to bear.
SAID_OF_NOBODY = frozenset(
    sentence
    for frame in FRAMES.values()
    for sentence in (
        frame.thanks, frame.sorry, frame.very_sorry, frame.glad, frame.ask_back, frame.closing, frame.in_english, *frame.slots.values(),
    )
    if sentence
)  # fmt: skip
HOLDING = frozenset(
    sentence for frame in FRAMES.values() for sentence in (frame.not_found, frame.partly_found, frame.passed_on)
)

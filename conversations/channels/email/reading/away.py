"""Notices of absence without the fields of RFC 3834: known by what they say, in the languages of mail programs.

One sentence of absence is no proof: people write "I am away until Monday, please ship it then". A notice also thanks for
the message, says who stands in or that nothing is read, and asks nothing.
"""

from __future__ import annotations

import re

#: A longer text is a letter, whatever it begins with.
MAX_CHARS = 900

_PREFIX = re.compile(
    r"(?:automatic reply|auto(?:matic)?[- ]?(?:reply|response)|out of (?:the )?office|automatische antwort|"
    r"abwesenheits?(?:notiz|nachricht|meldung)?|abwesend|réponse automatique|absent du bureau|absence du bureau|"
    r"respuesta automática|fuera de (?:la )?oficina|resposta automática|fora do escritório|risposta automatica|fuori ufficio|"
    r"automatisch antwoord|afwezig(?:heid)?|niet aanwezig|automatiskt svar|frånvaro(?:meddelande)?|automatisk svar|autosvar|"
    r"fravær|ikke til stede|automaattinen vastaus|poissa(?:oloilmoitus)?|autoodpowiedź|odpowiedź automatyczna|poza biurem|"
    r"автоматический ответ|automatická odpověď|mimo kancelář|自動応答|自动答复)\b\s*[:：\-–]",
    re.IGNORECASE,
)
_ABSENT = re.compile(
    r"\b(?:i(?:['’]m| am)|we are) (?:currently |now )?(?:out of (?:the )?office|away|on (?:annual |parental |sick )?(?:leave|holiday|vacation))"
    r"|nicht (?:im|in meinem) büro|(?:bin|sind) (?:\w+ ){0,8}?(?:abwesend|im urlaub|außer haus|nicht erreichbar)"
    r"|(?:suis|serai) (?:\w+ ){0,4}?(?:absente?|en congés?|en vacances)|absente? du bureau"
    r"|(?:estoy|estaré|me encuentro) (?:\w+ ){0,4}?(?:fuera de (?:la )?oficina|de vacaciones|ausente)"
    r"|(?:sono|sarò) (?:\w+ ){0,4}?(?:fuori (?:ufficio|sede)|assente|in ferie)"
    r"|(?:estou|estarei) (?:\w+ ){0,4}?(?:fora do escritório|ausente|de férias)"
    r"|(?:ben|zijn) (?:\w+ ){0,6}?(?:afwezig|niet aanwezig|met vakantie|op vakantie)"
    r"|(?:är|har) (?:\w+ ){0,4}?(?:på semester|inte på kontoret|semester|tjänstledig|frånvarande)"
    r"|(?:er|holder|har) (?:\w+ ){0,4}?(?:ikke på kontoret|på ferie|ferie|fraværende|bortreist)"
    r"|(?:olen|olemme) (?:\w+ ){0,4}?(?:lomalla|poissa|vuosilomalla)"
    r"|(?:jestem|będę) (?:\w+ ){0,4}?(?:poza biurem|nieobecn[ya]|na urlopie)"
    r"|(?:нахожусь|буду) (?:\w+ ){0,4}?(?:в отпуске|вне офиса)|отсутствую"
    r"|(?:jsem|budu) (?:\w+ ){0,4}?(?:mimo kancelář|na dovolené|nepřítomen|nepřítomna)",
    re.IGNORECASE,
)
_NOTICE = re.compile(
    r"thank(?:s| you) for (?:your|the) (?:e-?mail|message|mail)|limited access|no access to|not (?:be )?(?:reading|checking|monitoring)|"
    r"(?:if|for|in)\b.{0,20}\b(?:urgent|emergenc)|my (?:absence|return)\b|will (?:reply|respond|answer|get back)"
    r"|(?:vielen )?dank für (?:ihre|deine) (?:nachricht|e-?mail|mail)|lese keine|keine e-?mails|in dringenden|dringende (?:fälle|anfragen|angelegenheiten)|meine vertretung|nach meiner rückkehr"
    r"|merci (?:de|pour) votre (?:message|mail|e-?mail)|cas d['’]urgence|mon retour|mon absence"
    r"|gracias por (?:su|tu) (?:mensaje|correo)|(?:si|caso|para)\b.{0,15}\burgen|mi (?:regreso|vuelta|ausencia)"
    r"|grazie per (?:il|la) (?:tuo|suo|sua|tua|vostro|messaggio)|mio (?:ritorno|rientro)|mia assenza"
    r"|obrigad[oa] (?:pela|por) |meu (?:retorno|regresso)|minha ausência"
    r"|(?:bedankt|dank) (?:voor|u voor) (?:uw|je|het)|dringende (?:zaken|gevallen|vragen)|mijn (?:terugkeer|afwezigheid)"
    r"|tack för (?:ditt|ert|din) |brådskande|åter på kontoret|tillbaka"
    r"|takk for|tak for|haster|hastesaker|tilbage|tilbake"
    r"|kiitos viesti|kiireelli|palaan"
    r"|dziękuję za|pilnych|pilne|powrocie"
    r"|спасибо за|срочн|возвращени"
    r"|děkuji za|naléhav|urgentní|návratu",
    re.IGNORECASE,
)
_ASKS = re.compile("[?？؟]")


def has_away_subject(subject: str) -> bool:
    return _PREFIX.match(subject) is not None


def is_away_notice(text: str) -> bool:
    """Whether `text`, what is new in a mail, is a notice of absence and nothing else."""
    said = text.strip()
    if not said or len(said) > MAX_CHARS or _ASKS.search(said):
        return False
    return _ABSENT.search(said) is not None and _NOTICE.search(said) is not None

"""The words by which mailers of many languages announce quoted history, and the ones of mobile signatures."""

from __future__ import annotations

import re


def _joined(alternatives: str) -> str:
    return alternatives.replace("\n", "")


# Verbs of "On <date>, <name> wrote:". Each stands alone or with its auxiliary.
_WROTE = r"""
wrote|writes|said|schrieb|schrieben|geschrieben|a\s+[ée]crit|[ée]crivait|escribi[óo]|escribe|ha\s+scritto|scrive|
scrisse|escreveu|schreef|geschreven|skrev|skreiv|kirjoitti|napisa[łl](?:\(a\)|a)?|nades[łl]a[łl]|pisze|
napsal(?:\(a\)|a)?|napísal(?:\(a\)|a)?|написал(?:\(а\)|а)?|пишет|пише|написав|написала|írta|ezt\s+írta|a\s+scris|
yazdı|şunu\s+yazdı|şunları\s+yazdı|έγραψε|va\s+escriure|escrigué|napisao|napisala|je\s+napisal|rašė|kirjutas|
rakstīja|написа|skrifaði|đã\s+viết|menulis|idatzi|כתב|כתבה|كتب
"""
_WROTE_CJK = "写道|寫道|写了|작성|さんは書きました|さんが書きました|のメール"
WROTE = re.compile(r"(?<!\w)(?:" + _joined(_WROTE) + r")(?!\w)|" + _WROTE_CJK, re.IGNORECASE)

# How such a line opens, up to the first digit: "On Mon, Jan 5", "Am 05.01.", "Em seg., 5 de", "Στις Δευ, 5".
OPENER = re.compile(
    r"(?:on|am|le|el|il|em|no dia|op|den|dne|dňa|dnia|w dniu|v v|v|på|pe|în|la data de|vào|pada|pada tanggal|στις|στο|"
    r"на|в|u|dana|kp\.?|dia|il giorno|el dia|el día|lúc|在|في|בתאריך)\s?"
    r"(?=(?:[\w'-]{1,14}[.,،]{0,2}\s){0,4}[\"'(]?\d)",
    re.IGNORECASE,
)
# ... or it opens with the date itself: 2017-02-05 13:29, 20 окт. 2016 г., tir. 18. apr. 2017, pe 20. lokakuuta 2017.
DATE_FIRST = re.compile(
    r"(?:[^\W\d]{2,14}[.,]{0,2}\s{1,2})?(?:\d{4}\s?[-/.年년]\s?\d{1,2}\s?[-/.月월]|\d{1,2}[-/.]\s?\d{1,2}[-/.]\s?\d{2,4}|"
    r"\d{1,2}\.?\s(?:de\s)?\w{3,12}\.?,?\s(?:de\s)?\d{4}|\w{3,12}\.?\s\d{1,2},\s\d{4})",
    re.IGNORECASE,
)
# What proves a date inside such a line, and the address of its author.
DATE = re.compile(
    r"(?:19|20)\d\d|\d{1,2}[/.-]\s?\d{1,2}[/.-]|\d{1,2}\.?\s(?:de\s)?[^\W\d]{3,12}|[^\W\d]{3,12}\.?\s\d{1,2}\b"
)
TIME = re.compile(r"\d{1,2}[:.h]\d\d")
BRACKETED_ADDRESS = re.compile(r"[<(\[][^<>()\s]{1,100}@[^<>()\s]{1,100}")
QUOTING = re.compile(
    r"(?:quoting|zitat von|zitiere|citando|selon|citerar|citát)\s[^@]{0,100}@[^@]{1,100}[:：]\Z", re.IGNORECASE
)
AT_DATE = re.compile(r"at\s+\d{1,2}/\d{1,2}/\d{2,4}", re.IGNORECASE)
# Gmail of old and Google Inbox: a date, a name and an address, no verb.
DATE_NAME_ADDRESS = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}\s[^<>]{0,200}<\s?[^<>\s]{1,200}@[^<>\s]{1,200}>\s?:?")
NAME_ADDRESS = re.compile(r"[^<>@]{0,120}<?\s?[^<>\s]{1,100}@[^<>\s]{1,100}>?")

HEADER_NAMES = frozenset(
    name.strip()
    for name in """
from, sent, to, cc, bcc, subject, date, reply-to, reply to, importance, attachments, organization, sent on,
von, gesendet, an, betreff, datum, antwort an, kopie, priorität, anlagen, gesendet am,
de, envoyé, envoyé le, envoyée, à, a, objet, copie, copie à, message du, date d'envoi, répondre à, pour,
enviado, enviado el, enviada el, para, asunto, fecha, responder a, sujet,
da, inviato, inviato il, inviata, oggetto, data, per, a nome di,
enviada, enviada em, enviado em, assunto,
van, verzonden, aan, onderwerp, verzonden op, antwoord aan,
från, skickat, till, ämne, kopia, fra, sendt, til, emne, dato, kopi, vedhæftet,
lähettäjä, lähetetty, päivä, päiväys, vastaanottaja, aihe, kopio,
od, wysłano, do, temat, dw, wysłane, odesláno, odoslané, komu, předmět, predmet, kopie, dátum, kópia,
feladó, küldve, elküldve, címzett, tárgy, másolat, küldés ideje,
de la, trimis, către, subiect, kimden, gönderen, gönderildi, gönderilen, gönderme tarihi, kime, konu, tarih, bilgi,
от, от кого, отправлено, дата, кому, тема, копия, від, надіслано, до, копія, относно, до кого,
από, στάλθηκε, εστάλη, προς, θέμα, ημερομηνία, κοιν,
发件人, 发送时间, 收件人, 主题, 抄送, 日期, 寄件者, 寄件日期, 收件者, 主旨, 副本, 寄件人,
差出人, 送信日時, 宛先, 件名, 送信者, 日時, 送信元, 보낸 사람, 보낸사람, 보낸 날짜, 받는 사람, 받는사람, 제목, 참조, 날짜
""".replace("\n", " ").split(",")
)
# A block of fields is a mail's only when one of these is among them (or an address): "From: Berlin, To: Rome" is not.
SUBJECT_NAMES = frozenset(
    """subject betreff objet sujet asunto oggetto assunto onderwerp ämne emne aihe temat předmět predmet tárgy subiect konu
    тема относно θέμα 主题 主旨 件名 제목""".split()  # noqa: SIM905
)
HEADER_LINE = re.compile(r"[\s>*_|]{0,20}([^\W\d_][^:：<>@]{0,22}?)[\s*_]{0,4}[:：](?![/\\])\s?(.*)", re.DOTALL)

_ORIGINAL = r"""original\s+message|original\s+appointment|original\s+mail|reply\s+message|forwarded\s+(?:message|by\b[^\n]{0,80})|
urspr(?:ü|ue)ngliche\s+(?:nachricht|mail|e-mail)|original-nachricht|originalnachricht|weitergeleitete\s+nachricht|
message\s+(?:d'origine|original|transf[ée]r[ée]|reçu)|message\s+d’origine|mensaje\s+(?:original|reenviado)|messaggio\s+(?:originale|inoltrato)|
mensagem\s+(?:original|encaminhada)|oorspronkelijk\s+bericht|doorgestuurd\s+bericht|ursprungligt\s+meddelande|
originalmeddelande|ursprungsmeddelande|vidarebefordrat\s+meddelande|oprindelig\s+meddelelse|opprinnelig\s+melding|
videresendt\s+(?:meddelelse|melding)|alkuper[äa]inen\s+viesti|wiadomo[śs][ćc]\s+oryginalna|oryginalna\s+wiadomo[śs][ćc]|
исходное\s+сообщение|пересылаемое\s+сообщение|пересланное\s+сообщение|původní\s+(?:zpráva|e-mail)|pôvodná\s+správa|
eredeti\s+üzenet|mesaj\s+original|orijinal\s+mesaj|özgün\s+ileti|αρχικό\s+μήνυμα|原始邮件|原始郵件|原邮件|转发邮件|
元のメッセージ|転送メッセージ|원본\s+메시지|original\s+post"""
DELIMITER = re.compile(
    rf"[\s>*|]{{0,10}}[-_=—–]{{2,}}[\s*]{{0,4}}(?:{_joined(_ORIGINAL)})[\s*:]{{0,4}}(?:[-_=—–]{{2,}}[\s*]{{0,4}})?\Z"
    r"|[\s>*]{0,10}(?:begin\s+forwarded\s+message|anfang\s+der\s+weitergeleiteten\s+(?:nachricht|e-mail)|"
    r"début\s+du\s+message\s+(?:réexpédié|transféré)|inicio\s+del\s+mensaje\s+reenviado|"
    r"inizio\s+messaggio\s+inoltrato|começo\s+da\s+mensagem\s+encaminhada|begin\s+doorgestuurd\s+bericht|"
    r"начало\s+переадресованного\s+сообщения)\s{0,2}[:：]?\Z",
    re.IGNORECASE,
)
# Of these, the ones that pass a mail on: what stands below is why it was written.
FORWARDED = re.compile(
    r"forwarded|weitergeleitete|transf[ée]r[ée]|réexpédié|reenviado|inoltrato|encaminhada|doorgestuurd|vidarebefordrat|videresendt|"
    r"пересылаемое|пересланное|переадресованного|转发|転送",
    re.IGNORECASE,
)
# ... or the subject says it, and below stands a block of fields as under any answer: Outlook's way.
FORWARDING_SUBJECT = re.compile(
    r"(?:fwd?|wg|tr|rv|enc|i|vb|vl|fs|pd|doorst|[iİ]lt|πρθ|переслать|הועבר|转发|轉寄|転送|전달)\s?[:：]", re.IGNORECASE
)
# The field that names who wrote what is passed on.
SENDER_NAMES = frozenset(
    """from von de da van från fra lähettäjä od feladó kimden от від από 发件人 寄件者 寄件人 差出人 送信者 送信元 보낸사람""".split()  # noqa: SIM905
) | {"de la", "от кого", "보낸 사람"}
# Markers that help desks put above their notifications.
REPLY_ABOVE = re.compile(
    r".{0,40}(?:(?:type|write|enter)\s+your\s+reply\s+above\s+this\s+line|reply\s+above\s+this\s+line|"
    r"antworten?\s+(?:sie\s+)?(?:bitte\s+)?(?:oberhalb|über)\s+dies(?:er|e)\s+(?:linie|zeile)|"
    r"répond\w*\s+au-dessus\s+de\s+cette\s+ligne|responda\s+por\s+encima\s+de\s+esta\s+línea).{0,40}\Z",
    re.IGNORECASE,
)

_SENT_FROM = r"""(?:sent|posted)\s+(?:from|via|with|by|using)\b(?!\s+(?:our|the|us|their|his|her|him)\b)|from\s+my\s+\w+|someone\s+from\s+mobile|get\s+\[?outlook\s+for|
download\s+\[?outlook|envoy[ée]e?\s+(?:de(?:puis)?|à\s+partir|avec|via)\b|téléchargez\s+outlook|
von\s+mein(?:em|er)\s|von\s+unterwegs\s+gesendet|gesendet\s+(?:von|mit|über|aus)\b|diese\s+nachricht\s+wurde\s+von|holen\s+sie\s+sich\s+outlook|
enviad[oa]\s+(?:desde|do|de|a\s+partir|con|pelo|por)\b|obtener\s+outlook|obter\s+o\s+outlook|inviato\s+(?:da|dal|con)\b|scarica\s+outlook|
verzonden\s+(?:vanaf|met|vanuit|van|via)\b|verstuurd\s+vanaf|outlook\s+voor\s|skickat\s+från|skickades?\s+från|hämta\s+outlook|
sendt\s+fra|hent\s+outlook|lähetetty\s|hanki\s+outlook|wys[łl]an[eoay]\s+(?:z|za)\b|pobierz\s+outlook|odesl[áa]no\s|odoslan[ée]\s|
отправлено\s+(?:с|из)\b|надіслано\s+(?:з|із)\b|trimis\s+(?:de\s+pe|din)\b|elküldve\s|küldve\s|iphone'umdan|
iphone['’]?\w*dan\s+gönderildi|στάλθηκε\s+από|從我的|从我的|发自我的|發自我的|iphoneから送信|나의\s|내\s+\S+에서\s+보냄|gửi\s+từ"""
# "Sent via DHL on Monday, number 434" begins like a phone's signature and is content: a longer number that is no model's
# (SM-G960F), a date or a day stands in it.
_MODEL = re.compile(
    r"https?://\S+|\b[a-z]+-?[a-z]?\d\w*|(?:windows|android|version|nokia|lumia)\s\d[\d.]*", re.IGNORECASE
)
_NUMBER = re.compile(
    r"\d{3}|\b\d{1,2}\.?\s(?:of\s|de\s)?(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz]|ene|abr|ago|dic|gen|mag|giu|lug|set|ott)",
    re.IGNORECASE,
)
_DAYS = re.compile(
    r"\b(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|yesterday|today|montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonntag|gestern|"
    r"lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche|hier|lunes|martes|miércoles|jueves|viernes|sábado|domingo|ayer|"
    r"lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica|ieri|segunda|terça|quarta|quinta|sexta|ontem|"
    r"maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag|gisteren)\b",
    re.IGNORECASE,
)


def is_about_a_parcel(line: str) -> bool:
    """Whether a line that begins like a phone's signature ("Sent via ...") goes on like something to answer."""
    return bool(_NUMBER.search(_MODEL.sub("", line)) or _DAYS.search(line) or line.rstrip().endswith(("?", "？")))


MOBILE_SIGNATURE = re.compile(
    rf"[\s<(\[*_>|-]{{0,8}}(?:{_joined(_SENT_FROM)}).{{0,110}}\Z|.{{0,30}}(?:から送信|傳送|发送|に送信されました)\s?\Z",
    re.IGNORECASE,
)

"""A reply as the bytes of a mail (RFC 5322): what of it can be one, and how it is written so that every server passes it on."""

from __future__ import annotations

import re
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote

from conversations.channels.addresses import join_address, split_address
from conversations.channels.base import ChannelError, Failure, File, Outbound, Party
from conversations.channels.email.ids import is_message_id
from conversations.channels.lines import CONTROL
from conversations.database import database_time

# Seven bits: the mail passes every server unchanged, whether or not it offers 8BITMIME.
_POLICY = SMTP.clone(cte_type="7bit")
_MIME_TYPE = re.compile(r"[\w.+-]{1,80}/[\w.+-]{1,120}", re.ASCII)
_PLAIN = re.compile(r"[ -~]{0,300}")
# A dot-atom (RFC 5322 section 3.2.3) at a host name.
_PLAIN_ADDRESS = re.compile(
    r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*@[a-z0-9-]+(?:\.[a-z0-9-]+)*", re.ASCII
)
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_SURROGATE = re.compile("[\ud800-\udfff]")

#: RFC 3834 section 5, and what Exchange looks at: nobody's program answers what no person approved. Bounces still come.
_AUTOMATIC = [
    ("Auto-Submitted", "auto-generated"),
    ("X-Auto-Response-Suppress", "DR, OOF, AutoReply, RN, NRN"),
]


class CannotBeMail(ChannelError):
    """What was approved does not fit into a mail; `reason` says why without saying when."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(Failure.PERMANENT, detail)
        self.reason = reason


def build_mail(outbound: Outbound) -> bytes:
    """Return the mail as bytes with CRLF line ends: text, HTML as its alternative, files.

    Raises `ChannelError(PERMANENT)` when a value cannot stand in a header (a line break, a bad address or id): such a
    mail is never repaired silently, because what people approved is what is sent.
    """
    check(outbound)
    message = EmailMessage(policy=_POLICY)
    try:
        message["Subject"] = outbound.subject
        message["Date"] = format_datetime(database_time.now())
        message.set_content(outbound.body_text, charset="utf-8")
        if outbound.body_html:
            message.add_alternative(outbound.body_html, subtype="html", charset="utf-8")
            html = message.get_payload()[-1]  # type: ignore[index]
            for file in outbound.files:
                if _is_inline(outbound, file):
                    _attach(html, file)  # type: ignore[arg-type]
        for file in outbound.files:
            if not _is_inline(outbound, file):
                _attach(message, file)
        content = message.as_bytes()
    except (ValueError, LookupError, TypeError, IndexError) as error:
        raise CannotBeMail(str(error), f"The mail could not be built and was not sent: {error}") from error
    # Written by hand: the standard library folds what is long into encoded words, also ids and the commas between two
    # addresses, which no mail client reads as such. UTF-8 stands only in an address that has no other form (RFC 6532);
    # the server must then offer SMTPUTF8.
    fields = [
        ("Message-ID", outbound.message_id),
        ("X-Countersign-Delivery", outbound.message_id),  # some servers replace the Message-ID
        ("In-Reply-To", outbound.in_reply_to),
        ("References", "\r\n ".join(outbound.references)),
        ("From", _mailboxes(outbound.sender)),
        ("Reply-To", outbound.reply_to and _mailbox(Party(outbound.reply_to, outbound.sender.name))),
        ("To", _mailboxes(*outbound.to)),
        ("Cc", _mailboxes(*outbound.cc)),
    ]
    if outbound.automatic:
        fields += _AUTOMATIC
    head = "".join(f"{name}: {value}\r\n" for name, value in fields if value)
    return head.encode() + content


def check(outbound: Outbound) -> None:
    """Raises `CannotBeMail` for what no mail can carry; nobody is asked."""
    parties = (outbound.sender, *outbound.to, *outbound.cc, *outbound.bcc)
    lines = [outbound.subject, *(party.name for party in parties), *(party.address for party in parties)]
    lines += [text for file in outbound.files for text in (file.file_name, file.mime_type, file.content_id)]
    if any(CONTROL.search(line) for line in lines):
        raise cannot("a name, an address, the subject or a file name contains a line break or a control character")
    if any(_SURROGATE.search(line) for line in lines):
        raise cannot("a name, an address, the subject or a file name contains half of a character")
    ids = [outbound.message_id, *(id_ for id_ in (outbound.in_reply_to, *outbound.references) if id_)]
    if outbound.return_path and not split_address(outbound.return_path):
        raise cannot("its return path is not an address")
    if outbound.reply_to and not split_address(outbound.reply_to):
        raise cannot("the address for answers is not an address")
    if not all(is_message_id(id_) for id_ in ids):
        raise cannot("a message id is not of the form <left@right>")
    if not outbound.to and not outbound.cc:
        raise cannot("it has no recipient")
    for party in parties:
        _parts(party.address)


def is_plain(outbound: Outbound) -> bool:
    """Whether a checked reply is such that a mail can always be built of it: pages ask often, building takes 0.7 ms."""
    parties = (outbound.sender, *outbound.to, *outbound.cc, *outbound.bcc)
    lines = (outbound.subject, *(party.name for party in parties))
    return (
        not (outbound.body_html or outbound.files)
        and all(_PLAIN.fullmatch(line) for line in lines)
        and all(_PLAIN_ADDRESS.fullmatch(party.address) for party in parties)
        and not _SURROGATE.search(outbound.body_text)
    )


def cannot(reason: str) -> CannotBeMail:
    """With what a person does about it. `reason` is a half sentence that fits behind "The mail was not sent"."""
    return CannotBeMail(reason, f"The mail was not sent: {reason}. Correct it and approve again.")


def _mailboxes(*parties: Party) -> str:
    return ",\r\n ".join(_mailbox(party) for party in parties)


def _mailbox(party: Party) -> str:
    """`Name <address>` (RFC 5322 section 3.4), the name as atoms, in quotes, or in encoded words (RFC 2047 section 5)."""
    address = wire_address(party.address)
    if not party.name:
        return address
    if not party.name.isascii() or "=?" in party.name:
        name = Header(party.name, "utf-8").encode(linesep="\r\n")
    elif _ATOMS.fullmatch(party.name):
        name = party.name
    else:
        name = f'"{quote(party.name)}"'
    return f"{name} <{address}>"


def wire_address(address: str) -> str:
    """Return the address as it travels: a domain of other letters in its ASCII form (RFC 5891), so any server takes it.

    By IDNA 2008: the codec of the standard library knows IDNA 2003, in which straße.example is strasse.example, which may
    be somebody else's.
    """
    return join_address(*_parts(address))


def _parts(address: str) -> tuple[str, str]:
    parts = split_address(address)
    if parts is None:
        local, _, domain = address.rpartition("@")
        if " " not in domain and split_address(f"{local}@example.com"):
            raise cannot(f"“{domain[:80]}” is not a domain")
        raise cannot(f"“{address[:80]}” is not an address that mail can be sent to")
    return parts


def _is_inline(outbound: Outbound, file: File) -> bool:
    return bool(outbound.body_html and file.inline and file.content_id)


def _attach(message: EmailMessage, file: File) -> None:
    kind = file.mime_type if _MIME_TYPE.fullmatch(file.mime_type) else "application/octet-stream"
    main, _, sub = kind.partition("/")
    if main in {"message", "multipart"}:  # these may not be base64, and their content is not ours to vouch for
        main, sub = "application", "octet-stream"
    if file.inline and file.content_id:
        content_id = f"<{file.content_id.strip('<>')}>"
        message.add_related(
            file.content, maintype=main, subtype=sub, cid=content_id, filename=file.file_name, disposition="inline"
        )
    else:
        message.add_attachment(file.content, maintype=main, subtype=sub, filename=file.file_name)

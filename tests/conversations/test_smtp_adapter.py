"""The sending half of mail, against real sockets on loopback: what is known after each kind of failure."""

from __future__ import annotations

import datetime
import ipaddress
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP as SmtpServer  # noqa: N811
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.channels.base import ChannelError, Failure, File, Outbound, Party
from conversations.channels.email.building import build_mail
from conversations.channels.email.reading.parse import parse_mail
from conversations.channels.email.smtp import SmtpAdapter
from tests.conversations.conftest import Keeper

ADA = Party("ada@example.com", "Ada Lovelace")
BO = Party("bo@example.com", "Bo")
DESK = Party("desk@acme.example", "Acme")
REPLY = Outbound("<cs.1@acme.example>", DESK, (ADA, BO), "Re: Hose", "Hello\n.\n..two dots\nbye\n")
CLOSE, RESET, SILENCE = "close", "reset", "silence"


class ScriptedServer(threading.Thread):
    """Speaks SMTP by a script: for each stage an answer, or `close`, `reset` or `silence` instead of one."""

    def __init__(self, **script: str) -> None:
        super().__init__(daemon=True)
        self.script = script
        self.commands: list[str] = []
        self.mails: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.05)
        self.port = self.listener.getsockname()[1]
        self.done = threading.Event()

    def __enter__(self) -> ScriptedServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.join(5)
        self.listener.close()

    def run(self) -> None:
        while not self.done.is_set():
            try:
                connection, _ = self.listener.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(5)
                try:
                    self.talk(connection)
                except (OSError, _Hangup):
                    pass
            return

    def talk(self, connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        self.answer(connection, "greeting", "220 scripted ESMTP")
        while line := lines.readline():
            text = line.decode().strip()
            self.commands.append(text)
            verb = text.split()[0].upper()
            if verb == "DATA":
                self.answer(connection, "data", "354 go on")
                if "body" in self.script:
                    lines.read1(1)
                    self.answer(connection, "body", "")
                content = b""
                while (line := lines.readline()) != b".\r\n":
                    if not line:
                        return
                    content += line
                self.mails.append(content)
                self.answer(connection, "dot", "250 2.0.0 queued as 42")
            elif verb == "QUIT":
                self.answer(connection, "quit", "221 bye")
                return
            elif verb == "RCPT":
                stage = "rcpt_" + text.split("<")[1].split("@")[0]
                self.answer(connection, stage, "250 ok")
            else:
                self.answer(connection, verb.lower(), "250 ok")

    def answer(self, connection: socket.socket, stage: str, usual: str) -> None:
        reply = self.script.get(stage, usual)
        if reply == SILENCE:
            self.done.wait(5)
            raise _Hangup
        if reply == RESET:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            raise _Hangup
        if reply == CLOSE:
            raise _Hangup
        if reply.startswith("drip "):
            for byte in reply[5:].encode():
                connection.sendall(bytes([byte]))
                time.sleep(0.1)
        elif reply:
            connection.sendall(reply.encode() + b"\r\n")


class _Hangup(Exception):
    pass


def send(server: ScriptedServer, outbound: Outbound = REPLY, **options: Any) -> tuple[ChannelError | None, list[str]]:
    """Send once; return the error and what happened in which order."""
    happened: list[str] = []
    adapter = SmtpAdapter("127.0.0.1", server.port, **{"timeout_seconds": 0.4, **options})
    try:
        adapter.send(outbound, before_handover=lambda: happened.append("handover"))
    except ChannelError as error:
        return error, happened
    return None, happened


def test_it_hands_the_mail_over_and_returns_the_answer() -> None:
    with ScriptedServer() as server:
        calls: list[int] = []

        def before_handover() -> None:
            assert server.commands[-1] == "DATA"
            calls.append(len(server.mails))

        receipt = SmtpAdapter("127.0.0.1", server.port).send(REPLY, before_handover=before_handover)
    assert receipt.provider_id == "<cs.1@acme.example>"
    assert receipt.response == "250 2.0.0 queued as 42"
    assert calls == [0], "before_handover runs once, before the final dot"
    # Verbs are of either case (RFC 5321 section 2.4), and Python 3.13 writes them otherwise than 3.11.
    assert [command.lower() for command in server.commands if not command.lower().startswith("ehlo")] == [
        "mail from:<desk@acme.example>",
        "rcpt to:<ada@example.com>",
        "rcpt to:<bo@example.com>",
        "data",
        "quit",
    ]
    (mail,) = server.mails
    assert b"\r\n..\r\n...two dots\r\nbye\r\n" in mail, "leading dots are doubled on the wire"


BEFORE_THE_DOT = ["greeting", "ehlo", "mail", "rcpt_ada", "rcpt_bo", "data"]


@pytest.mark.parametrize("stage", BEFORE_THE_DOT)
@pytest.mark.parametrize("fault", [CLOSE, RESET, SILENCE, "451 4.3.0 try later", "421 4.3.2 shutting down"])
def test_a_fault_before_the_dot_is_transient_and_nothing_was_handed_over(stage: str, fault: str) -> None:
    script = {stage: fault}
    if stage == "ehlo" and fault[0].isdigit():
        script["helo"] = fault  # smtplib falls back to HELO
    with ScriptedServer(**script) as server:
        error, happened = send(server)
        assert error is not None
        assert error.failure is Failure.TRANSIENT, error
        assert happened == []
        assert server.mails == []


@pytest.mark.parametrize(
    ("script", "is_channels"),
    [
        ({"greeting": CLOSE}, True),
        ({"greeting": SILENCE}, True),
        ({"greeting": "554 no service here"}, True),
        ({"ehlo": "550 not you", "helo": "550 not you"}, True),
        ({"mail": "421 closing"}, True),
        ({"rcpt_ada": "421 closing"}, True),
        ({"dot": "421 closing"}, True),
        ({"mail": "451 later"}, False),
        ({"mail": CLOSE}, False),
        ({"rcpt_ada": "450 greylisted"}, False),
        ({"dot": "452 full"}, False),
    ],
)
def test_what_comes_before_any_mail_is_the_channels_fault(script: dict[str, str], is_channels: bool) -> None:
    with ScriptedServer(**script) as server:
        error, _ = send(server)
    assert error is not None
    assert (error.failure, error.channel_fault) == (Failure.TRANSIENT, is_channels)


@pytest.mark.parametrize("stage", ["mail", "rcpt_ada", "rcpt_bo", "data"])
def test_a_refusal_for_good_before_the_dot_is_permanent(stage: str) -> None:
    script = {stage: "550 5.1.1 no such thing"}
    with ScriptedServer(**script) as server:
        error, happened = send(server)
    assert error is not None
    assert error.failure is Failure.PERMANENT
    assert "550 5.1.1 no such thing" in error.response
    assert happened == []
    assert server.mails == []


@pytest.mark.parametrize("fault", [CLOSE, RESET, SILENCE])
def test_a_connection_lost_while_the_text_is_written_is_transient(fault: str) -> None:
    # Larger than the buffers of both sockets, so that writing cannot end before the fault.
    large = Outbound("<cs.2@acme.example>", DESK, (ADA,), "Large", "x", files=(File("a", "a/b", bytes(20_000_000)),))
    with ScriptedServer(body=fault) as server:
        error, happened = send(server, large, timeout_seconds=1.0)
        assert error is not None
        assert error.failure is Failure.TRANSIENT, error
        assert happened == []
        assert server.mails == []


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        ("451 4.3.0 try later", Failure.TRANSIENT),
        ("421 4.3.2 shutting down", Failure.TRANSIENT),
        ("554 5.7.1 spam", Failure.PERMANENT),
        (CLOSE, Failure.UNCERTAIN),
        (RESET, Failure.UNCERTAIN),
        (SILENCE, Failure.UNCERTAIN),
        ("354 what?", Failure.UNCERTAIN),
        ("gibberish", Failure.UNCERTAIN),
        ("250-" + "x" * 9000, Failure.UNCERTAIN),
    ],
)
def test_after_the_dot_only_an_explicit_answer_says_that_nothing_was_sent(answer: str, failure: Failure) -> None:
    with ScriptedServer(dot=answer) as server:
        error, happened = send(server)
        assert error is not None
        assert error.failure is failure, error
        assert happened == ["handover"]
        assert len(server.mails) == 1


def test_a_lost_goodbye_does_not_turn_a_sent_mail_into_a_failure() -> None:
    for fault in (CLOSE, RESET, SILENCE, "500 no"):
        with ScriptedServer(quit=fault) as server:
            assert send(server)[0] is None


def test_nobody_gets_the_mail_when_one_recipient_is_refused() -> None:
    with ScriptedServer(rcpt_bo="550 5.1.1 unknown") as server:
        error, happened = send(server)
    assert error is not None
    assert error.failure is Failure.PERMANENT
    assert error.response == "bo@example.com: 550 5.1.1 unknown"
    assert server.commands[-2:] == ["rset", "quit"]
    assert (happened, server.mails) == ([], [])


def test_a_refusal_for_good_outweighs_one_for_now() -> None:
    with ScriptedServer(rcpt_ada="451 later", rcpt_bo="550 never") as server:
        error, _ = send(server)
    assert error is not None
    assert error.failure is Failure.PERMANENT
    assert error.response == "ada@example.com: 451 later; bo@example.com: 550 never"


def test_a_failing_handover_means_nothing_was_sent() -> None:
    def refuse() -> None:
        raise RuntimeError("the lease is lost")

    with ScriptedServer() as server:
        with pytest.raises(RuntimeError, match="the lease is lost"):
            SmtpAdapter("127.0.0.1", server.port).send(REPLY, before_handover=refuse)
        server.join(5)
    assert server.commands[-1] == "DATA"
    assert server.mails == []


def test_a_port_where_nobody_listens_is_transient() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ChannelError) as caught:
        SmtpAdapter("127.0.0.1", port, timeout_seconds=1).send(REPLY, before_handover=lambda: None)
    assert caught.value.failure is Failure.TRANSIENT


def test_a_name_that_does_not_resolve_is_transient() -> None:
    with pytest.raises(ChannelError) as caught:
        SmtpAdapter("nowhere.invalid", 25, timeout_seconds=1).send(REPLY, before_handover=lambda: None)
    assert caught.value.failure is Failure.TRANSIENT


def test_a_server_that_drips_its_answer_cannot_outlast_the_lease() -> None:
    with ScriptedServer(dot="drip 250-" + "x" * 100) as server:
        started = time.monotonic()
        error, _ = send(server, timeout_seconds=0.5)
        assert error is not None
        assert error.failure is Failure.UNCERTAIN
        # Ten seconds of dripping, each byte within the socket's own timeout: only the deadline ends it.
        assert time.monotonic() - started < 8


def test_a_refused_login_is_transient_because_the_mail_is_not_at_fault() -> None:
    with ScriptedServer(ehlo="250-scripted\r\n250 AUTH PLAIN", auth="535 5.7.8 bad password") as server:
        error, happened = send(server, user="desk", password="wrong")
    assert error is not None
    assert (error.failure, error.response, happened) == (Failure.TRANSIENT, "535 5.7.8 bad password", [])
    assert error.channel_fault


def test_it_never_falls_back_to_clear_text_when_encryption_is_demanded() -> None:
    for login in ({}, {"user": "desk", "password": "secret"}):
        with ScriptedServer(ehlo="250-scripted\r\n250 AUTH PLAIN") as server:
            error, _ = send(server, starttls=True, **login)
        assert error is not None
        assert error.failure is Failure.TRANSIENT
        assert not any(command.upper().startswith(("AUTH", "MAIL")) for command in server.commands)


@pytest.mark.parametrize(
    "bad",
    [
        {"subject": "Hi\r\nBcc: eve@example.com"},
        {"subject": "Hi\nthere"},
        {"subject": "Hi\x00there"},
        {"sender": Party("desk@acme.example", "Acme\r\nBcc: eve@example.com")},
        {"sender": Party("desk@acme.example>\r\nBcc: <eve@example.com")},
        {"to": (Party("ada@example.com\r\nRCPT TO:<eve@example.com>"),)},
        {"to": (Party("ada@example.com, eve@example.com"),)},
        {"to": (Party("ada@example.com> <eve@example.com"),)},
        {"to": (Party("nobody"),)},
        {"to": ()},
        {"to": (Party("ada@ex..ample.com"),)},
        {"cc": (Party("bo@example.com", "Bo\u2028"),)},
        {"message_id": "<a@b>\r\nX: y"},
        {"message_id": "cs.1@acme.example"},
        {"in_reply_to": "<a@b>\nX: y"},
        {"references": ("<a@b>", "<c d@e>")},
        {"files": (File("a\r\nX: y.pdf", "application/pdf", b""),)},
        {"files": (File("a.pdf", "application/pdf\r\nX: y", b""),)},
        {"files": (File("a.png", "image/png", b"", content_id="a>\r\nX: y"),)},
        {"body_text": "lone \ud800 surrogate"},
        {"to": (Party("ada@example.com", "Ada \ud800"),)},
        {"to": (Party("ada\ud800@example.com"),)},
    ],
)
def test_a_mail_that_cannot_be_built_is_refused_before_connecting(bad: dict[str, Any]) -> None:
    values: dict[str, Any] = {name: getattr(REPLY, name) for name in REPLY.__slots__}
    with ScriptedServer() as server:
        assert SmtpAdapter("127.0.0.1", server.port).problems(Outbound(**{**values, **bad})) != []
        error, happened = send(server, Outbound(**{**values, **bad}))
        assert error is not None
        assert error.failure is Failure.PERMANENT
        assert (happened, server.commands, server.mails) == ([], [], [])


LINE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zl", "Zp", "Cs")), max_size=120)


@given(subject=LINE, name=LINE, body=st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=300))
@settings(max_examples=150, deadline=None)
def test_what_people_approved_is_what_arrives(subject: str, name: str, body: str) -> None:
    raw = build_mail(Outbound("<cs.1@acme.example>", Party("desk@acme.example", name), (ADA,), subject, body))
    mail = parse_mail(raw)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert mail.subject.split() == subject.split()
    assert mail.sender.address == "desk@acme.example"
    assert mail.to == (ADA,)
    assert (
        mail.body_text.rstrip("\n") == body.replace("\x85", "\x85").rstrip("\n")
        or mail.body_text.split() == body.split()
    )
    assert mail.external_id == "<cs.1@acme.example>"


@given(
    subject=st.text(st.characters(max_codepoint=0x2FF), max_size=60),
    name=st.text(st.characters(max_codepoint=0x2FF), max_size=40),
    local=st.text("abz.!#+-_'`{|}é\"@ ", min_size=1, max_size=12),
    domain=st.sampled_from(["acme.example", "straße.example", "a..b", "-", "localhost", "a_b.example", "A.example"]),
    body=st.text(max_size=40) | st.just("\ud800"),
)
@settings(max_examples=400, deadline=None)
def test_it_has_no_problem_with_exactly_what_can_be_built(
    subject: str, name: str, local: str, domain: str, body: str
) -> None:
    outbound = Outbound("<cs.1@acme.example>", DESK, (Party(f"{local}@{domain}", name),), subject, body)
    try:
        build_mail(outbound)
    except ChannelError:
        can_be_built = False
    else:
        can_be_built = True
    assert (SmtpAdapter("127.0.0.1", 9).problems(outbound) == []) is can_be_built


def test_it_writes_long_references_as_they_are() -> None:
    ids = tuple(f"<{letter * 150}@example.com>" for letter in "abc")
    mail = build_mail(Outbound("<cs.1@acme.example>", DESK, (ADA,), "Re", "x", in_reply_to=ids[2], references=ids))
    assert b"In-Reply-To: " + ids[2].encode() + b"\r\n" in mail
    assert b"References: " + b"\r\n ".join(id_.encode() for id_ in ids) + b"\r\n" in mail
    assert parse_mail(mail).references == (ids[2], ids[1], ids[0])


def test_it_carries_html_inline_pictures_and_files() -> None:
    files = (
        File("Größe.pdf", "application/pdf", b"%PDF-1"),
        File("logo.png", "image/png", b"\x89PNG", content_id="logo", inline=True),
        File("old.eml", "message/rfc822", b"Subject: old\n\nold"),
    )
    raw = build_mail(
        Outbound("<cs.1@acme.example>", DESK, (ADA,), "Re", "text", body_html='<img src="cid:logo">', files=files)
    )
    mail = parse_mail(raw)
    assert (mail.body_text, mail.body_html.strip()) == ("text\n", '<img src="cid:logo">')
    assert {(file.file_name, file.mime_type, file.content, file.content_id) for file in mail.files} == {
        ("Größe.pdf", "application/pdf", b"%PDF-1", ""),
        ("logo.png", "image/png", b"\x89PNG", "logo"),
        ("old.eml", "application/octet-stream", b"Subject: old\n\nold", ""),
    }


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context and the client's context that trusts it, for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "server.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    return server, ssl.create_default_context(cadata=signed.public_bytes(serialization.Encoding.PEM).decode())


def check(server: SmtpServer, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"desk", b"secret")
    return AuthResult(success=right, handled=False)


def test_it_sends_through_a_real_server_with_starttls_and_login(
    serve: Callable[..., tuple[int, Keeper]], certificate: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    theirs, ours = certificate
    port, keeper = serve(tls_context=theirs, require_starttls=True, auth_required=True, authenticator=check)
    adapter = SmtpAdapter("127.0.0.1", port, "desk", "secret", starttls=True, tls_context=ours)
    assert adapter.send(REPLY, before_handover=lambda: None).response == "250 kept"
    (envelope,) = keeper.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("desk@acme.example", ["ada@example.com", "bo@example.com"])
    assert isinstance(envelope.content, bytes)
    assert parse_mail(envelope.content).body_text == "Hello\n.\n..two dots\nbye\n"
    wrong = SmtpAdapter("127.0.0.1", port, "desk", "wrong", starttls=True, tls_context=ours)
    with pytest.raises(ChannelError) as caught:
        wrong.send(REPLY, before_handover=lambda: None)
    assert caught.value.failure is Failure.TRANSIENT
    assert len(keeper.envelopes) == 1


def test_it_sends_nothing_to_a_server_whose_certificate_is_not_trusted(
    serve: Callable[..., tuple[int, Keeper]], certificate: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    port, keeper = serve(tls_context=certificate[0])
    with pytest.raises(ChannelError) as caught:
        SmtpAdapter("127.0.0.1", port, starttls=True).send(REPLY, before_handover=lambda: None)
    assert caught.value.failure is Failure.TRANSIENT
    assert keeper.envelopes == []


def test_it_speaks_tls_from_the_first_byte(
    serve: Callable[..., tuple[int, Keeper]], certificate: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    port, keeper = serve(ssl_context=certificate[0], ready_timeout=20)
    adapter = SmtpAdapter("127.0.0.1", port, ssl=True, tls_context=certificate[1])
    adapter.send(REPLY, before_handover=lambda: None)
    assert len(keeper.envelopes) == 1


def test_it_sends_to_addresses_of_other_letters_only_where_the_server_can(
    serve: Callable[..., tuple[int, Keeper]],
) -> None:
    other = Outbound("<cs.1@acme.example>", DESK, (Party("müller@bücher.example", "Jürgen"),), "Größe", "Grüße")
    port, keeper = serve(enable_SMTPUTF8=True)
    SmtpAdapter("127.0.0.1", port).send(other, before_handover=lambda: None)
    assert keeper.envelopes[0].rcpt_tos == ["müller@xn--bcher-kva.example"]
    port, keeper = serve(enable_SMTPUTF8=False)
    with pytest.raises(ChannelError) as caught:
        SmtpAdapter("127.0.0.1", port).send(other, before_handover=lambda: None)
    assert caught.value.failure is Failure.PERMANENT
    assert keeper.envelopes == []


def test_a_mail_larger_than_the_server_takes_is_refused_before_it_is_written(
    serve: Callable[..., tuple[int, Keeper]],
) -> None:
    port, keeper = serve(data_size_limit=1000)
    large = Outbound("<cs.1@acme.example>", DESK, (ADA,), "Large", "x" * 5000)
    calls: list[str] = []
    with pytest.raises(ChannelError) as caught:
        SmtpAdapter("127.0.0.1", port).send(large, before_handover=lambda: calls.append("handover"))
    assert (caught.value.failure, calls, keeper.envelopes) == (Failure.PERMANENT, [], [])


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_demo_sink_keeps_each_mail_as_a_file_and_stops_cleanly(tmp_path: Path, ending: signal.Signals) -> None:
    command = [
        sys.executable,
        "-m",
        "config.demo.sink",
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--folder",
        str(tmp_path),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as sink:
        try:
            assert sink.stdout is not None
            port = int(sink.stdout.readline().split("127.0.0.1:")[1].split()[0])
            adapter = SmtpAdapter("127.0.0.1", port)
            receipts = [adapter.send(REPLY, before_handover=lambda: None) for _ in range(3)]
            sink.send_signal(ending)
            assert sink.wait(10) == 0
        finally:
            sink.kill()
    kept = sorted(tmp_path.iterdir())
    assert [f"250 2.0.0 OK: stored as {file.name}" for file in kept] == [receipt.response for receipt in receipts]
    assert all(parse_mail(file.read_bytes()).body_text == REPLY.body_text for file in kept)

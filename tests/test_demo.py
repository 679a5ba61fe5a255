"""The demo's own parts: the mail page and the supervisor's helpers."""

from __future__ import annotations

import asyncio
import os
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.message import EmailMessage

import pytest
from procrastinate.contrib.django.models import ProcrastinateJob

from config.demo import mailbox
from config.demo.__main__ import ROOT, Supervisor, customer, free_port, manage
from config.demo.door import serve
from config.demo.sink import store
from config.urls import urlpatterns as product
from conversations.models import Message
from conversations.tenancy import tenant_context
from drafts.desk.check_drafts import WRITE_TASK
from ingestion.models import InboundEvent
from tests.conftest import World

urlpatterns = [*product, *mailbox.urlpatterns]


def test_mail_that_left_can_be_read_in_the_browser(world: World, signed_in, settings, tmp_path) -> None:
    settings.ROOT_URLCONF, settings.DEMO_MAIL_DIR = __name__, tmp_path
    browser = signed_in(world.ada)
    assert b"No mail yet" in browser.get("/demo/mail/").content
    store(tmp_path, b"To: m@c.test\r\nSubject: Re: Hose\r\nMessage-ID: <1@desk.test>\r\n\r\nUse PTFE.\r\n")
    page = browser.get("/demo/mail/")
    assert b"Re: Hose" in page.content
    (mail,) = page.context["mails"]
    assert b"Use PTFE." in browser.get(f"/demo/mail/{mail['name']}").content
    for name in ("nothing.eml", "..%2F..%2Fetc%2Fpasswd"):
        assert browser.get(f"/demo/mail/{name}").status_code == 404


def test_the_mail_page_is_not_part_of_the_product(world: World, signed_in) -> None:
    assert signed_in(world.ada).get("/demo/mail/").status_code == 404


def test_the_printed_line_means_this_demo_wherever_its_data_are_and_wherever_it_is_typed(tmp_path) -> None:
    local = tmp_path / "it's another folder"
    environment = {name: value for name, value in os.environ.items() if name != "COUNTERSIGN_LOCAL_DIR"}
    line = manage("diffsettings", local=local)
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, env=environment, cwd="/")
    assert f"LOCAL_DIR = {local!r}" in done.stdout, done.stderr
    assert line.removesuffix("diffsettings") in customer(local=local)
    assert "COUNTERSIGN_LOCAL_DIR" not in customer(local=ROOT / ".local")


def test_the_printed_mail_is_one(tmp_path) -> None:
    printed = customer(local=tmp_path).partition(" | ")[0]
    mail = subprocess.run(["bash", "-c", printed], capture_output=True, check=True).stdout.decode()
    assert mail.startswith("From: Pat Doe <pat@example.com>\nTo: support@hotrodan.example\n")
    assert mail.endswith("\n\nHi, is PTFE hose safe with E85 on the return line?\n")


@pytest.fixture
def door(committed_world: World, attachments_dir) -> Iterator[int]:
    """The demo's mail server, in a thread of its own; its port."""
    port, loop, ready = free_port(), asyncio.new_event_loop(), threading.Event()
    stopped = asyncio.Event()

    async def run() -> None:
        loop.call_later(0.2, ready.set)
        await serve(port, stopped=stopped)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    ready.wait(10)
    yield port
    loop.call_soon_threadsafe(stopped.set)
    thread.join(10)
    assert not thread.is_alive()


def test_a_mail_client_can_be_a_customer_and_a_draft_is_asked_for(committed_world: World, door: int) -> None:
    world = committed_world
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Pat <pat@customer.test>", world.mail.external_id, "E85 hose"
    mail.set_content("Is PTFE hose safe with E85?")
    with smtplib.SMTP("127.0.0.1", door) as client:
        client.send_message(mail)
    with tenant_context(world.acme.pk):
        message = Message.objects.get()
        assert (message.conversation.subject, message.conversation.customer_email) == ("E85 hose", "pat@customer.test")
        assert InboundEvent.objects.get().recipient == world.mail.external_id
    assert ProcrastinateJob.objects.filter(
        task_name=WRITE_TASK, args__conversation_id=str(message.conversation_id)
    ).exists()


def test_the_demo_passes_no_mail_on_and_takes_none_that_is_too_large(
    committed_world: World, door: int, settings
) -> None:
    with smtplib.SMTP("127.0.0.1", door) as client:
        client.ehlo()
        client.mail("pat@customer.test")
        for address in ("somebody@elsewhere.test", "nobody@acme.test"):
            code, said = client.rcpt(address)
            assert (code, b"nothing is passed on" in said) == (550, True)
        assert client.rcpt(committed_world.mail.external_id)[0] == 250
        code, _ = client.data(b"Subject: Large\r\n\r\n" + (b"x" * 500 + b"\r\n") * (settings.MAIL_MAX_BYTES // 500))
        assert code == 552
    with tenant_context(committed_world.acme.pk):
        assert not InboundEvent.objects.exists()


def test_it_receives_mail_only_where_the_demo_runs(tmp_path) -> None:
    environment = {**os.environ, "COUNTERSIGN_LOCAL_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment |= {"DEMO": "false", "DEBUG": "true"}
    done = subprocess.run([sys.executable, "-m", "config.demo.door"], capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    assert "only where DEMO is on" in done.stderr, done.stderr


def test_a_port_that_is_taken_is_not_offered() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert free_port(taken.getsockname()[1]) != taken.getsockname()[1]


def test_a_child_that_dies_is_brought_back_and_one_that_keeps_dying_ends_all(tmp_path, capsys) -> None:
    once = tmp_path / "was-here"
    dies_once = f"import pathlib, sys, time; p = pathlib.Path({str(once)!r}); p.exists() or (p.touch(), sys.exit(3)); time.sleep(60)"
    supervisor = Supervisor(tmp_path / "logs")
    supervisor.start("web", sys.executable, "-c", dies_once, env=dict(os.environ))
    watcher = threading.Thread(target=supervisor.watch, daemon=True)
    watcher.start()
    try:
        ends = time.monotonic() + 30
        while "started again" not in capsys.readouterr().out:
            assert time.monotonic() < ends
            time.sleep(0.1)
        time.sleep(1)
        assert watcher.is_alive()
        assert supervisor.children[0].process.poll() is None
        supervisor.start("worker", sys.executable, "-c", "raise SystemExit(1)", env=dict(os.environ))
        watcher.join(timeout=60)
        assert not watcher.is_alive()
        assert "worker keeps stopping (code 1)" in capsys.readouterr().out
    finally:
        supervisor.stopping.set()
        supervisor.stop()
    assert all(child.process.poll() is not None for child in supervisor.children)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DEBUG", "ture", "DEBUG is 'ture'"),
        ("WEB_THREADS", "many", "WEB_THREADS is 'many'"),
        ("DRAFTER", "magic", "DRAFTER is 'magic'"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL"),
    ],
)
def test_a_wrong_setting_stops_the_start_and_names_itself(name: str, value: str, words: str, tmp_path) -> None:
    environment = {
        **os.environ,
        "COUNTERSIGN_LOCAL_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        name: value,
    }
    environment.pop("SECRET_KEY", None) if name == "DATABASE_URL" else None
    done = subprocess.run([sys.executable, "manage.py", "check"], capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert words in done.stderr or "SECRET_KEY is not set" in done.stderr
    assert "Traceback" not in done.stderr

"""F13: somebody else's machine answers every mail of ours, and ours answers by a lane."""

from __future__ import annotations

from unittest import mock

from procrastinate.contrib.django.models import ProcrastinateJob

from conversations.messages import outbox
from conversations.models import Account, Channel, Delivery
from conversations.tenancy import tenant_context
from drafts.desk import decisions, lanes
from drafts.models import Lane, PromptVersion
from ingestion.receive import receive_mail
from tests import factories
from tests.faults.ground import Ground, Outcome, noticed

TURNS, MAX_REPLIES = 10, 3
REPORT = (
    "multipart/report; report-type=delivery-status; boundary=b",
    "--b\r\nContent-Type: text/plain\r\n\r\nNot delivered.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Reporting-MTA: dns; mx.test\r\n\r\nFinal-Recipient: rfc822; a@b.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n",
)
#: Mail of machines, as RFC 3834 and the programs that answer by themselves mark it.
MACHINES: list[tuple[str, str]] = [
    *(("Auto-Submitted", value) for value in ("auto-replied", "auto-generated", "auto-notified")),
    *(("Precedence", value) for value in ("bulk", "junk", "auto_reply")),
    ("X-Autoreply", "yes"),
    ("X-Autorespond", "Away"),
    ("X-Auto-Reply-From", "a@b.test"),
    ("X-FC-MachineGenerated", "true"),
    *(("Subject", value) for value in ("Automatic reply: Your question", "Out of Office: back on Monday")),
    ("Return-Path", "<>"),
    ("Content-Type", REPORT[0]),
    *(("From", value) for value in ("MAILER-DAEMON@mx.test", "support@acme.test")),
]


def f13_two_desks(ground: Ground) -> Outcome:
    """A machine that answers every mail, in one thread or in new ones, marked or not: at most three replies an hour."""
    out = Outcome()
    _open_lane(ground)
    for number, (marked, threaded) in enumerate(((False, True), (False, False), (True, True))):
        out.trials += 1
        sender = f"robot-{number}@elsewhere.test"  # each with its own limit
        _check(ground, out, _loop(ground, sender=sender, marked=marked, threaded=threaded), marked=marked)
    out.trials += 1
    _check(ground, out, _loop(ground, sender="support@acme.test"), marked=True)
    for number, (name, value) in enumerate(MACHINES):
        out.trials += 1
        _no_draft_for(ground, out, number, name, value)

    def unlimited(planted: Outcome) -> None:
        ground.superuser("ALTER TABLE conversations_delivery DISABLE TRIGGER USER")
        try:
            with mock.patch.object(lanes, "_is_within_limits", lambda *_: True):
                _check(ground, planted, _loop(ground, sender="second@elsewhere.test"), marked=False)
        finally:
            ground.superuser("ALTER TABLE conversations_delivery ENABLE TRIGGER USER")

    out.control = noticed(unlimited, what="without the limits")
    out.figures = f"{len(MACHINES)} mails of machines, none asked for a draft" if not out.violations else ""
    return out


def _open_lane(ground: Ground) -> None:
    world = ground.world
    with tenant_context(world.acme.pk):
        options = {"lanes": True, "lane_reviewed": 20, "lane_bound": 0.7, "hold_seconds": 0}
        Account.objects.filter(pk=world.acme.pk).update(settings=options)
        metadata = Channel.objects.get(pk=world.mail.pk).metadata
        Channel.objects.filter(pk=world.mail.pk).update(metadata={**metadata, "authserv_id": "mx.acme.test"})
        PromptVersion.objects.create(account=world.acme, key="reply", version=1, text="Be kind.", status="active")
    for number in range(20):
        mail = factories.message(world.mail, authentication=factories.PROVED, subject=f"Evidence {number}")
        draft = factories.draft(mail, intent="compatibility")
        with tenant_context(world.acme.pk):
            read = decisions.Attention(viewed_ms=60_000)
            decisions.approve(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), attention=read)
    with tenant_context(world.acme.pk):
        lane = lanes.open_lane(
            account_id=world.acme.pk, actor=world.dan, intent="compatibility", channel_id=world.mail.pk,
            prompt_label="reply-v1", model_key="offline",
        )  # fmt: skip
        Lane.objects.filter(pk=lane.pk).update(sampling_rate=0)


def _mail(number: int, sender: str, *lines: str) -> bytes:
    head = [
        "Authentication-Results: mx.acme.test; spf=pass smtp.mailfrom=elsewhere.test; dkim=pass header.d=elsewhere.test;"
        " dmarc=pass header.from=elsewhere.test",
        f"From: {sender}",
        "To: support@acme.test",
        f"Message-ID: <loop-{number}-{abs(hash((sender, lines))) % 10**9}@elsewhere.test>",
        *lines,
    ]
    return ("\r\n".join(head) + f"\r\n\r\nDoes PTFE hose work with E85? Turn {number}.\r\n").encode()


def _loop(ground: Ground, *, sender: str, marked: bool = False, threaded: bool = True) -> int:
    """How many replies no person approved left for this correspondent, who answers each of them."""
    world = ground.world
    reply_to = ""
    before = _automatic(ground)
    for number in range(TURNS):
        lines = ["Auto-Submitted: auto-replied"] if marked else []
        lines += [f"In-Reply-To: {reply_to}", f"References: {reply_to}", "Subject: Re: E85"] if reply_to and threaded else [f"Subject: E85, {number}"]  # fmt: skip
        got = receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=_mail(number, sender, *lines))
        if got.message is None or got.message.is_automatic:
            break
        draft = factories.draft(got.message, intent="compatibility")
        with tenant_context(world.acme.pk):
            action = lanes.consider(draft_id=draft.pk)
        if action is None:
            break
        ground.due()
        with tenant_context(world.acme.pk):
            delivery = Delivery.objects.get(draft_id=draft.pk)
        outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk)
        reply_to = delivery.idempotency_key
    return _automatic(ground) - before


def _automatic(ground: Ground) -> int:
    with tenant_context(ground.world.acme.pk):
        return Delivery.objects.filter(is_automatic=True).count()


def _check(ground: Ground, out: Outcome, left: int, *, marked: bool) -> None:
    out.must(left <= (0 if marked else MAX_REPLIES), f"{left} automatic replies left before it ended")
    if not marked and left == 0:
        out.violations.append("the lane answered nobody, so no loop was tried")


def _no_draft_for(ground: Ground, out: Outcome, number: int, name: str, value: str) -> None:
    world = ground.world
    sender = value if name == "From" else f"machine-{number}@elsewhere.test"
    lines = [] if name == "From" else [f"{name}: {value}"]
    lines += [] if name == "Subject" else [f"Subject: Machine {number}"]
    raw = _mail(number, sender, *lines)
    if name == "Content-Type":
        raw = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + REPORT[1].encode()
    before = _asked()
    got = receive_mail(account_id=world.acme.pk, channel_id=world.mail.pk, raw=raw)
    out.must(_asked() == before, f"a machine's mail ({name}: {value}) asked for a draft")
    out.must(got.message is None or got.message.is_automatic, f"{name}: {value} was taken for a person's")


def _asked() -> int:
    return ProcrastinateJob.objects.filter(task_name="drafts.write").count()

"""F8 and F12: what arrives twice, out of order, unsigned or too large; and mails that break readers."""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
from django.conf import settings
from django.db import connection

from conversations.errors import Invalid
from conversations.models import Channel, Message
from conversations.tenancy import tenant_context
from ingestion.models import InboundEvent
from ingestion.receive import receive_mail
from tests.faults.ground import Ground, Outcome, noticed

CORPORA = Path(settings.BASE_DIR).parent / "shared" / "corpora"
RATE = 20  # requests a second


def f08_repeated_shuffled_and_bad(ground: Ground) -> Outcome:
    """A service posts messages of which a third comes twice, in any order, beside bad tokens, bad bodies and huge ones."""
    number = ground.count(1000, 60)
    out = Outcome()
    token = ground.token()
    conversations = [str(draft.conversation_id) for draft in ground.drafts(10)]
    good = [(conversations[n % 10], {"external_id": f"e-{n}", "body_text": f"Event {n}"}) for n in range(number)]
    requests: list[tuple[str, Any, str, int]] = [(where, body, token, 201) for where, body in good]
    requests += [(where, body, token, 200) for where, body in ground.chance.sample(good, number * 3 // 10)]
    for _ in range(number // 20):
        where, body = ground.chance.choice(good)
        requests.append((where, {**body, "external_id": "bad"}, "cs_aaaaaaaaaaaa_" + "b" * 43, 401))
    for _ in range(number // 50):
        requests.append((conversations[0], b'{"external_id": "x", "body_te', token, 422))
        requests.append((conversations[0], {"external_id": "huge", "body_text": "x" * 1_200_000}, token, 413))
    ground.chance.shuffle(requests)
    out.trials = len(requests)
    waits: list[float] = []
    answers: Counter[str] = Counter()
    connection.close()
    with ground.serving() as server, httpx2.Client(base_url=server.url, timeout=20) as service:

        def ask(where: str, body: Any, secret: str) -> int:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
            url = f"/internal/conversations/{where}/messages"
            return int(service.post(url, content=content, headers=headers).status_code)

        # A server reads modules and plans statements with the first requests of a kind: that is its start, not this rate.
        for first in (
            {"external_id": "first", "body_text": "First"},
            b"{",
            {"external_id": "first", "body_text": "First"},
        ):
            ask(conversations[0], first, token)
        started = time.monotonic()

        def post(at: int) -> None:
            where, body, secret, expected = requests[at]
            time.sleep(max(0.0, started + at / RATE - time.monotonic()))
            began = time.monotonic()
            status = ask(where, body, secret)
            waits.append(time.monotonic() - began)
            group = "stored" if expected in {200, 201} else str(expected)
            answers[f"{group} {status}"] += 1
            allowed = {200, 201} if expected in {200, 201} else {400, 422} if expected == 422 else {expected}
            out.must(status in allowed, f"a request that must be {sorted(allowed)} was answered {status}")

        with ThreadPoolExecutor(max_workers=8) as crowd:
            list(crowd.map(post, range(len(requests))))

    def check(found: Outcome) -> None:
        with tenant_context(ground.world.acme.pk):
            stored = Counter(Message.objects.filter(external_id__startswith="e-").values_list("body_text", flat=True))
            others = Message.objects.filter(external_id__in=["bad", "huge", "x"]).count()
        found.must(len(stored) == number, f"{number - len(stored)} messages are missing")
        found.must(set(stored.values()) <= {1}, "a message was stored twice")
        found.must(not others, f"{others} messages of bad requests were stored")

    check(out)
    p95 = statistics.quantiles(waits, n=20)[-1]
    out.must(max(waits) < 3, f"the slowest took {max(waits):.1f} s")
    if os.getloadavg()[0] < 4:  # else it says more of what else runs here
        out.must(p95 < 0.5, f"p95 {p95 * 1e3:.0f} ms")
    out.figures = f"p95 {p95 * 1e3:.0f} ms, slowest {max(waits) * 1e3:.0f} ms at {RATE} a second"

    def twice(planted: Outcome) -> None:
        ground.superuser("UPDATE conversations_message SET body_text = 'Event 1' WHERE external_id = 'e-2'")
        check(planted)

    out.control = noticed(twice, what="one message planted twice")
    return out


def _mail(subject: str, body: bytes, kind: str = "text/plain") -> bytes:
    head = (
        f"From: Pat Doe <pat-{abs(hash(subject)) % 10**6}@example.com>\r\nTo: support@acme.test\r\nSubject: {subject}\r\n"
        f"Message-ID: <{abs(hash(subject))}@example.com>\r\nMIME-Version: 1.0\r\nContent-Type: {kind}; charset=utf-8\r\n\r\n"
    )
    return head.encode() + body


def poison() -> dict[str, bytes]:
    """Mails that have stopped other desks: deep, wide, endless, huge, and cut short."""
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(10_000))
    links = "".join(f'<a href="https://example.com/{n}">x{n}</a> ' for n in range(20_000)).encode()
    return {
        "10,000 nested parts": b"From: a@example.com\r\nTo: support@acme.test\r\nSubject: deep\r\nMIME-Version: 1.0\r\n"
        + nested,
        "20,000 links": _mail("links", links, "text/html"),
        "100,000 divs": _mail("divs", b"<div>" * 100_000 + b"deep" + b"</div>" * 100_000, "text/html"),
        "200,000 attributes": _mail(
            "attributes", b"<p %s>" % b" ".join(b"a%d" % n for n in range(200_000)), "text/html"
        ),
        "80,000 forwards": _mail("forwards", b"-----Original Message-----\r\n" * 80_000),
        "50 MB": _mail("large", b"A line of a long text.\r\n" * 2_080_000),
        "one endless line": _mail("line", b"> " * 500_000),
        "no headers": b"\xff\xfe\x00\x00" * 1000,
        "only headers": b"From: a@example.com\r\nSubject: no end",
        "100,000 headers": b"".join(b"X-Header-%d: y\r\n" % n for n in range(100_000)) + b"\r\nbody",
        "an unknown charset": _mail("charset", b"h\xf6se", "text/plain; charset=x-nope"),
        "empty": b"",
    }


def f12_poison(ground: Ground) -> Outcome:
    """Every mail of the corpora and twelve poisoned ones: each is kept, in ten seconds, and the next one is read."""
    mails = (
        {str(path.relative_to(CORPORA)): path for path in sorted(CORPORA.rglob("*.eml"))} if CORPORA.exists() else {}
    )
    chosen = ground.chance.sample(sorted(mails), ground.count(len(mails), min(40, len(mails))))
    batch = [(name, mails[name].read_bytes()) for name in chosen] + list(poison().items())
    ground.chance.shuffle(batch)
    out = Outcome(trials=len(batch))
    with tenant_context(ground.world.acme.pk):  # the caps of a flood are tried elsewhere
        limits = {"sender_per_hour": 100_000, "mails_per_hour": 100_000}
        Channel.objects.filter(pk=ground.world.mail.pk).update(metadata={**ground.world.mail.metadata, **limits})
    slowest = ("", 0.0)
    kept: list[tuple[str, Any]] = []
    before = _children_peak()
    for name, raw in batch:
        began = time.monotonic()
        try:
            found = receive_mail(account_id=ground.world.acme.pk, channel_id=ground.world.mail.pk, raw=raw)
            kept.append((name, found.event.pk))
        except Invalid as refusal:
            out.must(not raw.strip(), f"{name}: {refusal}")  # an empty mail is refused to its sender
        except Exception as error:
            out.violations.append(f"{name}: {error!r}"[:300])
        took = time.monotonic() - began
        slowest = max(slowest, (name, took), key=lambda each: each[1])
        if os.getloadavg()[0] < 4:  # else it says more of what else runs here
            out.must(took <= 10, f"{name} took {took:.1f} s")

    def check(found: Outcome) -> None:
        with tenant_context(ground.world.acme.pk):
            states = dict(InboundEvent.objects.values_list("pk", "status"))
        for name, pk in kept:
            found.must(states.get(pk) not in {None, "received"}, f"{name} is {states.get(pk, 'lost')}")

    check(out)
    with tenant_context(ground.world.acme.pk):
        found = Counter(InboundEvent.objects.values_list("status", flat=True))
    peak = _children_peak()
    out.figures = f"{dict(found)}; slowest {slowest[0]}: {slowest[1]:.1f} s; memory at most {peak / 1024:.0f} MB ({before / 1024:.0f} before)"

    def lost(planted: Outcome) -> None:
        ground.superuser(f"DELETE FROM ingestion_inboundevent WHERE id = '{kept[0][1]}'")
        check(planted)

    out.control = noticed(lost, what="one event removed by hand")
    return out


def _children_peak() -> int:
    """Kilobytes that this process had at most so far (getrusage(2) on Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

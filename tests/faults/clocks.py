"""F10: a web server whose clock is ten minutes ahead and a worker whose clock is an hour behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from django.conf import settings

from conversations.models import Delivery, Message
from conversations.tenancy import tenant_context
from drafts.models import Hold
from tests.faults.ground import DATABASE, Ground, Outcome, noticed, wait_until
from tests.faults.killed import form

#: What a second process says that takes over with its own clock, as every process did before.
CONTROL = """
import os, sys, uuid
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django; django.setup()
from django.conf import settings
settings.DATABASES["default"].update(HOST=sys.argv[1], NAME=sys.argv[2], USER="app_rw")
from django.utils import timezone
from conversations.database import database_time
database_time.now = timezone.now
from conversations.errors import Locked
from conversations.tenancy import tenant_context
from conversations.models import User
from drafts.desk import editing
with tenant_context(sys.argv[3]):
    try:
        editing.claim(draft_id=uuid.UUID(sys.argv[4]), actor=User.objects.get(pk=sys.argv[5]))
        print("taken over")
    except Locked:
        print("locked")
"""


def f10_wrong_clocks(ground: Ground) -> Outcome:
    """Web ten minutes ahead, worker an hour behind: nothing is taken over or sent early, and the order holds."""
    ahead, behind = _faked("+10m"), _faked("-1h")
    if not ahead:
        return Outcome(skipped="faketime is not installed")
    out = Outcome(trials=ground.count(20, 4))
    world = ground.world
    drafts = ground.drafts(out.trials)
    with (
        ground.serving() as right,
        ground.serving(**ahead) as wrong,
        ground.working(**behind),
        httpx2.Client(base_url=right.url, cookies=ground.cookie(world.ada), timeout=20) as ada,
        httpx2.Client(base_url=wrong.url, cookies=ground.cookie(world.dan), timeout=20) as dan,
    ):
        said = dan.get("/healthz").headers.get("date", "")
        for draft in drafts:
            url, fields = form(ada, draft)
            claim = url.replace("/approve/", "/claim/")
            out.must(ada.post(claim, data=fields).status_code < 400, "the conversation could not be held")
            status = dan.post(claim, data=form(dan, draft)[1], headers={"HX-Request": "true"}).status_code
            out.must(status == 423, f"the web ahead answered {status}: it took the conversation over")
        with tenant_context(world.acme.pk):
            out.must(set(Hold.objects.values_list("user_id", flat=True)) == {world.ada.pk}, "somebody else holds it")
        early = 0
        for draft in drafts:
            url, fields = form(ada, draft)
            out.must(ada.post(url, data=fields, headers={"HX-Request": "true"}).status_code == 200, "not approved")
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with tenant_context(world.acme.pk):
                rows = list(Delivery.objects.values_list("status", "hold_until", "sent_at"))
            early += sum(
                1 for status, hold, sent in rows if status != "held" and hold > datetime.now(UTC) + timedelta(seconds=1)
            )
            if all(status == "sent" for status, _, _ in rows):
                break
            time.sleep(0.5)
        out.must(not early, f"{early} replies left before their undo window was over")
        out.must(
            wait_until(lambda: _all_sent(ground), 5), f"the worker behind did not send: {[row[0] for row in rows][:5]}"
        )
        out.must(
            all(abs(sent - datetime.now(UTC)) < timedelta(minutes=3) for _, _, sent in rows if sent), "sent_at is wrong"
        )
        _order(ground, right.url, wrong.url, out)
    ground.check_sent(out)
    out.figures = f"the wrong server's own Date: {said or 'not sent'}"

    def own_clock(planted: Outcome) -> None:
        draft = ground.drafts(1)[0]
        from drafts.desk import editing

        with tenant_context(world.acme.pk):
            editing.claim(draft_id=draft.pk, actor=world.ada)
        found = subprocess.run(
            [sys.executable, "-c", CONTROL, str(ground.cluster.socket_dir), DATABASE, str(world.acme.pk), str(draft.pk), str(world.dan.pk)],
            cwd=settings.BASE_DIR, env={**os.environ, **ahead}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert found.returncode == 0, found.stderr[-2000:]
        planted.must("taken over" not in found.stdout, "a process with a clock of its own took the conversation over")

    out.control = noticed(own_clock, what="the machine's clock instead of the database's")
    return out


def _faked(by: str) -> dict[str, str]:
    """The environment of a process whose clock is wrong by so much; the timer since boot is as it was. {}: not to be had."""
    found = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    if found is None:
        return {}
    return {"LD_PRELOAD": str(found), "FAKETIME": by, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1"}


def _all_sent(ground: Ground) -> bool:
    with tenant_context(ground.world.acme.pk):
        return set(Delivery.objects.values_list("status", flat=True)) == {"sent"}


def _order(ground: Ground, right: str, wrong: str, out: Outcome) -> None:
    """Messages of one thread that arrive by the two servers in turn are in the order in which they came."""
    headers = {"Authorization": f"Bearer {ground.token()}"}
    conversation = ground.drafts(1)[0].conversation_id
    for number in range(10):
        with httpx2.Client(base_url=(right, wrong)[number % 2], headers=headers, timeout=20) as service:
            answer = service.post(
                f"/internal/conversations/{conversation}/messages",
                json={"external_id": f"order-{number}", "body_text": f"{number}"},
            )
            out.must(answer.status_code == 201, f"a message was answered {answer.status_code}")
    with tenant_context(ground.world.acme.pk):
        rows = Message.objects.filter(conversation_id=conversation, external_id__startswith="order-")
        for order in ("received_at", "pk", "seq", "created_at"):
            found = [body for (body,) in rows.order_by(order).values_list("body_text")]
            out.must(found == [str(n) for n in range(10)], f"by {order} the order is {found}")

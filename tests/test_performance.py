from __future__ import annotations
import json, time
from conversations.tenancy import tenant_context
from conversations.roles import Role
from django.db import connection
from drafts.demo import bulk
from drafts import queue
from drafts.queue import Filters
from drafts.models import Draft
from tests.asserts import counted
from config.postgres import SUPERUSER

def explain(sql):
    with connection.cursor() as c:
        c.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql)
        return c.fetchone()[0][0]
def bufs(p): return p["Plan"]["Shared Hit Blocks"] + p["Plan"]["Shared Read Blocks"]
def nodes(n, d=0):
    yield d, n
    for c in n.get("Plans", []): yield from nodes(c, d+1)


import pytest, uuid
from datetime import timedelta
from django.utils import timezone
from drafts.models import Claim
from tests import factories
def variant_a(f, user, after=""):
    page = queue.waiting(f, user)
    if place := queue._place(after, f.sort): page = page.filter(queue._beyond(queue.SORTS[f.sort][1], place))
    return list(page.annotate(claim=queue.FilteredRelation("conversation__claims", condition=queue.Q(conversation__claims__lease_until__gt=timezone.now())), claimed_name=queue.F("claim__user__display_name"), claimed_email=queue.F("claim__user__email"), snippet=queue.Left(queue.Coalesce(queue.NullIf("base_message__body_new", queue.Value("")), "base_message__body_text"), 160)).values(*queue.ROW_FIELDS, "claimed_name", "claimed_email", "snippet")[:51])
RAW = """SELECT d.*, c.subject, c.title, c.customer_name, c.customer_email, ch.type, ch.name, u.display_name, u.email, left(coalesce(nullif(m.body_new, ''), m.body_text), 160) AS snippet
FROM (SELECT id, due_at, created_at, unsourced_count, is_about_money, needs_human, snoozed_until, conversation_id, base_message_id FROM drafts_draft WHERE status = 'pending' AND (snoozed_until IS NULL OR snoozed_until <= now()) ORDER BY due_at, id LIMIT 51) d
JOIN conversations_conversation c ON c.id = d.conversation_id JOIN conversations_message m ON m.id = d.base_message_id LEFT JOIN conversations_channel ch ON ch.id = c.channel_id
LEFT JOIN drafts_claim k ON k.conversation_id = c.id AND k.lease_until > now() LEFT JOIN conversations_user u ON u.id = k.user_id ORDER BY d.due_at, d.id"""
@pytest.mark.parametrize("claims", [0, 3])
@pytest.mark.parametrize("first", ["acme", "globex", "both"])
def test_explore(committed_world, signed_in, cluster, first, claims):
    w = committed_world
    out = open("/tmp/explore/buf3.txt", "a")
    def p(*a): print(*a, file=out, flush=True)
    big = lambda n: bulk.add_conversations(account_id=w.acme.pk, channel_id=w.mail.pk, size=n, pending_every=10)
    small = lambda n: bulk.add_conversations(account_id=w.globex.pk, channel_id=w.other_mail.pk, size=n, pending_every=10)
    if first == "acme": big(20000); small(600)
    if first == "globex": small(600); big(20000)
    if first == "both":
        for i in range(4): big(5000); small(150)
    for n in range(20):
        factories.person(f"p{n}", w.acme, "reviewer")
    for acc, user in ((w.acme, w.ada), (w.globex, w.eve)):
        with tenant_context(acc.pk):
            for d in queue.waiting(Filters(), user)[:claims]:
                Claim.objects.create(account=acc, conversation_id=d.conversation_id, user=user, lease_until=timezone.now()+timedelta(minutes=2))
    with cluster.connect("countersign_test", SUPERUSER) as s: s.execute("VACUUM ANALYZE")
    for acc, user in ((w.acme, w.ada), (w.globex, w.eve)):
        with tenant_context(acc.pk):
            f = Filters()
            n = Draft.objects.in_queue().count()
            row = queue.waiting(f, user).values("due_at", "id")[max(0, n-52)]
            line = []
            for after in ("", queue._cursor("", row)):
                with counted() as q: rows, _ = queue.feed(f, user, after=after)
                line.append(bufs(explain(q[-1]["sql"])))
                with counted() as q: rows = variant_a(f, user, after)
                line.append(bufs(explain(q[-1]["sql"])))
            line.append(bufs(explain(RAW)))
            p(first, claims, acc.slug, "feed", line[0], line[2], "unfenced", line[1], line[3], "raw fenced", line[4])

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


IDX = """
CREATE INDEX x1 ON drafts_draft (account_id, id) WHERE status = 'pending';
CREATE INDEX x2 ON drafts_draft (account_id, unsourced_count, due_at, id) WHERE status = 'pending';
CREATE INDEX x3 ON drafts_draft (account_id, snoozed_until) WHERE status = 'pending' AND snoozed_until IS NOT NULL;
CREATE INDEX x4 ON drafts_draft (account_id) WHERE status = 'pending' AND (unsourced_count > 0 OR is_about_money OR NOT (needs_human = '[]'::jsonb));
"""
def test_explore(committed_world, signed_in, cluster):
    w = committed_world
    out = open("/tmp/explore/buf2.txt", "w")
    def p(*a): print(*a, file=out, flush=True)
    bulk.add_conversations(account_id=w.acme.pk, channel_id=w.mail.pk, size=20000, pending_every=10)
    bulk.add_conversations(account_id=w.globex.pk, channel_id=w.other_mail.pk, size=600, pending_every=10)
    with cluster.connect("countersign_test", SUPERUSER) as s:
        s.execute("SET session_replication_role = replica")
        n = s.execute("UPDATE drafts_draft SET status='expired' WHERE status='pending' AND account_id=%s AND id < 'c0000000-0000-0000-0000-000000000000'", [w.acme.pk]).rowcount
        n = s.execute("UPDATE drafts_draft SET status='pending' WHERE account_id=%s AND id > 'e8000000-0000-0000-0000-000000000000'", [w.acme.pk]).rowcount
    for step in ("as is", "indexes"):
        with cluster.connect("countersign_test", SUPERUSER) as s:
            if step == "indexes":
                for x in IDX.strip().split(";"):
                    if x.strip(): s.execute(x)
            s.execute("VACUUM ANALYZE")
        for acc, user in ((w.acme, w.ada), (w.globex, w.eve)):
            with tenant_context(acc.pk):
                n = Draft.objects.in_queue().count()
                for sort in ("", "oldest", "sourced"):
                    f = Filters(sort=sort)
                    with counted() as q: rows, _ = queue.feed(f, user)
                    plan = explain(q[-1]["sql"])
                    p("feed", step, acc.slug, "pending", n, sort or "due", "buffers", bufs(plan), "ms", round(plan["Execution Time"],2))
                for show in ("care", "snoozed", "mine"):
                    f = Filters(show=show)
                    with counted() as q: rows, _ = queue.feed(f, user)
                    plan = explain(q[-1]["sql"])
                    p("feed", step, acc.slug, "pending", n, show, "rows", len(rows), "buffers", bufs(plan), "ms", round(plan["Execution Time"],2))
                with counted() as q: queue.summary(acc.pk, user, Role.REVIEWER)
                plan = explain(q[-1]["sql"])
                p("summary", step, acc.slug, bufs(plan), round(plan["Execution Time"],2), round(plan["Planning Time"],2))
                for d, nd in nodes(plan["Plan"]):
                    if nd.get("Relation Name")=="drafts_draft" or nd["Node Type"].startswith("Bitmap Ind"): p("   "*(d+1), nd["Node Type"], nd.get("Relation Name",""), nd.get("Index Name",""), "rows", nd["Actual Rows"], "loops", nd["Actual Loops"], "removed", nd.get("Rows Removed by Filter",0), "buf", nd["Shared Hit Blocks"]+nd["Shared Read Blocks"], nd.get("Filter", "")[:80])

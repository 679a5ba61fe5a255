from __future__ import annotations

from bs4 import BeautifulSoup

from config.postgres import SUPERUSER
from conversations.tenancy import tenant_context
from drafts.demo import bulk
from drafts.models import Draft
from tests.asserts import counted


def test_explore(committed_world, signed_in, cluster):
    w = committed_world
    bulk.add_conversations(account_id=w.acme.pk, channel_id=w.mail.pk, size=2000, pending_every=10)
    bulk.add_conversations(account_id=w.globex.pk, channel_id=w.other_mail.pk, size=60, pending_every=10)
    with cluster.connect("countersign_test", SUPERUSER) as s:
        s.execute("VACUUM ANALYZE")
    c = signed_in(w.ada)
    c.get("/queue/")
    with counted() as q:
        r = c.get("/queue/")
    out = open("/tmp/explore/queue.txt", "w")
    for x in q:
        print(x["sql"], "\n", file=out)
    with tenant_context(w.acme.pk):
        d = Draft.objects.filter(status="pending").order_by("due_at", "id").first()
    pane = BeautifulSoup(c.get(f"/drafts/{d.pk}/").content, "html.parser")
    data = {
        f["name"]: f["value"] for f in pane.select("#decide > input[type=hidden]") if f["name"] != "csrfmiddlewaretoken"
    }
    data |= {"have": "0", "want": ""}
    out = open("/tmp/explore/approve.txt", "w")
    with counted() as q:
        r = c.post(f"/drafts/{d.pk}/approve/", data, headers={"HX-Request": "true"})
    print(r.status_code, file=out)
    for x in q:
        print(x["sql"][:1500], "\n", file=out)
    out = open("/tmp/explore/timeline.txt", "w")
    with counted() as q:
        r = c.get(f"/conversations/{d.conversation_id}/timeline/")
    print(r.status_code, file=out)
    for x in q:
        print(x["sql"][:1500], "\n", file=out)

"""Every role before every page: what it lacks is absent from the page and refused by the server.

The table names role x verb for each address that changes something; a new address that is not in it fails here.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from bs4 import BeautifulSoup
from bs4.element import Tag
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, resolve, reverse
from django.utils import timezone

from conversations.channels.base import Automatic, File, Party
from conversations.customers import merging as customers
from conversations.models import Account, Delivery, Note, Notification, PolicyRule, User
from conversations.people.roles import Verb
from conversations.tenancy import tenant_context
from drafts.answers import goldens
from drafts.desk import decisions, editing, handover, life, merging, spam
from drafts.learning import prompts
from drafts.models import Draft, Golden, SavedView, Snippet
from ingestion.knowledge.index import index_document
from ingestion.models import JobRun, Site, SourceDocument
from tests import factories
from tests.asserts import assert_nothing_written
from tests.conftest import World
from tests.test_isolation_walk import filled

ROLES = {"agent": "cy", "reviewer": "ada", "admin": "dan", "auditor": "bo"}
DECIDERS, REVIEWERS, ADMINS = "agent reviewer admin", "reviewer admin", "admin"
EVERYBODY = "agent reviewer admin auditor"

#: Address -> (verb, the roles that have it as shipped). Verb "own": one's own things, which no rule takes away.
TABLE: dict[str, tuple[str, str]] = {
    "conversations:notices": ("own", DECIDERS),  # marking as read; auditors change nothing
    "conversations:choose-notices": ("own", EVERYBODY),
    "conversations:preferences": ("own", EVERYBODY),
    "conversations:profile": ("own", EVERYBODY),
    "conversations:keys": ("own", EVERYBODY),
    "conversations:switch": ("own", EVERYBODY),
    "conversations:own-tokens": ("assist", DECIDERS),
    "conversations:end-own-token": ("assist", DECIDERS),
    "conversations:chats": ("assist", DECIDERS),
    "drafts:decide-action": ("assist", DECIDERS),  # and what its tool needs: tests/drafts/test_tools.py
    "propose settings": ("propose", REVIEWERS),  # the same address, for the tools of the configuration
    "drafts:upload-configuration": ("manage", ADMINS),
    "drafts:keep-configuration": ("manage", ADMINS),
    "drafts:propose-difference": ("propose", REVIEWERS),
    "conversations:say": ("assist", DECIDERS),
    "conversations:change-chat": ("assist", DECIDERS),
    "conversations:stop-turn": ("assist", DECIDERS),
    "conversations:ask-again": ("assist", DECIDERS),
    "conversations:assistant-of": ("assist", DECIDERS),
    "drafts:start-practice": ("assist", DECIDERS),
    "drafts:answer-practice": ("assist", DECIDERS),
    "drafts:end-practice": ("assist", DECIDERS),
    "drafts:new-scenario": ("manage", ADMINS),
    "drafts:scenario": ("manage", ADMINS),
    "drafts:change-scenario": ("manage", ADMINS),
    "conversations:invitation": ("own", EVERYBODY),  # for whoever holds its link
    "conversations:channel-test": ("own", EVERYBODY),  # the same: the link in a test mail
    "drafts:views": ("own", DECIDERS),
    "drafts:remove-view": ("own", DECIDERS),
    "drafts:snippets": ("edit", DECIDERS),
    "drafts:remove-snippet": ("edit", DECIDERS),
    "drafts:share-view": ("own", DECIDERS),
    "drafts:approve": ("approve", DECIDERS),  # agents: see `may_approve`
    "drafts:edit": ("edit", DECIDERS),
    "drafts:keep": ("edit", DECIDERS),
    "drafts:readdress": ("edit", DECIDERS),
    "drafts:files": ("edit", DECIDERS),
    "drafts:format": ("edit", DECIDERS),
    "drafts:new": ("edit", DECIDERS),
    "drafts:forward": ("edit", DECIDERS),
    "drafts:reject": ("reject", DECIDERS),
    "drafts:reopen": ("reject", DECIDERS),
    "drafts:regenerate": ("regenerate", DECIDERS),
    "conversations:by-a-person": ("regenerate", DECIDERS),
    "conversations:fetch-files": ("edit", DECIDERS),
    "drafts:snooze": ("snooze", DECIDERS),
    "drafts:claim": ("claim", DECIDERS),
    "drafts:release": ("claim", DECIDERS),
    "drafts:handover": ("claim", DECIDERS),
    "drafts:ask": ("claim", DECIDERS),
    "drafts:give": ("claim", DECIDERS),
    "drafts:hold-on": ("claim", DECIDERS),
    "take over": ("take_over", REVIEWERS),  # drafts:claim with `take_over`
    "drafts:answered-elsewhere": ("answer_elsewhere", DECIDERS),
    "drafts:no-answer": ("close", DECIDERS),
    "drafts:write": ("edit", DECIDERS),
    "drafts:discard": ("edit", DECIDERS),
    "drafts:answered": ("answer_elsewhere", DECIDERS),
    "drafts:close": ("close", DECIDERS),
    "drafts:reopen-conversation": ("close", DECIDERS),
    "drafts:assign": ("assign", DECIDERS),
    "drafts:owe": ("assign", DECIDERS),
    "drafts:note": ("note", DECIDERS),
    "drafts:tag": ("tag", DECIDERS),
    "drafts:merge": ("merge", DECIDERS),
    "drafts:spam": ("block", DECIDERS),
    "drafts:watch": ("watch", DECIDERS),
    "drafts:unblock": ("block", DECIDERS),
    "drafts:unmerge": ("merge", DECIDERS),
    "drafts:remove-note": ("note", DECIDERS),
    "drafts:snooze-conversation": ("snooze", DECIDERS),
    "conversations:merge-customer": ("assign", DECIDERS),
    "conversations:split-customer": ("assign", DECIDERS),
    "drafts:erase-customer": ("manage", ADMINS),
    "drafts:undo": ("undo", DECIDERS),
    "drafts:release-delivery": ("undo", DECIDERS),
    "drafts:resolve-delivery": ("resolve_delivery", REVIEWERS),
    "drafts:batch": ("batch_approve", REVIEWERS),
    "drafts:many-close": ("close", DECIDERS),
    "drafts:many-assign": ("assign", DECIDERS),
    "drafts:many-snooze": ("snooze", DECIDERS),
    "drafts:many-tag": ("tag", DECIDERS),
    "drafts:timeline-export": ("export_audit", "admin auditor"),
    "drafts:add-golden": ("decide_goldens", REVIEWERS),
    "drafts:edit-golden": ("decide_goldens", REVIEWERS),
    "drafts:decide-golden": ("decide_goldens", REVIEWERS),
    "drafts:add-prompt": ("manage", ADMINS),
    "drafts:decide-prompt": ("manage", ADMINS),
    "drafts:open-lane": ("manage", ADMINS),
    "drafts:shut-lane": ("manage", ADMINS),
    "ingestion:upload": ("run_jobs", ADMINS),
    "ingestion:add-site": ("run_jobs", ADMINS),
    "drafts:export-trail": ("export_audit", "admin auditor"),
    "drafts:export-corrections": ("export_samples", REVIEWERS),
    "ingestion:crawl": ("run_jobs", ADMINS),
    "ingestion:change-site": ("run_jobs", ADMINS),
    "ingestion:remove-site": ("run_jobs", ADMINS),
    "ingestion:decide-document": ("run_jobs", ADMINS),
    "ingestion:cancel-job": ("run_jobs", ADMINS),
    "ingestion:run-corrections": ("run_jobs", ADMINS),
    "ingestion:retry-job": ("retry_jobs", REVIEWERS),
    "ingestion:retry-inbound": ("handle_inbound", REVIEWERS),
    "ingestion:set-aside-inbound": ("handle_inbound", REVIEWERS),
    "ingestion:make-inbound": ("handle_inbound", REVIEWERS),
    "ingestion:all-inbound": ("handle_inbound", REVIEWERS),
}
#: Controls of states that are not in the scene (fifty decisions, an endless hold, a second account); their refusals are.
RARE = {
    "conversations:invitation",
    "conversations:channel-test",
    "drafts:open-lane",
    "drafts:shut-lane",
    "drafts:release-delivery",
    "conversations:switch",
    # Of a person's own chats, whose page is not in the scene: tests/conversations/test_chat_pages.py
    "conversations:chats",
    "conversations:say",
    "conversations:change-chat",
    "conversations:stop-turn",
    "conversations:ask-again",
    "conversations:assistant-of",  # its forms are on the panel that a link leads to
    # On the page of a person's tokens: tests/conversations/test_own_token_pages.py
    "conversations:own-tokens",
    "conversations:end-own-token",
    # Of practice, where there is a scenario: tests/drafts/test_practice_pages.py
    "drafts:start-practice",
    "drafts:answer-practice",
    "drafts:end-practice",
    "drafts:new-scenario",
    "drafts:scenario",
    "drafts:change-scenario",
    # A card's own buttons, where there is a card: tests/drafts/test_action_pages.py
    "drafts:decide-action",
    "propose settings",
    # Of the configuration's page, which is not in the scene: tests/drafts/test_configuration_page.py
    "drafts:upload-configuration",
    "drafts:keep-configuration",
    "drafts:propose-difference",
}
#: What only who may read sees: a customer's words, and words of drafts and of what became of them.
QUESTION = "Hello, which hose may I take?"
TEXTS = (QUESTION, "Hi Marcus", "We refund 20 USD", "A picture of it")
#: Forms that are opened by a link, and commands of the palette.
ASKS = {
    "edit": "drafts:edit", "reject": "drafts:reject", "redraft": "drafts:regenerate", "snooze": "drafts:snooze",
    "handover": "drafts:handover", "undo": "drafts:undo",
}  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """An account's own answers over the table."""

    agent_approval: str = "sourced"
    rules: tuple[tuple[str, str, bool], ...] = ()

    def allows(self, role: str, name: str) -> bool:
        verb, roles = TABLE[name]
        return {(r, v): a for r, v, a in self.rules}.get((role, verb), role in roles.split())

    def may_approve(self, role: str, kind: str) -> bool:
        asked = {(r, v): a for r, v, a in self.rules}.get((role, "approve"))
        if asked is not None:
            return asked
        if role == "agent":
            return self.agent_approval == "all" or (self.agent_approval == "sourced" and kind == "sourced")
        return role in {"reviewer", "admin"}


POLICIES = {
    "as shipped": Policy(),
    "agents approve nothing": Policy("none"),
    "agents approve all": Policy("all"),
    "turned round": Policy(
        rules=(
            ("agent", "edit", False), ("agent", "undo", False), ("agent", "retry_jobs", True),
            ("agent", "export_audit", True), ("agent", "batch_approve", True), ("agent", "take_over", True),
            ("reviewer", "reject", False), ("reviewer", "claim", False), ("reviewer", "decide_goldens", False),
            ("reviewer", "run_jobs", True), ("reviewer", "manage", True), ("reviewer", "regenerate", False),
            ("admin", "approve", False), ("admin", "export_audit", False), ("admin", "resolve_delivery", False),
            ("admin", "snooze", False), ("admin", "run_jobs", False), ("admin", "answer_elsewhere", False),
            ("auditor", "export_audit", False),
        )
    ),
}  # fmt: skip


class Scene:
    """An account in every state that a page can show, and what this person holds in it."""

    def __init__(self, world: World, person: User, policy: Policy) -> None:
        self.world, self.person = world, person
        new = lambda text=QUESTION: factories.message(world.mail, text)  # noqa: E731
        self.drafts: dict[str, Draft] = {
            "sourced": factories.draft(
                factories.message(world.mail, QUESTION, forwarded=Party("kim@client.test", "Kim"))
            ),
            "unsourced": factories.unsourced(new()),
            "held": factories.draft(new()),
            "mine": factories.draft(new()),
            "stale": factories.draft(new()),
            "rejected": factories.draft(new()),
            "approved": factories.draft(new()),
            "failed": factories.draft(new()),
            "empty": factories.draft(new(), "", statements=[], error="No answer came."),
        }
        money = new()
        self.drafts["money"] = factories.draft(money, f"Hi,\n\n{factories.SENTENCE} We refund 20 USD.\n\nBest")
        # It states nothing from a source, so nothing of it is without one; that does not make it sourced.
        self.drafts["holding"] = factories.draft(new(), "Hi Marcus,\n\nA colleague looks at it.\n\nBest", statements=[])
        self.drafts["thanks"] = factories.draft(new(), "Hi Marcus,\n\nThank you.\n\nBest", statements=[], act="none")
        factories.reply_to(self.drafts["stale"].base_message)
        self.notice = factories.message(world.mail, automatic=Automatic.AUTO_REPLY)
        with tenant_context(world.acme.pk):
            there = [{"name": "a.png", "address": "https://files.slack.com/a.png", "tries": 9, "problem": "gone"}]
            self.notice.metadata = {**self.notice.metadata, "there": there}
            self.notice.save(update_fields=["metadata"])
        failed = factories.approved(self.drafts["failed"], world.ada)
        held = factories.approved(self.drafts["approved"], world.ada)
        with tenant_context(world.acme.pk):
            editing.claim(draft_id=self.drafts["held"].pk, actor=world.dan if person != world.dan else world.ada)
            if person != world.bo:
                editing.claim(draft_id=self.drafts["mine"].pk, actor=person)
                handover.ask(draft_id=self.drafts["mine"].pk, actor=world.dan if person != world.dan else world.ada)
            decisions.reject(
                draft_id=self.drafts["rejected"].pk, actor=world.ada, seen=factories.seen(self.drafts["rejected"]),
                reasons=["tone"],
            )  # fmt: skip

            lease = timezone.now() + timedelta(minutes=2)
            for facts in ({"status": "queued"}, {"status": "sending", "lease_until": lease}, {"status": "uncertain"}):
                Delivery.objects.filter(pk=failed.pk).update(**facts)
            self.delivery, self.unsure = held, failed
            proposed = goldens.propose(account_id=world.acme.pk, actor=world.dan, question="Q?", answer="A.", intent="")
            self.golden: Golden = proposed
            self.prompt = prompts.add(account_id=world.acme.pk, actor=world.dan, text="Be kind.", note="")
            self.site = Site.objects.create(account=world.acme, url="https://shop.test/", name="Shop")
            self.live = JobRun.objects.create(account=world.acme, type="crawl", params={"site": str(self.site.pk)})
            self.broken = JobRun.objects.create(
                account=world.acme, type="corrections_sync", params={}, status="failed", error="It broke.",
                started_at=timezone.now(), finished_at=timezone.now(),
            )  # fmt: skip
            self.snippet = Snippet.objects.create(account=world.acme, owner=person, name="Own", text="Own words")
            self.view = SavedView.objects.create(account=world.acme, user=person, name="Mine", query="show=care")
            Notification.objects.create(account=world.acme, user=person, type="bounced", payload={})
            Account.objects.filter(pk=world.acme.pk).update(settings={"agent_approval": policy.agent_approval})
            for role, verb, allowed in policy.rules:
                PolicyRule.objects.create(account=world.acme, role=role, verb=verb, kind="any", allowed=allowed)
        self.owed, self.ended = factories.message(world.mail, QUESTION), factories.message(world.mail, QUESTION)
        with tenant_context(world.acme.pk):
            life.close(conversation_id=self.ended.conversation_id, actor=world.dan, reason="other")
        pat, kim, sam = (factories.message(world.mail, sender=Party(f"{one}@c.test", "Pat Moss")) for one in "pks")
        with tenant_context(world.acme.pk):
            self.customer, merged, self.other = (one.writer.customer_id for one in (pat, kim, sam))
            customers.merge(customer_id=merged, into_id=self.customer, actor=world.dan)
            self.split_off = kim.writer_id
            self.part = factories.message(world.mail, QUESTION)
            merging.merge(conversation_id=self.part.conversation_id, into=self.ended.conversation_id, actor=world.dan)
            life.close(conversation_id=self.ended.conversation_id, actor=world.dan, reason="other")
            self.spam = factories.message(world.mail, QUESTION, sender=Party("spam@customer.test"))
            spam.mark(conversation_id=self.spam.conversation_id, actor=world.dan, block=True)
            self.tag = factories.tagged(self.owed, "VIP").pk
            self.note = Note.objects.create(
                account=world.acme, conversation_id=self.owed.conversation_id, author=person, author_name="x", text="x"
            ).pk
        begun = factories.message(world.mail, QUESTION)
        self.drafts["begun"] = factories.draft(begun, suggested_text="", model_key="person", author_user=person)
        self.waiting, self.unread = factories.waiting_mail(world.mail), factories.waiting_mail(world.mail, "failed")
        self.document: SourceDocument = index_document(
            account_id=world.acme.pk, source_url="file:hose.md", title="Hose", text="PTFE hose is safe with E85."
        )

    def pages(self) -> list[str]:
        shown = [f"/drafts/{draft.pk}/" for draft in self.drafts.values()]
        asked = [f"/drafts/{self.drafts['sourced'].pk}/?do={do}" for do in ("edit", "reject", "redraft", "snooze", "handover")]  # fmt: skip
        talks = (self.drafts["failed"], self.owed, self.ended, self.part, self.spam)
        told = [
            f"/conversations/{pk}/" for pk in (*(one.conversation_id for one in talks), self.notice.conversation_id)
        ]
        return [
            "/queue/", "/queue/?mode=focus", "/queue/batch/", *shown, *asked, *told, f"{told[0]}timeline/", "/conversations/",
            "/conversations/new/", "/snippets/", f"{told[0]}forward/",
            "/notifications/", "/profile/", "/switch/", "/views/", "/sources/", f"/sources/jobs/{self.live.pk}/",
            f"/sources/jobs/{self.broken.pk}/", f"/sources/documents/{self.document.pk}/", "/sources/answers/", "/quality/",
            "/quality/training/", "/inbound/", "/inbound/?list=limit", "/reports/", f"/customers/{self.customer}/",
        ]  # fmt: skip

    def asked(self) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
        """(name in the table, method, address, data) of every act, as a page of somebody who may would send it."""
        seen = {key: self._seen(self.drafts[key]) for key in ("sourced", "held", "mine", "stale", "rejected")}
        of = lambda key, act: f"/drafts/{self.drafts[key].pk}/{act}/"  # noqa: E731
        later = (timezone.now() + timedelta(hours=1)).isoformat()
        yield "drafts:edit", "post", of("sourced", "edit"), {**seen["sourced"], "final_text": "Mine"}
        yield "drafts:keep", "post", of("stale", "keep"), seen["stale"]
        yield "drafts:reject", "post", of("sourced", "reject"), {**seen["sourced"], "reason": "tone"}
        yield "drafts:reopen", "post", of("rejected", "reopen"), {}
        yield "drafts:regenerate", "post", of("sourced", "regenerate"), seen["sourced"]
        yield "drafts:readdress", "post", of("sourced", "readdress"), {**seen["sourced"], "to": "forwarded"}
        yield "drafts:files", "post", of("sourced", "files"), {**seen["sourced"], "files": _file()}
        begins = {"channel": str(self.world.mail.pk), "to": "ana@supplier.test", "subject": "Hoses"}
        yield "drafts:new", "post", "/conversations/new/", begins
        yield "drafts:forward", "post", f"/conversations/{self.owed.conversation_id}/forward/", begins
        yield "drafts:format", "post", of("sourced", "format"), {**seen["sourced"], "formatted": "1"}
        yield "drafts:snippets", "post", "/snippets/", {"name": "Hello", "text": "Hello {name}"}
        yield "drafts:remove-snippet", "post", f"/snippets/{self.snippet.pk}/remove/", {}
        yield "conversations:fetch-files", "post", f"/messages/{self.notice.pk}/fetch-files/", {}
        yield "conversations:by-a-person", "post", f"/messages/{self.notice.pk}/by-a-person/", {}
        yield "drafts:snooze", "post", of("sourced", "snooze"), {**seen["sourced"], "until": later}
        yield "drafts:claim", "post", of("sourced", "claim"), {}
        yield "drafts:release", "post", of("mine", "release"), {}
        yield "drafts:handover", "post", of("sourced", "handover"), {"to": str(self.world.dan.pk)}
        yield "drafts:ask", "post", of("held", "ask"), {}
        yield "drafts:give", "post", of("mine", "give"), {}
        yield "drafts:hold-on", "post", of("mine", "keep-claim"), {}
        yield "take over", "post", of("held", "claim"), {"take_over": "1"}
        yield "drafts:answered-elsewhere", "post", of("sourced", "answered-elsewhere"), seen["sourced"]
        yield "drafts:no-answer", "post", of("sourced", "no-answer"), seen["sourced"]
        talk = f"/conversations/{self.owed.conversation_id}"
        yield "drafts:write", "post", f"{talk}/write/", {}
        yield "drafts:discard", "post", of("begun", "discard"), {}
        yield "drafts:answered", "post", f"{talk}/answered-elsewhere/", {}
        yield "drafts:close", "post", f"{talk}/close/", {"reason": "other"}
        yield "drafts:reopen-conversation", "post", f"/conversations/{self.ended.conversation_id}/reopen/", {}
        yield "drafts:assign", "post", f"{talk}/assign/", {"to": ""}
        yield "drafts:owe", "post", f"{talk}/owe/", {"due": later}
        yield "drafts:unmerge", "post", f"/conversations/{self.part.conversation_id}/unmerge/", {}
        yield "drafts:watch", "post", f"{talk}/watch/", {}
        yield "drafts:spam", "post", f"{talk}/spam/", {}
        yield "drafts:unblock", "post", f"/conversations/{self.spam.conversation_id}/unblock/", {}
        yield "drafts:merge", "post", f"{talk}/merge/", {"into": str(self.ended.conversation_id)}
        yield "drafts:tag", "post", f"{talk}/tags/", {"tag": str(self.tag)}
        yield "drafts:note", "post", f"{talk}/note/", {"note_text": "A word"}
        yield "drafts:remove-note", "post", f"{talk}/notes/{self.note}/remove/", {}
        yield "drafts:snooze-conversation", "post", f"{talk}/snooze/", {"until": later}
        yield "conversations:merge-customer", "post", f"/customers/{self.customer}/merge/", {"other": str(self.other)}
        yield (
            "conversations:split-customer",
            "post",
            f"/customers/{self.customer}/split/",
            {"address": str(self.split_off)},
        )
        yield "drafts:erase-customer", "post", f"/customers/{self.customer}/erase/", {"sure": "yes"}
        yield "drafts:undo", "post", f"/deliveries/{self.delivery.pk}/undo/", {}
        yield "drafts:release-delivery", "post", f"/deliveries/{self.delivery.pk}/release/", {}
        yield "drafts:resolve-delivery", "post", f"/deliveries/{self.unsure.pk}/resolve/sent/", {}
        yield "drafts:batch", "post", "/queue/batch/", {"take": str(self.drafts["sourced"].pk)}
        yield "drafts:batch", "get", "/queue/batch/", {}
        for act in ("close", "assign", "snooze", "tag"):
            yield f"drafts:many-{act}", "post", f"/conversations/many/{act}/", {}
        told = self.drafts["sourced"].conversation_id
        yield "drafts:timeline-export", "get", f"/conversations/{told}/timeline/export.csv", {}
        words = {"question": "Why?", "answer": "So."}
        yield "drafts:add-golden", "post", "/sources/answers/add/", words
        yield "drafts:edit-golden", "post", f"/sources/answers/{self.golden.pk}/edit/", words
        for act in ("accept", "refuse"):
            yield "drafts:decide-golden", "post", f"/sources/answers/{self.golden.pk}/{act}/", {}
        yield "drafts:add-prompt", "post", "/quality/training/prompts/", {"text": "Be short."}
        for act in ("evaluate", "try", "end", "activate"):
            yield "drafts:decide-prompt", "post", f"/quality/training/prompts/{self.prompt.pk}/{act}/", {}
        lane = {"channel": str(self.world.mail.pk), "intent": "fuel", "prompt": "reply-v1", "model": "offline"}
        yield "drafts:open-lane", "post", "/quality/training/lanes/", lane
        yield "drafts:shut-lane", "post", f"/quality/training/lanes/{uuid.uuid4()}/shut/", {}
        yield "ingestion:upload", "post", "/sources/upload/", {"files": _file()}
        yield "ingestion:add-site", "post", "/sources/sites/", {"url": "https://new.test/", "max_pages": "5", "every_hours": "0"}  # fmt: skip
        yield "ingestion:crawl", "post", f"/sources/sites/{self.site.pk}/crawl/", {}
        limits = {"name": "New", "max_pages": "9", "every_hours": "0"}
        yield "ingestion:change-site", "post", f"/sources/sites/{self.site.pk}/change/", limits
        yield "ingestion:decide-document", "post", f"/sources/documents/{self.document.pk}/remove/", {}
        yield "ingestion:remove-site", "post", f"/sources/sites/{self.site.pk}/remove/", {}
        yield "drafts:export-trail", "get", "/quality/export.trail.jsonl", {}
        yield "drafts:export-corrections", "get", "/quality/export.corrections.jsonl", {}
        yield "ingestion:cancel-job", "post", f"/sources/jobs/{self.live.pk}/cancel/", {}
        yield "ingestion:retry-job", "post", f"/sources/jobs/{self.broken.pk}/retry/", {}
        yield "ingestion:run-corrections", "post", "/sources/run/corrections/", {}
        yield "ingestion:retry-inbound", "post", f"/inbound/{self.waiting.pk}/retry/", {}
        yield "ingestion:set-aside-inbound", "post", f"/inbound/{self.unread.pk}/set-aside/", {"reason": "Spam"}
        yield "ingestion:make-inbound", "post", f"/inbound/{self.unread.pk}/make/", {"sender": "a@b.test", "text": "Hi"}
        yield "ingestion:all-inbound", "post", "/inbound/all/", {"id": str(self.waiting.pk), "do": "retry"}
        yield "conversations:notices", "post", "/notifications/", {}
        yield "drafts:views", "post", "/views/", {"page": "queue", "name": "New", "query": ""}
        yield "drafts:share-view", "post", f"/views/{self.view.pk}/share/", {}
        yield "drafts:remove-view", "post", f"/views/{self.view.pk}/remove/", {}

    def _seen(self, draft: Draft) -> dict[str, Any]:
        seen = factories.seen(draft)
        return {
            "version": seen.version, "last_inbound": str(seen.last_inbound), "envelope": seen.envelope,
            "request_id": uuid.uuid4().hex, "pressed_twice": "1",
        }  # fmt: skip


def _file() -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    return SimpleUploadedFile("new.md", b"# Hose\n\nIt is safe.")


def controls(page: BeautifulSoup, url: str) -> set[str]:
    """What can be done from a page, as names of the table; what is drawn but disabled cannot be done."""
    out: set[str] = set()
    for button in page.select("button, input[type=submit]"):
        if button.get("aria-disabled") == "true" or button.has_attr("disabled"):
            continue
        form = page.find(id=button["form"]) if button.has_attr("form") else button.find_parent("form")
        if not isinstance(form, Tag) or button.get("type", "submit") != "submit" or form.get("method") == "dialog":
            continue
        address = str(button.get("formaction") or form.get("action") or url)
        if form.get("method", "get").lower() == "post" or button.has_attr("formaction"):
            over = button.get("name") == "take_over"
            out.add("take over" if over else resolve(urlsplit(address).path).view_name)
        elif address.startswith("/queue/batch/"):
            out.add("drafts:batch")
    for element in page.select("[hx-post]"):
        out.add(resolve(str(element["hx-post"])).view_name)
    for link in page.select("a[href]"):
        parts = urlsplit(str(link["href"]))
        if do := parse_qs(parts.query).get("do"):
            out.add(ASKS[do[0]])
        if "/export." in parts.path:
            out.add(resolve(parts.path).view_name)
    for command in page.select("[data-do]"):
        out |= {ASKS[command["data-do"]]} if command["data-do"] in ASKS else set()
    return {name for name in out if not name.startswith(("account_", "admin:"))}


@pytest.fixture
def scene(world: World, attachments_dir) -> Callable[[str, Policy], Scene]:
    return lambda role, policy: Scene(world, getattr(world, ROLES[role]), policy)


def addresses(resolver: URLResolver, prefix: str = "", space: str = "") -> Iterator[tuple[str, str, URLPattern]]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from addresses(entry, path, entry.namespace or space)
        elif space in {"conversations", "drafts", "ingestion"} and entry.name:
            yield f"{space}:{entry.name}", path, entry


def test_every_address_that_changes_something_is_in_the_table(world: World, signed_in: Callable[..., Client]) -> None:
    browser = signed_in(world.dan, raise_request_exception=False)
    found = set()
    for name, _, entry in addresses(get_resolver()):
        words = {"UUIDConverter": uuid.uuid4(), "SlugConverter": "accept", "IntConverter": 1, "StringConverter": "x"}
        url = reverse(name, kwargs={key: words[type(kind).__name__] for key, kind in entry.pattern.converters.items()})
        # A vendor's post is asked for its signature, and nobody for their role.
        if name != "ingestion:hook" and browser.post(url).status_code != 405:
            found.add(name)
    assert len(found) > 35
    assert found == set(TABLE) - {
        "take over",
        "propose settings",
        "drafts:timeline-export",
        "drafts:export-trail",
        "drafts:export-corrections",
    }


@pytest.mark.parametrize("kept", ["as shipped", "turned round"])
@pytest.mark.parametrize("role", ROLES)
def test_a_role_finds_what_it_has_and_nothing_that_it_lacks(
    scene: Callable[[str, Policy], Scene], signed_in: Callable[..., Client], role: str, kept: str
) -> None:
    policy = POLICIES[kept]
    account = scene(role, policy)
    browser = signed_in(account.person)
    found: set[str] = set()
    for url in account.pages():
        answer = browser.get(url)
        if answer.status_code == 403:
            continue
        assert answer.status_code == 200, url
        page = BeautifulSoup(answer.content, "html.parser")
        here = controls(page, url)
        lacks = {name for name in here - {"drafts:approve"} if not policy.allows(role, name)}
        assert not lacks, f"{url} offers {lacks} to the {role}"
        found |= here
        if role == "auditor" and url.startswith(("/drafts/", "/queue/")):
            assert not page.select("#review :is(button, input, textarea, select)"), url
    has = {name for name in TABLE if policy.allows(role, name)} - RARE - {"drafts:approve"}
    if policy.allows(role, "take over"):
        has.discard("drafts:ask")  # who may take over is not told to ask
    if role != "reviewer":
        has -= {"drafts:undo", "drafts:reopen"} if "drafts:undo" not in found else {"drafts:reopen"}
    if role == "auditor":
        has -= {name for name, (verb, _) in TABLE.items() if verb not in {"own", "export_audit"}}
    assert has <= found, has - found


@pytest.mark.parametrize("kept", POLICIES, ids=str)
@pytest.mark.parametrize("role", ROLES)
def test_approve_is_there_for_whom_the_policy_lets_and_tells_an_agent_why_not(
    scene: Callable[[str, Policy], Scene], signed_in: Callable[..., Client], role: str, kept: str
) -> None:
    """The one control that is drawn although it is lacking: disabled, with the reason."""
    policy = POLICIES[kept]
    account = scene(role, policy)
    browser = signed_in(account.person, raise_request_exception=False)
    for kind in ("sourced", "unsourced", "money", "holding"):
        draft = account.drafts[kind]
        url = f"/drafts/{draft.pk}/"
        page = BeautifulSoup(browser.get(url).content, "html.parser")
        button = page.select_one("#review .actions [data-act=approve]")
        if policy.may_approve(role, kind):
            assert button is not None and button.get("aria-disabled") is None, kind
            continue
        if policy.allows(role, "drafts:edit") and role != "auditor":
            assert button is not None and button["aria-disabled"] == "true"
            why = page.select_one("#why-blocked")
            assert why is not None and "may not approve" in why.get_text()
        else:
            assert button is None, kind
        with tenant_context(account.world.acme.pk), assert_nothing_written():
            answer = browser.post(f"{url}approve/", {**account._seen(draft), "pressed_twice": "1"})
        assert answer.status_code == 403, kind


@pytest.mark.parametrize("kept", ["as shipped", "turned round"])
@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_lacks_is_refused_and_writes_nothing(
    scene: Callable[[str, Policy], Scene], signed_in: Callable[..., Client], role: str, kept: str
) -> None:
    policy = POLICIES[kept]
    account = scene(role, policy)
    browser = signed_in(account.person, raise_request_exception=False)
    browser.get("/queue/")  # the session's own row is there
    walked = set()
    for name, method, url, data in account.asked():
        if policy.allows(role, name) and role != "auditor":
            continue
        if role == "auditor" and method == "get" and policy.allows(role, name):
            continue
        walked.add(name)
        with tenant_context(account.world.acme.pk), assert_nothing_written():
            answer = getattr(browser, method)(url, data)
        assert answer.status_code in {403, 404}, f"{role}: {method} {url}: {answer.status_code}"
    if role != "admin" or policy.rules:
        assert walked


def test_the_same_acts_are_not_refused_to_who_has_them(
    scene: Callable[[str, Policy], Scene], signed_in: Callable[..., Client]
) -> None:
    """Else the refusals above would prove nothing: an admin gets through with the very same posts."""
    account = scene("admin", POLICIES["as shipped"])
    browser = signed_in(account.person, raise_request_exception=False)
    asked = list(account.asked())
    assert asked
    for name, method, url, data in asked:
        answer = getattr(browser, method)(url, data)
        assert answer.status_code != 403, name
        if name != "drafts:shut-lane":  # which names no lane
            assert answer.status_code in {200, 204, 302, 303, 409, 422, 423}, f"{name}: {answer.status_code}"


def test_the_verbs_are_all_in_the_table() -> None:
    named = {verb for verb, _ in TABLE.values()} - {"own"}
    assert named == {verb.value for verb in Verb} - {"read"}  # reading is every page's


def shows(account: Scene, browser: Client) -> set[str]:
    """The addresses, as names of the table, of which an answer holds the text of a draft or of a message.

    Everything is asked for with every id of the scene, as a page and as htmx does; then all acts are tried as `asked`.
    """
    world = account.world
    pictured = factories.message(
        world.mail, QUESTION, body_html=f"<p>{QUESTION}</p>", files=(File("it.txt", "text/plain", b"A picture of it"),)
    )
    edited = factories.draft(factories.message(world.mail, QUESTION))
    # Its own words stay in "what was corrected".
    twice = decisions.Attention(pressed_twice=True)
    factories.approved(edited, world.ada, final_text="Hi Marcus, take the other one.", attention=twice)
    keys = [draft.pk for draft in account.drafts.values()] + [
        pictured.pk,
        pictured.conversation_id,
        account.delivery.pk,
    ]
    keys += [account.document.pk, account.live.pk, account.golden.pk, account.unread.pk]
    with tenant_context(world.acme.pk):
        keys.append(pictured.attachments.get().pk)
    session = browser.session
    items = [[str(account.drafts["sourced"].pk), "Not now.", ""]]
    session["batch"] = {"account": str(world.acme.pk), "query": "", "items": items}
    session.save()
    found: set[str] = set()

    def look(name: str, method: str, url: str, data: dict[str, Any] | None = None) -> int:
        for headers in ({}, {"HX-Request": "true"}):
            if data and "files" in data:
                data = {"files": _file()}
            answer = getattr(browser, method)(url, data, headers=headers)
            assert answer.status_code < 500, f"{method} {url}"
            body = b"".join(answer.streaming_content) if answer.streaming else answer.content
            if any(text in body.decode("utf-8", "replace") for text in TEXTS):
                found.add(name)
        return int(answer.status_code)

    for name, path, entry in addresses(get_resolver()):
        for pk in keys if entry.pattern.converters else keys[:1]:
            url = filled(path, entry.pattern.converters, pk)
            assert url is not None, path
            if look(name, "get", url) == 405:  # it only changes things, whatever it is asked for
                break
    for do in ASKS:
        look("drafts:detail", "get", f"/drafts/{account.drafts['sourced'].pk}/?do={do}")
    open_one = account.drafts["sourced"].pk
    look("drafts:pulse", "get", f"/queue/pulse/?since=-1&draft={open_one}&want={open_one}")
    for name, method, url, data in account.asked():
        look(name, method, url, data)
    return found


def test_who_may_not_read_is_shown_no_text_anywhere(
    scene: Callable[[str, Policy], Scene], signed_in: Callable[..., Client]
) -> None:
    """An account's own rules take reading from its admins, and leave them every other right."""
    account = scene("admin", Policy(rules=(("admin", "read", False),)))
    assert shows(account, signed_in(account.person, raise_request_exception=False)) == set()


def test_the_same_walk_finds_text_for_who_may_read(
    scene: Callable[[str, Policy], Scene], signed_in: Callable[..., Client]
) -> None:
    """Else the walk above would prove nothing."""
    account = scene("admin", POLICIES["as shipped"])
    found = shows(account, signed_in(account.person, raise_request_exception=False))
    assert found >= {
        "conversations:detail", "conversations:message-html", "conversations:attachment", "drafts:timeline",
        "drafts:queue", "drafts:detail", "drafts:pulse", "drafts:progress", "drafts:handover", "drafts:batch",
        "drafts:export-corrections", "drafts:reject", "drafts:claim",
    }, found  # fmt: skip

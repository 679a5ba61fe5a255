"""After an erasure nothing of a customer is left: a marker is planted wherever their words can come, and then looked for in
every column of the schema, every file and every export. A column that is new fails here until somebody decides."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from config.postgres import SUPERUSER, Cluster
from conversations.channels.base import ChannelError, Failure, File, Party
from conversations.customers import merging
from conversations.messages import inbox, outbox
from conversations.models import (
    Account,
    AddressMove,
    AuditEvent,
    BlockedSender,
    Conversation,
    Customer,
    CustomerAddress,
    Delivery,
    Message,
    Notification,
    User,
)
from conversations.tenancy import tenant_context
from conversations.trail import report
from conversations.visible import ALL
from drafts import retention
from drafts.answers import goldens
from drafts.assistant.deciding import confirm, reject
from drafts.desk import decisions, editing, handover, notes
from drafts.flow import drafting
from drafts.learning import samples
from drafts.models import Draft, Golden, LearningSample, SavedView, Scenario
from tests import factories
from tests.asserts import assert_nothing_written_in
from tests.conftest import World

MARKER = "zebracanary"  # letters only: an index parts them from digits
ADDRESS, NAME = f"{MARKER}@customer.test", f"{MARKER} Delgado"
WHO = Party(ADDRESS, NAME)
PRESSED = decisions.Attention(pressed_twice=True)

#: Columns of the schema that hold no customer's words, and why. `table: column column` below each reason.
KEPT = """
= An enumeration, a kind or a state: one of our own words
conversations_assistantsession: context_type project_kind status reason
conversations_assistantturn: engine status
conversations_auditevent: kind actor_type actor_id object_type object_id
conversations_channel: type provider
conversations_conversation: kind status owed outcome
conversations_delivery: status conversation_kind
conversations_deliveryattempt: outcome
conversations_factorreset: outcome
conversations_invitation: role
conversations_membership: role
conversations_message: direction role
conversations_notification: type
conversations_policyrule: role verb kind
conversations_proposedaction: tool status reason
conversations_relatedconversation: reason
conversations_webhookattempt: outcome
conversations_webhookdelivery: status
conversations_webhookendpoint: state events
conversations_webhookevent: kind
conversations_storedfile: kind verdict
conversations_attachment: verdict
drafts_configdocument: origin
drafts_draft: status conversation_kind act
drafts_draftaction: type reasons wished_act
drafts_evalrun: status
drafts_golden: status origin
drafts_lane: state
drafts_learningsample: split reasons conversation_kind
drafts_practiceturn: status decision
drafts_promptversion: key status
drafts_savedview: page
drafts_scenario: status language
drafts_scorecard: criteria outcome scored_by
ingestion_inboundevent: signature status
ingestion_inboundkey: kind
ingestion_jobrun: type status unit
ingestion_sourcedocument: kind status

= A salted commitment or a link of the chain: says nothing once the salt is gone
conversations_auditevent: commitments prev_hash hash
conversations_auditcheckpoint: hash previous signature
conversations_audithead: hash
conversations_channeltoken: entered refresh_token access_token
conversations_auditsalt: value
ingestion_inboundkey: digest

= States, numbers and ids; servers' words stand in it without addresses (`audit.masked`)
conversations_auditevent: data
conversations_channelhealth: problem fetch_problem
conversations_channeltoken: problem
ingestion_mailbox: folder problem
conversations_webhookevent: data

= What a receiver answered to ids alone; of what it answered to texts nothing is kept
conversations_webhookattempt: answer

= "Customer" for every customer (`audit.customer_actor`), else a member, a service or a model
conversations_auditevent: actor_name

= A digest of a whole message, text or file, by which a copy is known; it cannot be guessed back without having the whole
conversations_message: content_sha256
conversations_delivery: content_sha256
conversations_attachment: sha256 storage_key
conversations_storedfile: sha256 storage_key
conversations_proposedaction: arguments_sha256 precondition_sha256 effect_sha256
drafts_configdocument: sha256
drafts_draftrevision: sha256
ingestion_inboundevent: external_id payload_sha256

= A scanner's own name for what it found in a file; the row goes with the bytes
conversations_storedfile: finding

= A colleague's own chat, emptied by rules of its own (`empty_chats`, tests/conversations/test_chats.py)
conversations_assistantsession: context
conversations_assistantturn: text steps error
conversations_messagevector: values
drafts_practiceturn: suggested_text statements sources planted error final_text operations told

= Made by us: an id of our own, a model's or a prompt's name, a language
conversations_messagevector: embedder
conversations_delivery: idempotency_key return_path
conversations_assistantturn: model_used
conversations_message: model_used sentiment_by
drafts_draft: model_key prompt_label language
drafts_learningsample: model_key prompt_label embedding_ref
drafts_practiceturn: model_key
drafts_lane: model_key prompt_label
drafts_evalrun: model_key
drafts_draftaction: request_id
conversations_proposedaction: call_id confirm_request second_request

= A topic of the account's own (`Topic`), not a customer's word
drafts_draft: intent
drafts_golden: intent
drafts_lane: intent
drafts_topic: name words

= Figures and digests of what was on the screen
drafts_draftaction: seen evidence
drafts_lane: evidence

= Of a person's private chat alone (`conversation_tags_of_chats`); a customer's conversation has links to the account's tags
conversations_conversation: tags

= Of the account's own people, or set by them about the account
drafts_configdocument: text path by_name
conversations_addressmove: by_name
conversations_account: name slug timezone settings
conversations_channel: external_id name metadata credentials incoming_credentials incoming_credentials_before client_secret refresh_token checked checked_as tested_to
conversations_channelhook: digest
conversations_webhookendpoint: url secret secret_before
mail_address_claim: mailbox
conversations_delivery: approved_by_name
conversations_note: author_name
conversations_proposedaction: owner_name confirmed_name second_name rejected_name
conversations_blockedsender: blocked_by_name
conversations_invitation: address channels token_digest
conversations_tag: name colour
conversations_servicetoken: name key secret_hash scopes
conversations_user: password email display_name auth_provider auth_subject preferences
drafts_draftaction: user_name
drafts_draftrevision: author_name
drafts_golden: decided_name
drafts_lane: reason opened_by_name
drafts_promptversion: text note
drafts_snippet: name text
ingestion_jobrun: started_by_name
ingestion_site: url name

= The account's own documents, approved answers and what was measured on them: a person stands for each text
drafts_evalcase: answer
drafts_evalrun: metrics error
drafts_golden: external_key samples
ingestion_answermodel: digest embedder body
ingestion_passage: heading text hash search
ingestion_sourcedocument: source_url etag last_modified error title hash metadata
ingestion_jobrun: error metrics params resume

= A service's own random key, gone within a day
ingestion_requestkey: key fingerprint

= Tables of Django, allauth and procrastinate: people who log in, sessions, jobs with ids as arguments, counters
account_emailaddress: email
account_emailconfirmation: key
auth_group: name
auth_permission: name codename
conversations_tally: key
django_admin_log: object_id object_repr change_message
django_cache: cache_key value
django_content_type: app_label model
django_migrations: app name
django_session: session_key session_data
mfa_authenticator: type data
procrastinate_jobs: queue_name task_name lock queueing_lock args status
procrastinate_events: type
procrastinate_periodic_defers: task_name periodic_id
socialaccount_socialaccount: provider uid extra_data
socialaccount_socialapp: provider provider_id name client_id secret key settings
socialaccount_socialtoken: token token_secret
"""
#: What no verb of today writes there, or only after more steps than the story below has.
DIRECT = {
    "conversations_conversation": {"summary": "'{m}'", "key_topics": "'[\"{m}\"]'", "owed_note": "'{m}'"},
    "conversations_message": {"intent": "'{m}'"},
    "conversations_delivery": {"receipt": "'{m}'", "error": "'{m}'", "provider_id": "'{m}'", "body_html": "'{m}'",
        "owed_before": "'{{\"note\": \"{m}\"}}'"},
    "conversations_deliveryattempt": {"response": "'{m}'"},
    "conversations_attachment": {"mime_type": "'x/{m}'"},
    "conversations_note": {"mentions": "'{{\"{m}\": \"{m}\"}}'"},
    "conversations_actionreceipt": {"kept": "'{{\"a\": \"{m}\"}}'"},
    "drafts_draft": {
        "suggested_html": "'{m}'", "top_sources": "'[\"{m}\"]'", "statements": "'[\"{m}\"]'", "checks": "'[\"{m}\"]'",
        "confidence_reasons": "'[\"{m}\"]'", "needs_human": "'[\"{m}\"]'", "canary_defect": "'{m}'",
        "recipients": "'{{\"cc\": [\"{m}\"]}}'", "subject": "'{m}'", "questions": "'[\"{m}\"]'", "facts": "'[\"{m}\"]'",
    },
    "drafts_draftrevision": {"html": "'{m}'", "statements": "'[\"{m}\"]'"},
    "drafts_draftaction": {"final_html": "'{m}'"},
    "drafts_scenario": {
        **dict.fromkeys(("title", "persona_name", "persona", "subject", "opening", "goal"), "'{m}'"),
        **dict.fromkeys(("facts", "rubric"), "'[\"{m}\"]'"),
    },
}  # fmt: skip

Columns = dict[tuple[str, str], str]


@pytest.fixture
def story(committed_world: World, cluster: Cluster, attachments_dir: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A customer whose words are everywhere: threads in each state, a letter that could not be read, a saved search."""
    world = committed_world
    answered = _wrote(world, 1)
    draft = factories.draft(answered, f"Hi {NAME},\n\n{factories.SENTENCE}\n\nBest regards")
    with tenant_context(world.acme.pk):
        editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=f"Hello {NAME}.")
        decisions.regenerate(draft_id=draft.pk, actor=world.ada, seen=factories.seen(draft), instruction=f"Name {NAME}")
        handover.hand_over(draft_id=draft.pk, actor=world.ada, to=world.dan.pk, note=f"{NAME} rang")
    factories.approved(draft, world.dan, final_text=f"Hello there, {NAME}!", notes=NAME, attention=PRESSED)
    _deliver(world, draft, monkeypatch, ChannelError(Failure.TRANSIENT, f"451 <{ADDRESS}> later"))
    with tenant_context(world.acme.pk):
        sample = LearningSample.objects.get()
        for _ in range(2):
            golden = goldens.propose(
                account_id=world.acme.pk, actor=world.dan, question=f"Is {NAME} right?", answer=f"Yes, {NAME}.",
                origin=Golden.Origin.CORRECTIONS, samples=[sample.pk],
            )  # fmt: skip
        goldens.refuse(golden_id=golden.pk, actor=world.dan)
        BlockedSender.objects.create(account=world.acme, address=ADDRESS)
        notes.write(conversation_id=answered.conversation_id, actor=world.ada, text=f"@Dan {NAME} rang")
        SavedView.objects.create(account=world.acme, user=world.ada, name=ADDRESS, query=f"q={MARKER}%40customer.test")
    _decided_on_proposals(world, answered)
    scenario = factories.scenario(world.acme, world.dan, ready=False)
    with tenant_context(world.acme.pk):
        Scenario.objects.filter(pk=scenario.pk).update(mined_from=answered.conversation_id)
    factories.draft(_wrote(world, 2), f"Hi {NAME}.", statements=[])
    for number in (3, 4):
        factories.approved(
            factories.draft(_wrote(world, number), f"Hi {NAME}.", statements=[]), world.ada, attention=PRESSED
        )
    with tenant_context(world.acme.pk):
        uncertain = Delivery.objects.get(conversation=Conversation.objects.get(number=4))
        Delivery.objects.filter(pk=uncertain.pk).update(status="queued")
        Delivery.objects.filter(pk=uncertain.pk).update(status="sending", lease_until=uncertain.created_at)
        Delivery.objects.filter(pk=uncertain.pk).update(status="uncertain")
    failed = _wrote(world, 5)
    drafting_failed(world, failed)
    for status, sender, message in (
        ("processed", ADDRESS, answered),
        ("quarantined", ADDRESS, None),
        ("failed", "", None),
    ):
        factories.waiting_mail(
            world.mail, status, message=message, sender=sender, subject=MARKER if sender else "", recipient=ADDRESS if sender else "",
            detail=MARKER if sender else "ValueError",
            # Nobody could read the last one, so nobody wrote its address small.
            payload=f"From: {ADDRESS if sender else ADDRESS.upper()}\r\n\r\n{MARKER}".encode(),
        )  # fmt: skip
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        for table, values in DIRECT.items():
            sets = ", ".join(f"{column} = {value.format(m=MARKER)}" for column, value in values.items())
            chats = table in (
                "conversations_conversation",
                "conversations_message",
            )  # a colleague's own, of whom nothing is said here
            server.execute(f"UPDATE {table} SET {sets}{' WHERE private_to_id IS NULL' if chats else ''}")  # type: ignore[arg-type]
        server.execute(
            "INSERT INTO drafts_writing (id, created_at, account_id, conversation_id, text, updated_at)"
            " SELECT gen_random_uuid(), now(), account_id, id, %s, now() FROM conversations_conversation WHERE kind = 'customer' LIMIT 1", [MARKER],
        )  # fmt: skip
    return world


def _decided_on_proposals(world: World, message: Message) -> None:
    """The assistant proposed other names for the customer: one was confirmed, one refused with a word, one came too late for
    that, one waits."""
    with tenant_context(world.acme.pk):
        case = Conversation.objects.get(pk=message.conversation_id)
    names = [f"{NAME} {number}" for number in ("I", "II", "III", "IV")]
    done, refused, late, _ = [factories.proposed(case, world.ada, "rename_customer", {"name": name}) for name in names]
    with tenant_context(world.acme.pk, person=world.ada.pk):
        assert confirm(action_id=done.pk, actor=world.ada, pressed=factories.pressed(done)).status == "executed"
        reject(action_id=refused.pk, actor=world.ada, reason=f"Not {NAME}")
        assert confirm(action_id=late.pk, actor=world.ada, pressed=factories.pressed(late)).found


OTHER = Party("other@customer.test", "Otto Other")
SECOND = f"{MARKER}@home.test"


@pytest.fixture
def shared(committed_world: World, attachments_dir: Path) -> World:
    """Otto opened a thread, and the customer wrote there once by each of their two addresses: a reply to the first waits to leave,
    a draft for the second to be decided. That both addresses are one person was said by a merge."""
    world = committed_world
    first = factories.message(world.mail, "Otto asks", sender=OTHER, subject="Ours")
    joined = _wrote_into(world, first, 6)
    draft = factories.draft(joined, f"Hi {NAME},\n\n{factories.SENTENCE}\n\nBest regards")
    with tenant_context(world.acme.pk):
        editing.save_revision(draft_id=draft.pk, actor=world.ada, version=0, text=f"Hello {NAME}.")
    factories.approved(draft, world.dan, final_text=f"Hello there, {NAME}!", notes=NAME, attention=PRESSED)
    from_home = _wrote_into(world, first, 7, reply_to=Party(SECOND, NAME))
    factories.draft(from_home, f"Hi {NAME} at home.", statements=[])
    factories.waiting_mail(
        world.mail,
        "processed",
        message=joined,
        sender=ADDRESS,
        subject=MARKER,
        recipient=ADDRESS,
        payload=MARKER.encode(),
    )
    with tenant_context(world.acme.pk):
        Conversation.objects.update(summary=MARKER, key_topics=[MARKER])
        merging.merge(customer_id=from_home.writer.customer_id, into_id=joined.writer.customer_id, actor=world.ada)
    return world


def _wrote_into(world: World, thread: Message, number: int, **more: Any) -> Message:
    photo = File(f"{MARKER}.jpg", "image/jpeg", f"{MARKER} {number}".encode(), content_id=MARKER)
    mail = factories.inbound(f"{NAME} asks {number}", **_mail(number, files=(photo,), **more))
    with tenant_context(world.acme.pk):
        message, _ = inbox.record_inbound(channel=world.mail, inbound=mail, into=thread.conversation_id)
        return Message.objects.select_related("writer").get(pk=message.pk)


def _wrote(world: World, number: int) -> Message:
    photo = File(f"{MARKER}.jpg", "image/jpeg", f"{MARKER} {number}".encode(), content_id=MARKER)
    return factories.message(world.mail, f"{NAME} asks {number}", **_mail(number, files=(photo,)))


def _mail(number: int, **more: Any) -> dict[str, Any]:
    return {
        "external_id": f"<{number}.{MARKER}@customer.test>",
        "sender": WHO,
        "reply_to": WHO,
        "to": (WHO,),
        "subject": f"{MARKER} {number}",
        "body_html": f"<p>{MARKER} {number}</p>",
        "headers": {"message-id": MARKER, "from": NAME},
        **more,
    }


def drafting_failed(world: World, message: Message) -> None:
    with tenant_context(world.acme.pk):
        drafting.store_failure(
            account_id=world.acme.pk, conversation_id=message.conversation_id, reason=f"The model said {NAME}"
        )


def _deliver(world: World, draft: Draft, monkeypatch: pytest.MonkeyPatch, error: ChannelError) -> None:
    """One try of its delivery, which the server answers with `error`."""

    class Refuses:
        def send(self, outbound: Any, *, before_handover: Callable[[], None]) -> Any:
            raise error

    with tenant_context(world.acme.pk):
        delivery = Delivery.objects.get(draft_id=draft.pk)
        outbox.release(delivery_id=delivery.pk, actor=world.dan)
    with monkeypatch.context() as patch:
        patch.setattr(outbox.outgoing, "adapter_of", lambda channel: Refuses())
        assert outbox.deliver(account_id=world.acme.pk, delivery_id=delivery.pk) == "queued"


def _columns(cluster: Cluster) -> Columns:
    """Every column of the schema that can hold words, with its type."""
    with cluster.connect("countersign_test", SUPERUSER) as server:
        rows = server.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public' AND data_type IN"
            " ('text', 'character varying', 'character', 'json', 'jsonb', 'bytea', 'tsvector', 'ARRAY', 'USER-DEFINED', 'xml')"
        )
        return {(table, column): kind for table, column, kind in rows}


def _marked(cluster: Cluster) -> set[str]:
    """`table.column` of every one that holds the marker, for whichever tenant."""
    found = set()
    with cluster.connect("countersign_test", SUPERUSER) as server:
        for (table, column), kind in _columns(cluster).items():
            words = f"encode(\"{column}\", 'escape')" if kind == "bytea" else f'"{column}"::text'
            sql = f'SELECT EXISTS (SELECT FROM "{table}" WHERE {words} ILIKE %s)'
            if server.execute(sql, [f"%{MARKER}%"]).fetchone()[0]:
                found.add(f"{table}.{column}")
    return found


def _kept() -> set[str]:
    lines = [line for line in KEPT.splitlines() if line and not line.startswith("=")]
    named = [
        f"{table}.{column}" for line in lines for table, _, rest in [line.partition(": ")] for column in rest.split()
    ]
    assert len(named) == len(set(named))
    return set(named)


def erase(world: World) -> Any:
    return retention.erase_customer(account_id=world.acme.pk, email=f" {ADDRESS.upper()} ", dry_run=False)


def test_every_column_was_decided_and_the_marker_stands_in_each_that_can_hold_it(
    story: World, cluster: Cluster
) -> None:
    every = {f"{table}.{column}" for table, column in _columns(cluster)}
    marked, kept = _marked(cluster), _kept()
    assert kept - every == set(), "no such column"
    assert marked & kept == set(), "said to hold no customer's words, and does"
    assert every - marked - kept == set(), "new: plant the marker there and erase it, or say in KEPT why it cannot be"


def test_after_an_erasure_the_marker_is_nowhere(
    story: World, cluster: Cluster, attachments_dir: Path, signed_in: Callable[[User], Client]
) -> None:
    files = [path for path in attachments_dir.rglob("*") if path.is_file()]
    assert any(MARKER.encode() in path.read_bytes() for path in files)
    assert any(MARKER in line for line in exports(story, signed_in(story.dan)))
    done = erase(story)
    assert (done["conversations"], done["letters"], done["saved searches"], done["files"]) == (5, 2, 1, 5)
    assert _marked(cluster) == set()
    assert [path for path in attachments_dir.rglob("*") if path.is_file()] == []
    assert [line for line in exports(story, signed_in(story.dan)) if MARKER in line] == []
    with tenant_context(story.acme.pk):
        assert report.verify(story.acme.pk) is None


def test_what_they_wrote_in_the_thread_of_another_goes_by_any_of_their_addresses(
    shared: World, cluster: Cluster, attachments_dir: Path
) -> None:
    assert len(_marked(cluster)) >= 25
    with assert_nothing_written_in(shared.acme):
        planned = retention.erase_customer(account_id=shared.acme.pk, email=SECOND, dry_run=True)
    done = erase(shared)
    assert planned == done == {"messages in the threads of others": 2, "drafts": 2, "files": 2, "addresses": 2}
    assert _marked(cluster) == set()
    assert [path for path in attachments_dir.rglob("*") if path.is_file()] == []
    assert erase(shared) == Counter()
    with tenant_context(shared.acme.pk):
        assert [one.name for one in Customer.objects.all()] == [OTHER.name]
        assert (CustomerAddress.objects.get().address, AddressMove.objects.count()) == (OTHER.address, 0)
        assert report.verify(shared.acme.pk) is None


def test_the_thread_of_another_keeps_their_words_and_somebody_looks_at_it(shared: World) -> None:
    erase(shared)
    with tenant_context(shared.acme.pk):
        thread = Conversation.objects.get()
        facts = (thread.customer_name, thread.customer_email, thread.subject, thread.status, thread.owed)
        assert facts == (OTHER.name, OTHER.address, "Ours", "open", "message")
        kept = Message.objects.filter(erased_at=None).get()
        assert (kept.body_text, kept.writer, kept.metadata["sender"]) == (
            "Otto asks",
            thread.customer_address,
            OTHER.address,
        )
        assert {one.status for one in Draft.objects.all()} == {"archived"}
        assert Delivery.objects.get().status == "cancelled"


def test_what_they_sent_for_another_to_be_answered_goes_too_and_what_is_owed_stays_owed(committed_world: World) -> None:
    """Their address is in From alone, so they are not its writer; only a draft waits for it."""
    world = committed_world
    first = factories.message(world.mail, "Otto asks", sender=OTHER)
    sent = _wrote_into(world, first, 6, reply_to=OTHER)
    factories.draft(sent, f"Hi {NAME}.", statements=[])
    factories.message(world.mail, "Their own", sender=WHO)
    with tenant_context(world.acme.pk):
        Conversation.objects.filter(pk=first.conversation_id).update(owed="draft")
    done = erase(world)
    assert (done["messages in the threads of others"], done["conversations"]) == (1, 1)
    with tenant_context(world.acme.pk):
        assert (sent.writer.address, Message.objects.get(pk=sent.pk).body_text) == (OTHER.address, "")
        thread = Conversation.objects.get(pk=first.conversation_id)
        assert (thread.status, thread.owed, thread.due_at is not None) == ("open", "message", True)


def test_a_legal_hold_keeps_what_they_wrote_anywhere(shared: World) -> None:
    with tenant_context(shared.acme.pk):
        Account.objects.filter(pk=shared.acme.pk).update(legal_hold=True)
    with assert_nothing_written_in(shared.acme):
        assert erase(shared) == retention.HELD


def exports(world: World, browser: Client) -> Iterator[str]:
    """Everything that can leave as a file: the trail, corrections, each conversation's timeline in each form."""
    with tenant_context(world.acme.pk):
        yield from (json.dumps(row) for row in samples.export(account_id=world.acme.pk, within=ALL))
        ids = list(Conversation.objects.values_list("pk", flat=True))
    addresses = [
        "/quality/export.trail.jsonl",
        *(f"/conversations/{pk}/timeline/export.{form}" for pk in ids for form in ("jsonl", "csv", "html")),
    ]
    for address in addresses:
        answer = browser.get(address)
        assert answer.status_code == 200, address
        yield b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]


def test_what_waits_in_an_erased_thread_ends_cleanly(story: World, worker_turn: Callable[[], None]) -> None:
    with tenant_context(story.acme.pk):
        before = set(Delivery.objects.values_list("status", flat=True))
        assert before == {"queued", "held", "uncertain"}
        assert set(Draft.objects.values_list("status", flat=True)) == {"pending", "approved"}
    erase(story)
    worker_turn()
    with tenant_context(story.acme.pk):
        assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}
        assert set(Draft.objects.values_list("status", flat=True)) == {"archived"}
        assert set(Conversation.objects.values_list("status", "due_at")) == {("closed", None)}
        assert not Notification.objects.exists()
        cancelled = AuditEvent.objects.filter(kind="delivery.cancelled")
        assert {event.data["reason"] for event in cancelled} == {"the conversation was erased"}
        retired = AuditEvent.objects.filter(kind="draft.retired", data__reason="the conversation was erased")
        assert sorted(retired.values_list("data__status", flat=True)) == [
            "expired",
            "expired",
            "stale",
            "stale",
            "stale",
        ]


def test_no_draft_is_written_for_what_was_erased(story: World) -> None:
    erase(story)
    with tenant_context(story.acme.pk):
        ids = list(Conversation.objects.values_list("pk", flat=True))
    for pk in ids:
        assert drafting.write_draft(account_id=story.acme.pk, conversation_id=pk) is None
        with tenant_context(story.acme.pk):
            assert drafting.store_failure(account_id=story.acme.pk, conversation_id=pk, reason="down") is None


def test_an_erasure_that_comes_while_a_draft_is_written_wins(committed_world: World) -> None:
    message = factories.message(committed_world.mail, sender=WHO)
    with tenant_context(committed_world.acme.pk):
        task = drafting._read(committed_world.acme.pk, message.conversation_id, None)
    assert task is not None
    erase(committed_world)
    result = drafting.get_drafter().write(task.request)
    with tenant_context(committed_world.acme.pk):
        assert drafting._store(committed_world.acme.pk, task, result, None) is None
        assert not Draft.objects.exists()


def test_an_erased_message_that_comes_again_stays_erased(story: World) -> None:
    again = factories.inbound(
        f"{NAME} asks 2", **_mail(2, files=(File(f"{MARKER}.jpg", "image/jpeg", f"{MARKER} 2".encode()),))
    )
    erase(story)
    with tenant_context(story.acme.pk):
        count = Message.objects.count()
        message, is_new = inbox.record_inbound(channel=story.mail, inbound=again)
        assert (is_new, message.body_text, Message.objects.count()) == (False, "", count)
        assert message.external_id.startswith("erased:")


def test_a_customer_who_writes_again_is_a_new_conversation(story: World) -> None:
    erase(story)
    reply = factories.message(story.mail, "Me again", sender=WHO, references=(f"<2.{MARKER}@customer.test>",))
    with tenant_context(story.acme.pk):
        assert Conversation.objects.get(pk=reply.conversation_id).number == 6


#: As events were sealed before names were bound: with the customer's name, and servers' words as they came.
OF_BEFORE = """DO $$ DECLARE e conversations_auditevent; link text := encode(sha256(convert_to('{account}', 'UTF8')), 'hex'); BEGIN
  FOR e IN SELECT * FROM conversations_auditevent WHERE account_id = '{account}' ORDER BY seq LOOP
    e.hash_form := 1; e.prev_hash := link;
    IF e.actor_id = 'customer' THEN e.actor_name := '{name}'; e.commitments := e.commitments - 'actor'; END IF;
    IF e.kind LIKE 'delivery.%' THEN e.data := e.data || '{{"error": "{name}", "response": "{name}"}}'; END IF;
    link := audit_hash(e);
    UPDATE conversations_auditevent SET (hash_form, actor_name, commitments, data, prev_hash, hash) =
      (1, e.actor_name, e.commitments, e.data, e.prev_hash, link) WHERE id = e.id;
  END LOOP;
  UPDATE conversations_audithead SET hash = link WHERE account_id = '{account}';
END $$"""


def test_events_of_before_lose_the_names_that_they_hold_and_keep_their_place(story: World, cluster: Cluster) -> None:
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute(OF_BEFORE.format(account=story.acme.pk, name=NAME))  # type: ignore[arg-type]
    factories.message(story.mail, "Another's", sender=Party("other@customer.test", "Other"))  # one of today follows
    with tenant_context(story.acme.pk):
        assert report.verify(story.acme.pk) is None
        hashes = list(AuditEvent.objects.order_by("seq").values_list("hash", flat=True))
    assert {"conversations_auditevent.actor_name", "conversations_auditevent.data"} <= _marked(cluster)
    erase(story)
    assert _marked(cluster) == set()
    with tenant_context(story.acme.pk):
        found = report.examine(story.acme.pk)
        assert found.breaks == []
        emptied = AuditEvent.objects.filter(forgotten_at__isnull=False)
        assert f"{emptied.count()} events lost a customer's name to an erasure" in " ".join(found.unknown)
        assert "events are of before their ids were hashed" in " ".join(found.unknown)
        assert set(emptied.filter(actor_id="customer").values_list("actor_name", flat=True)) == {"Customer"}
        assert list(AuditEvent.objects.order_by("seq").values_list("hash", flat=True))[: len(hashes)] == hashes
        victim = emptied[0]
    with cluster.connect("countersign_test", SUPERUSER) as server:
        server.execute("SET session_replication_role = replica")
        server.execute("UPDATE conversations_auditevent SET conversation_id = id WHERE id = %s", [victim.pk])
    with tenant_context(story.acme.pk):
        broken = report.verify(story.acme.pk)
    assert broken is not None
    assert (broken.seq, broken.reason) == (victim.seq, "it was emptied, and no erasure named its conversation")


def test_a_conversation_that_is_being_sent_from_waits_for_the_next_run(story: World) -> None:
    with tenant_context(story.acme.pk):
        delivery = Delivery.objects.get(conversation__number=3)
        for status in ("queued", "sending"):
            Delivery.objects.filter(pk=delivery.pk).update(status=status, lease_until=delivery.created_at)
    planned = retention.erase_customer(account_id=story.acme.pk, email=ADDRESS, dry_run=True)
    assert erase(story) == planned
    assert planned["conversations"] == 4
    assert planned["left for the next run, because a reply is being sent"] == 1
    with tenant_context(story.acme.pk):
        assert Delivery.objects.get(pk=delivery.pk).envelope != {}
        outbox.sweep(account_id=story.acme.pk)
    last = erase(story)
    assert (last["conversations"], last["addresses"], len(last)) == (1, 1, 5), "nothing is left"

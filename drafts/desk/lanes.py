"""Earned lanes: automatic approval where people's own decisions are the evidence, and only as long as they are.

A lane is one topic, on one channel, written by one prompt version and one model. It opens only when an admin asks for it,
the account allows lanes, and the Wilson lower bound (95 %, two-sided) of "sent unchanged" over the last `lane_reviewed`
human decisions reaches `lane_bound`. Approvals that nobody can have read are none of these decisions, and an automatic
approval that a person took back counts against its lane (docs/decisions/0044). While it is open a share of its drafts still goes to people; every automatic approval
looks at the evidence anew and stores it, and one look under the bound suspends the lane.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Subquery
from django.db.models.functions import Now

from conversations import audit
from conversations.channels.addresses import is_same
from conversations.database import database_time
from conversations.errors import Conflict
from conversations.messages import outbox, outgoing
from conversations.messages.envelope import digest
from conversations.models import Account, Channel, Conversation, Delivery, Notification, User
from conversations.people.roles import Verb, check
from conversations.tenancy import channels_at
from drafts.desk import recipients
from drafts.desk.scene import Seen, envelope_of, lock
from drafts.desk.signing import sign
from drafts.desk.text import current_text
from drafts.evidence import verdicts
from drafts.evidence.quality import wilson
from drafts.evidence.sampling import bucket
from drafts.learning.prompts import BUILT_IN_LABEL
from drafts.models import Draft, DraftAction, Lane, PromptVersion

State = Lane.State
MAX_IN_THREAD = 3  # automatic replies of one thread within an hour; the trigger's own number
MIN_HOLD_SECONDS = 60  # seconds in which a person can still take an automatic approval back
NO_TOPIC = ("", "other")  # drafts that have nothing in common but that nobody knows what they are about
_NEWEST = """,
taken_back AS (
  SELECT DISTINCT ON (u.draft_id) u.draft_id, u.created_at, u.id
    FROM drafts_draftaction u JOIN drafts_draft d ON d.account_id = %(account)s AND d.id = u.draft_id
    JOIN conversations_conversation c ON c.account_id = %(account)s AND c.id = d.conversation_id
   WHERE u.account_id = %(account)s AND u.type = 'undo' AND d.intent = %(intent)s AND d.prompt_label = %(prompt_label)s
     AND d.model_key = %(model_key)s AND c.channel_id = %(channel_id)s
     AND EXISTS (SELECT FROM drafts_draftaction a WHERE a.account_id = %(account)s AND a.draft_id = u.draft_id
                    AND a.lane_id IS NOT NULL AND a.id < u.id)
   ORDER BY u.draft_id, u.id DESC)
SELECT unchanged FROM (
  SELECT v.type = 'approve' AS unchanged, v.created_at, v.id FROM verdicts v
   WHERE NOT EXISTS (SELECT FROM taken_back t WHERE t.draft_id = v.draft_id)
  UNION ALL
  SELECT false, created_at, id FROM taken_back) decided
 ORDER BY created_at DESC, id DESC
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Of the last `reviewed` human decisions, `unchanged` were approvals as suggested; `low` is the Wilson lower bound."""

    reviewed: int
    unchanged: int
    low: float
    needed: int
    bound: float

    @property
    def is_enough(self) -> bool:
        return self.reviewed >= self.needed and self.low >= self.bound

    @property
    def words(self) -> str:
        return (
            f"{self.unchanged} of the last {self.reviewed} were sent unchanged, at least {self.low:.1%} with 95 % certainty; "
            f"{self.bound:.1%} over {self.needed} decisions are asked for"
        )


def judge(verdicts: Sequence[bool], *, needed: int, bound: float) -> Evidence:
    """`verdicts`, newest first: True where a person sent the draft unchanged."""
    window = list(verdicts[:needed])
    low, _ = wilson(sum(window), len(window))
    return Evidence(len(window), sum(window), round(low, 4), needed, bound)


def evidence_of(lane: Lane, account: Account) -> Evidence:
    """What people decided on drafts of this lane's kind: one statement. The caller is in the tenant."""
    found = verdicts.ask(
        _NEWEST,
        account_id=account.pk,
        kind=verdicts.Kind(lane.intent, lane.prompt_label, lane.model_key, lane.channel_id),
        # A draft that was taken back and decided again has several acts. Twice the window holds enough of them.
        most=2 * account.options.lane_reviewed,
        read=True,
    )
    return judge(
        [unchanged for (unchanged,) in found],
        needed=account.options.lane_reviewed,
        bound=account.options.lane_bound,
    )


def candidates(account: Account) -> list[tuple[Lane, Evidence]]:
    """The kinds of drafts that were decided often enough to ask for a lane, with their evidence; unsaved rows for new ones."""
    kinds = (
        Draft.objects.filter(status__in=verdicts.STATUSES, is_canary=False)
        .exclude(intent__in=NO_TOPIC)
        .values("intent", "prompt_label", "model_key", "conversation__channel_id")
        .annotate(size=Count("pk"))
        .filter(size__gte=account.options.lane_reviewed)
        .order_by("-size")[:30]
    )
    known = {(lane.intent, lane.channel_id, lane.prompt_label, lane.model_key): lane for lane in Lane.objects.all()}
    out = []
    for kind in kinds:
        key = (kind["intent"], kind["conversation__channel_id"], kind["prompt_label"], kind["model_key"])
        lane = known.pop(key, None) or Lane(
            account=account, intent=key[0], channel_id=key[1], prompt_label=key[2], model_key=key[3]
        )
        out.append((lane, evidence_of(lane, account)))
    return [*out, *((lane, evidence_of(lane, account)) for lane in known.values())]


def open_lane(
    *, account_id: uuid.UUID, actor: User, intent: str, channel_id: uuid.UUID, prompt_label: str, model_key: str
) -> Lane:
    """Approve such drafts without a person from now on. Raises PermissionDenied (403), Channel.DoesNotExist (404),
    Conflict (409) with the figures when the evidence is not there."""
    with transaction.atomic():
        check(actor, Verb.MANAGE, account_id=account_id)
        if intent in NO_TOPIC:
            raise Conflict("Drafts without a topic of their own are always decided by people. The lane stays shut.")
        account = Account.objects.get(pk=account_id)
        channel = Channel.objects.get(pk=channel_id)
        if channel.provided_by.public:
            raise Conflict("Everybody can read what is sent there, so people decide it. The lane stays shut.")
        lane, _ = Lane.objects.get_or_create(
            account=account, intent=intent, channel=channel, prompt_label=prompt_label, model_key=model_key
        )
        lane = Lane.objects.select_for_update(of=("self",)).get(pk=lane.pk)
        if lane.state == State.OPEN:
            return lane
        if not account.options.lanes:
            raise Conflict("This account does not allow automatic approval. An admin can allow it in the settings.")
        if not _is_active(prompt_label):
            raise Conflict(f"Drafts are not written with {prompt_label} any more. The lane stays shut.")
        evidence = evidence_of(lane, account)
        if not evidence.is_enough:
            raise Conflict(f"Not enough evidence: {evidence.words}. The lane stays shut.", evidence=asdict(evidence))
        if lane.state == State.SUSPENDED:
            _move(lane, State.SHUT, "looked at again")
        lane.opened_at, lane.opened_by_name, lane.evidence = database_time.now(), actor.name, asdict(evidence)
        _move(lane, State.OPEN, evidence.words)
        audit.record(
            audit.Kind.LANE_OPENED,
            actor=actor,
            about=lane,
            data={"lane": name_of(lane), "unchanged": evidence.unchanged, "reviewed": evidence.reviewed},
        )
    return lane


def shut_lane(*, lane_id: uuid.UUID, actor: User, reason: str = "by hand") -> Lane:
    """People decide such drafts again. Replies that wait in the outbox stay there and can be taken back one by one.

    Raises Lane.DoesNotExist (404), PermissionDenied (403).
    """
    with transaction.atomic():
        lane = Lane.objects.select_for_update(of=("self",)).get(pk=lane_id)
        check(actor, Verb.MANAGE, account_id=lane.account_id)
        if lane.state != State.SHUT:
            _move(lane, State.SHUT, reason)
            _recorded(lane, actor, reason)
    return lane


def watch(*, account_id: uuid.UUID) -> int:
    """Suspend the open lanes whose evidence is gone; how many. The caller is in the tenant."""
    suspended = 0
    for lane_id in Lane.objects.filter(state=State.OPEN).values_list("pk", flat=True):
        with transaction.atomic():
            lane = Lane.objects.select_for_update(of=("self",)).get(pk=lane_id)
            if lane.state == State.OPEN and _still_open(lane, Account.objects.get(pk=account_id)) is None:
                suspended += 1
    return suspended


def consider(*, draft_id: uuid.UUID) -> DraftAction | None:
    """Approve a new draft if its lane is open and it is one that needs nobody; None: a person decides it.

    Conversation and draft are locked first, as every decision does; the reply waits in the outbox for at least a minute.
    The caller is in the tenant.
    """
    with transaction.atomic():
        of_draft = Draft.objects.filter(pk=draft_id).values("account_id")[:1]  # Django 6.1 compares with one row only
        # Most accounts have none: they are asked first, and nothing is locked for them.
        if not Account.objects.get(pk=Subquery(of_draft)).options.lanes:
            return None
        scene = lock(draft_id, actor=None)
        conversation, draft = scene.conversation, scene.draft
        if scene.holder or scene.cites_expired or not _needs_nobody(draft, conversation):
            return None
        lane = (
            Lane.objects.select_for_update(of=("self",))
            .filter(
                state=State.OPEN,
                intent=draft.intent,
                channel=conversation.channel,
                prompt_label=draft.prompt_label,
                model_key=draft.model_key,
            )
            .first()
        )
        if lane is None or bucket(draft.pk, "sample") < lane.sampling_rate:
            return None
        evidence = _still_open(lane, conversation.account)
        if evidence is None or not _may_leave(draft, conversation):
            return None
        return _approve(draft, conversation, lane, evidence)


def _needs_nobody(draft: Draft, conversation: Conversation) -> bool:
    if conversation.channel and conversation.channel.provided_by.public:
        return False  # everybody can read it there, and nothing takes it back
    return (
        draft.status == Draft.Status.PENDING
        and draft.base_message_id == conversation.last_inbound_message_id
        and draft.version == 0
        and draft.intent not in NO_TOPIC
        and not (draft.is_canary or draft.error or draft.unsourced_count or draft.is_about_money or draft.needs_human)
        and bool(draft.statements)
        and draft.sources_changed_at is None
        # A draft that somebody asked for, or that came back once, is theirs to decide.
        and not DraftAction.objects.filter(
            conversation=conversation, draft__base_message=draft.base_message_id
        ).exists()
    )


def _may_leave(draft: Draft, conversation: Conversation) -> bool:
    """Whether the reply may leave without a person: to the customer's proved address alone, not to who asks for no automatic
    answer, and within the limits. Whatever is not known counts against it."""
    channel, base = outbox.channel_of(conversation), draft.base_message
    if base is None:
        return False
    proved = recipients.proved_address(conversation, channel, base)
    envelope = envelope_of(conversation, draft)
    to = envelope["to"]
    if not proved or len(to) != 1 or not is_same(to[0]["address"], proved):
        return False
    if envelope["cc"] or envelope.get("bcc") or envelope["files"] or draft.is_readdressed:
        return False  # others get it too, or a person had a hand in it
    if base.is_automatic or base.details.headers.get("x-auto-response-suppress"):
        return False
    if recipients.cautions(conversation, base):
        return False
    if is_same(proved, channel.sends_as) or channels_at(proved):
        return False  # another desk of this installation: two that answer each other
    # The outbox would refuse it: people are shown why, and their draft is not a job that failed.
    if outgoing.problems(channel, envelope, body_text=current_text(draft).text):
        return False
    return _is_within_limits(conversation, proved)


def _is_within_limits(conversation: Conversation, address: str) -> bool:
    """By the database's clock; one lane of an account at a time counts and then leaves. The database itself holds the limit
    of a thread (trigger `delivery_without_person`)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 4))", [str(conversation.account_id)])
    options = conversation.account.options
    left = Delivery.objects.filter(is_automatic=True, created_at__gt=Now() - timedelta(hours=1))
    left = left.exclude(status=Delivery.Status.CANCELLED)
    if left.count() >= options.lane_per_hour:
        return False
    if left.filter(conversation__customer_email__iexact=address).count() >= options.lane_per_sender_hour:
        return False
    return left.filter(conversation=conversation).count() < MAX_IN_THREAD


def _still_open(lane: Lane, account: Account) -> Evidence | None:
    """The evidence of now; without it the lane is suspended, and people are told."""
    evidence = evidence_of(lane, account)
    if not account.options.lanes:
        reason = "the account does not allow automatic approval any more"
    elif not _is_active(lane.prompt_label):
        reason = f"drafts are not written with {lane.prompt_label} any more"
    elif not evidence.is_enough:
        reason = evidence.words
    else:
        return evidence
    lane.evidence = asdict(evidence)
    _move(lane, State.SUSPENDED, reason)
    _recorded(lane, audit.SYSTEM, reason)
    Notification.objects.create(
        account_id=lane.account_id,
        type=Notification.Type.LANE_SHUT,
        payload={"lane": str(lane.pk), "name": name_of(lane), "reason": reason},
    )
    return None


def _approve(draft: Draft, conversation: Conversation, lane: Lane, evidence: Evidence) -> DraftAction:
    envelope = envelope_of(conversation, draft)
    return sign(
        conversation=conversation,
        draft=draft,
        text=current_text(draft),
        envelope=envelope,
        actor=audit.model_actor(f"lane {name_of(lane)}"),
        hold_seconds=max(MIN_HOLD_SECONDS, conversation.account.options.hold_seconds),
        seen=Seen(draft.version, draft.base_message_id, digest(envelope)),
        about={"lane": str(lane.pk), "evidence": evidence.words},
        lane=lane,
        evidence=asdict(evidence),
    )


def name_of(lane: Lane) -> str:
    return f"{lane.intent} on {lane.channel.name}, {lane.prompt_label}"


def _is_active(prompt_label: str) -> bool:
    active = PromptVersion.objects.filter(status=PromptVersion.Status.ACTIVE).first()
    return prompt_label == (active.label if active else BUILT_IN_LABEL)


def _move(lane: Lane, state: Lane.State, reason: str) -> None:
    lane.state, lane.reason = state, reason[:300]
    lane.save(update_fields=["state", "reason", "evidence", "opened_at", "opened_by_name", "updated_at"])


def _recorded(lane: Lane, actor: Any, reason: str) -> None:
    audit.record(audit.Kind.LANE_SHUT, actor=actor, about=lane, data={"lane": name_of(lane), "reason": reason})

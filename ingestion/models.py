"""What came in from outside: raw events, jobs, and the documents that drafts draw on."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVector, SearchVectorField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from conversations.database import database_time
from conversations.database.guards import Transitions, json_under_64k, one_of, same_account, tenant_guards
from conversations.models.base import TenantForeignKey, TenantRow
from conversations.visible import Visible


class InboundEventQuerySet(models.QuerySet["InboundEvent"]):
    def in_quarantine(self) -> InboundEventQuerySet:
        """What a person has to look at: it could not be read, or it is over a limit."""
        return self.filter(status__in=[InboundEvent.Status.FAILED, InboundEvent.Status.QUARANTINED])

    def of_last_hour(self) -> InboundEventQuerySet:
        """By the database's clock, which all readers share."""
        return self.filter(received_at__gt=Now() - timedelta(hours=1))

    def within(self, channels: Visible) -> InboundEventQuerySet:
        return self.filter(**channels.where("channel_id"))


class InboundEvent(TenantRow):
    """The raw bytes as they came, kept until they expire: the proof that nothing was lost and redelivery is harmless.

    Stored and committed before anything is read. `tries` counts the readers that began, `lease_until` is how long one may
    take: who stays away longer was killed, and the mail is read again a limited number of times.
    """

    class Status(models.TextChoices):
        RECEIVED = "received"
        PROCESSED = "processed"
        IGNORED = "ignored"
        FAILED = "failed"
        QUARANTINED = "quarantined"
        SET_ASIDE = "set_aside"

    channel = TenantForeignKey("conversations.Channel", related_name="+")
    external_id = models.CharField(max_length=998, help_text="The provider's event id, or the digest of the bytes.")
    received_at = models.DateTimeField(db_default=Now())
    signature = models.CharField(max_length=20, default="none")
    payload = models.BinaryField(null=True)
    payload_sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    expires_at = models.DateTimeField(null=True)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.RECEIVED)
    detail = models.CharField(max_length=500, blank=True, default="")
    message = TenantForeignKey("conversations.Message", null=True, related_name="events")
    recipient = models.CharField(
        max_length=320, blank=True, default="", db_default="", help_text="The address it was delivered to."
    )
    sender = models.CharField(max_length=320, blank=True, default="", db_default="", help_text="As read from it.")
    subject = models.CharField(max_length=200, blank=True, default="", db_default="")
    tries = models.PositiveIntegerField(default=0, db_default=0)
    lease_until = models.DateTimeField(null=True)
    is_history = models.BooleanField(
        default=False,
        db_default=False,
        help_text="It lay in the mailbox before that was connected: nobody is to answer.",
    )
    is_released = models.BooleanField(
        default=False, db_default=False, help_text="A person let it in: no limit holds it again."
    )

    objects = InboundEventQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("inboundevent"),
            models.UniqueConstraint(
                fields=["account", "channel", "external_id", "payload_sha256"], name="inboundevent_once"
            ),
            one_of(
                "inboundevent", "status", ["received", "processed", "ignored", "failed", "quarantined", "set_aside"]
            ),
            one_of("inboundevent", "signature", ["none", "valid", "invalid"]),
            Transitions(
                moves={
                    "received": ["processed", "ignored", "failed", "quarantined"],
                    "failed": ["received", "processed", "ignored", "set_aside"],
                    "quarantined": ["received", "processed", "set_aside"],
                    "set_aside": ["received"],
                },
                name="inboundevent_moves",
            ),
            *same_account("inboundevent", "channel", "message"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "-received_at"], name="idx_inboundevent_recent"),
            models.Index(fields=["expires_at"], name="idx_inboundevent_expiry", condition=Q(payload__isnull=False)),
            models.Index(
                fields=["account", "-received_at"],
                name="idx_inboundevent_waiting",
                condition=Q(status__in=["received", "failed", "quarantined"]),
            ),
            models.Index(fields=["account", "channel", "sender", "received_at"], name="idx_inboundevent_sender"),
        ]

    def __str__(self) -> str:
        return f"{self.status} {self.external_id}"


class InboundKey(TenantRow):
    """What a vendor brought once is not taken in again: the digest of its own id of an event or of a message.

    Keys of messages are kept for good, also after the message was emptied: without SECRET_KEY nobody can try ids against
    them. One of a message without a message was deleted at the vendor before it came.
    """

    class Kind(models.TextChoices):
        EVENT = "event"
        MESSAGE = "message"

    channel = TenantForeignKey("conversations.Channel", related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    digest = models.CharField(max_length=64)
    message = TenantForeignKey("conversations.Message", null=True, related_name="+")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("inboundkey"),
            models.UniqueConstraint(fields=["account", "channel", "kind", "digest"], name="inboundkey_once"),
            one_of("inboundkey", "kind", ["event", "message"]),
            *same_account("inboundkey", "channel", "message"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["account", "created_at"], name="idx_inboundkey_events", condition=Q(kind="event"))
        ]

    def __str__(self) -> str:
        return self.kind


class Mailbox(TenantRow):
    """How far a folder has been read. `last_uid` counts within `uidvalidity`, and moves in the transaction that keeps the mail.

    `lease_until`: who reads it now. What the server received before `historical_until` was there before we were.
    """

    channel = TenantForeignKey("conversations.Channel", related_name="+", db_index=False)
    folder = models.CharField(max_length=200)
    uidvalidity = models.BigIntegerField(null=True)
    last_uid = models.BigIntegerField(default=0)
    historical_until = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    checked_at = models.DateTimeField(null=True)
    fetched_at = models.DateTimeField(null=True, help_text="When it was last read to its end without a fault.")
    problem = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        verbose_name_plural = "mailboxes"
        constraints: ClassVar = [
            *tenant_guards("mailbox"),
            models.UniqueConstraint(fields=["account", "channel", "folder"], name="mailbox_one_per_folder"),
            *same_account("mailbox", "channel"),
        ]

    def __str__(self) -> str:
        return self.folder


class RequestKey(TenantRow):
    """An Idempotency-Key that a service sent, and what it stood for: the same request again gets the same row.

    draft-ietf-httpapi-idempotency-key-header-07: a key belongs to one request; its keys are a client's own.
    """

    token = TenantForeignKey("conversations.ServiceToken", related_name="+")
    key = models.CharField(max_length=200)
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of method, route, what it names, and body.")
    conversation = TenantForeignKey("conversations.Conversation", related_name="+")
    message = TenantForeignKey("conversations.Message", null=True, related_name="+")
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("requestkey", grants=("SELECT", "INSERT", "DELETE")),
            models.UniqueConstraint(fields=["account", "token", "key"], name="requestkey_once"),
            *same_account("requestkey", "token", "conversation", "message"),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "expires_at"], name="idx_requestkey_expiry")]

    def __str__(self) -> str:
        return self.key


class JobRun(TenantRow):
    """A long piece of work that people watch: progress, heartbeat, outcome."""

    class Type(models.TextChoices):
        CRAWL = "crawl"
        INGEST_GOLDENS = "ingest_goldens"
        INGEST_FILES = "ingest_files"
        CORRECTIONS_SYNC = "corrections_sync"
        MAIL_FETCH = "mail_fetch"
        RETENTION = "retention"
        EVAL = "eval"
        EXPORT = "export"

    class Status(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    type = models.CharField(max_length=40, choices=Type.choices)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.QUEUED)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)
    unit = models.CharField(max_length=40, blank=True, default="")
    error = models.TextField(blank=True, default="")
    metrics = models.JSONField(default=dict)
    params = models.JSONField(default=dict, help_text="What the job was asked for.")
    resume = models.JSONField(default=dict, help_text="Where a job that was cut off goes on.")
    attempts = models.PositiveIntegerField(default=0)
    started_by_name = models.CharField(max_length=120, blank=True, default="")

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("jobrun"),
            one_of(
                "jobrun",
                "type",
                [
                    "crawl",
                    "ingest_goldens",
                    "ingest_files",
                    "corrections_sync",
                    "mail_fetch",
                    "retention",
                    "eval",
                    "export",
                ],
            ),
            one_of("jobrun", "status", ["queued", "running", "succeeded", "failed", "cancelled"]),
            Transitions(
                moves={
                    "queued": ["running", "cancelled"],
                    "running": ["succeeded", "failed", "cancelled", "queued"],
                    "failed": ["queued"],
                    "cancelled": ["queued"],
                },
                name="jobrun_moves",
            ),
            *(json_under_64k("jobrun", field) for field in ("metrics", "params", "resume")),
        ]
        indexes: ClassVar = [models.Index(fields=["account", "type", "created_at"], name="idx_jobrun_account_type")]

    def __str__(self) -> str:
        return f"{self.type} {self.status}"


class Site(TenantRow):
    """A web site whose pages are sources: where the crawl starts, how far it goes and how often."""

    url = models.CharField(max_length=1000, help_text="Start page or sitemap; only its host is read.")
    name = models.CharField(max_length=120, blank=True, default="")
    max_pages = models.PositiveIntegerField(default=500)
    every_hours = models.PositiveIntegerField(default=24, help_text="0: only when somebody starts it.")
    allow_private = models.BooleanField(default=False, help_text="Also read hosts inside your own network.")
    is_active = models.BooleanField(default=True)
    crawled_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("site"),
            models.UniqueConstraint(fields=["account", "url"], name="site_url"),
            models.CheckConstraint(condition=Q(max_pages__range=(1, 100_000)), name="site_max_pages_range"),
        ]

    def __str__(self) -> str:
        return self.name or self.url


def in_time(prefix: str = "") -> Q:
    """Documents that may be quoted now, by the database's clock: an approved answer only until its time is over.

    A sweep takes such a document out of use some minutes later; what is quoted does not wait for that. `prefix` is the way to
    the document, e.g. `document__`.
    """
    over = Q(**{f"{prefix}kind": SourceDocument.Kind.GOLDEN, f"{prefix}next_refresh_at__lte": Now()})
    return ~over | Q(**{f"{prefix}next_refresh_at__isnull": True})


class SourceDocument(TenantRow):
    """A document that drafts may quote. Its passages are here; their vectors are in the account's Chroma collection."""

    class Status(models.TextChoices):
        INDEXED = "indexed"
        FAILED = "failed"
        GONE = "gone"

    class Kind(models.TextChoices):
        TEXT = "text"
        PAGE = "page"
        FILE = "file"
        GOLDEN = "golden"

    source_url = models.CharField(max_length=2000)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.TEXT)
    site = TenantForeignKey("ingestion.Site", null=True, on_delete=models.SET_NULL, related_name="documents")
    etag = models.CharField(max_length=300, blank=True, default="")
    last_modified = models.CharField(max_length=100, blank=True, default="", help_text="As the server wrote it.")
    fetched_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True, default="")
    title = models.CharField(max_length=500, blank=True, default="")
    hash = models.CharField(max_length=64, blank=True, default="")
    indexed_at = models.DateTimeField(default=database_time.now)
    next_refresh_at = models.DateTimeField(
        null=True, help_text="When a page is read again; of an approved answer, when its time is over."
    )
    metadata = models.JSONField(default=dict)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.INDEXED)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("sourcedocument"),
            models.UniqueConstraint(fields=["account", "source_url"], name="sourcedocument_url"),
            one_of("sourcedocument", "status", ["indexed", "failed", "gone"]),
            one_of("sourcedocument", "kind", ["text", "page", "file", "golden"]),
            json_under_64k("sourcedocument", "metadata"),
            *same_account("sourcedocument", "site"),
        ]
        indexes: ClassVar = [
            # Asked at every approval; only approved answers that are in use are in it.
            models.Index(
                fields=["account", "next_refresh_at"],
                name="idx_sourcedocument_over",
                condition=Q(kind="golden", status="indexed", next_refresh_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.source_url


class Passage(TenantRow):
    """A piece of a document: what a draft cites and what full-text search reads. Its id is its vector's id."""

    document = TenantForeignKey(SourceDocument, on_delete=models.CASCADE, related_name="passages")
    ordinal = models.PositiveIntegerField()
    heading = models.CharField(max_length=500, blank=True, default="")
    text = models.TextField()
    hash = models.CharField(max_length=64)
    search = models.GeneratedField(
        expression=SearchVector("heading", weight="A", config="english")
        + SearchVector("text", weight="B", config="english"),
        output_field=SearchVectorField(),
        db_persist=True,
    )

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("passage"),
            models.UniqueConstraint(fields=["account", "document", "ordinal"], name="passage_ordinal"),
            *same_account("passage", "document"),
        ]
        indexes: ClassVar = [GinIndex(fields=["account", "search"], name="idx_passage_search")]

    def __str__(self) -> str:
        return f"{self.heading} ({self.ordinal})"


class AnswerModel(TenantRow):
    """What was learned from the account's approved answers (`ingestion.knowledge.answers`): one row an account, a
    derivation that may be thrown away."""

    digest = models.CharField(max_length=64, help_text="Of the approved answers and the embedder it was learned from.")
    embedder = models.CharField(max_length=200)
    body = models.BinaryField(help_text="Empty: there was too little to learn from.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            *tenant_guards("answermodel"),
            models.UniqueConstraint(fields=["account"], name="answermodel_once"),
        ]

    def __str__(self) -> str:
        return f"learned {self.updated_at:%Y-%m-%d %H:%M}"

"""The corrections layer: what people keep changing in drafts becomes proposed answers, once a night.

Corrections are alike when they answer the same intent or nearly the same question, change the draft in the same way and
arrive at nearly the same words. Two such are a pattern: one golden is proposed, and a person decides it.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

from conversations import audit
from conversations.database import database_time
from conversations.metadata import Shape
from conversations.models import Account
from conversations.tenancy import tenant_context
from conversations.visible import ALL
from drafts.answers import goldens
from drafts.learning import samples
from drafts.models import Golden, LearningSample
from drafts.writing.relevance import asks_of
from drafts.writing.statements import HOLDING_SENTENCES, factual_sentences
from ingestion.jobs import JobKind, Work, checked
from ingestion.knowledge.embed import Embedder, get_embedder
from ingestion.models import JobRun

WINDOW = timedelta(days=90)  # corrections older than this are no pattern of today
MAX_SAMPLES = 4_000  # looked at in one run, the newest
ENOUGH = 2  # samples that make a pattern
SAME_QUESTION = 0.72  # cosine of two questions that ask the same in other words
RELATED = 0.45  # enough where the intent is the same too
SAME_ANSWER = 0.80  # cosine of two answers that say the same
GRACE = timedelta(minutes=1)  # a sample's transaction may commit this much after its created_at


class Params(Shape):
    pass


@dataclass
class Counts:
    """What a run did."""

    samples: int = 0
    exported: int = 0
    groups: int = 0
    proposed: int = 0
    known: int = 0  # patterns that were proposed before, whatever became of them
    personal: int = 0  # patterns whose every answer holds personal data: not proposed
    until: str = ""  # samples up to here were exported
    file: str = ""
    ids: list[str] = field(default_factory=list)  # of the goldens proposed


@dataclass(slots=True)
class Correction:
    """One sample, as it is compared."""

    id: uuid.UUID
    intent: str
    kind: frozenset[str]
    question: str
    answer: str
    personal: bool
    asked: list[float] = field(default_factory=list)
    said: list[float] = field(default_factory=list)


def prepare(params: dict[str, Any]) -> dict[str, Any]:
    """{}: there is nothing to choose. Raises Invalid."""
    return checked(Params, params).model_dump()


def run(work: Work) -> dict[str, Any]:
    """Export what is new and propose what repeats; the metrics are `Counts`. Raises EmbedderDown, Stopped, Released."""
    # Kept over a retry, so that it writes the same lines to the same file.
    counts = Counts(until=work.resume.get("until") or (database_time.now() - GRACE).isoformat())
    work.step(done=0, resume={"until": counts.until})
    _export(work, counts)
    with tenant_context(work.account_id):
        found = list(_corrections(work.account_id))
    counts.samples = len(found)
    work.step(total=len(found))
    embedder = get_embedder()
    for start in range(0, len(found), 100):
        _embed(embedder, found[start : start + 100])
        work.step(done=min(start + 100, len(found)))
    groups = [group for group in grouped(found) if len(group) >= ENOUGH]
    counts.groups = len(groups)
    for group in groups:
        work.step()
        with tenant_context(work.account_id):
            _propose(work.account_id, group, counts)
    return asdict(counts)


KIND = JobKind(run=run, prepare=prepare, unit="corrections")


def grouped(corrections: Sequence[Correction]) -> list[list[Correction]]:
    """Like corrections together, oldest first. The oldest of a group stands for it, so a group that grows stays the same
    group and does not drift from what it was about."""
    groups: list[list[Correction]] = []
    for each in corrections:
        home = next((group for group in groups if alike(group[0], each)), None)
        if home is None:
            groups.append([each])
        else:
            home.append(each)
    return groups


def alike(one: Correction, other: Correction) -> bool:
    if not one.kind & other.kind:
        return False
    asked = _cosine(one.asked, other.asked)
    same_intent = one.intent == other.intent and one.intent not in ("", "other")
    if asked < (RELATED if same_intent else SAME_QUESTION):
        return False
    return _cosine(one.said, other.said) >= SAME_ANSWER


def kinds_of_change(original: str, final: str, reasons: Sequence[str]) -> frozenset[str]:
    """In which way a draft was changed: the reasons that the person gave, else what happened to its length."""
    if reasons:
        return frozenset(reasons)
    if len(final) < 0.7 * len(original):
        return frozenset({"shortened"})
    return frozenset({"extended" if len(final) > 1.3 * len(original) else "reworded"})


def answer_of(text: str) -> str:
    """What a reply says: from its first statement to its last, without greeting and sign-off; "" if it says nothing."""
    said = [s for s in factual_sentences(text) if " ".join(s.text.split()) not in HOLDING_SENTENCES]
    return text[said[0].start : said[-1].end].strip() if said else ""


def question_of(text: str) -> str:
    """What a message asks, in its own words, without the story around it."""
    asks = asks_of(text)
    asked = [ask.whole for ask in asks if ask.outright] or [ask.text for ask in asks] or [text]
    return " ".join(" ".join(dict.fromkeys(asked)).split())[: goldens.MAX_QUESTION]


def _corrections(account_id: uuid.UUID) -> Iterator[Correction]:
    """Oldest first. What says nothing (a rejected text, a holding reply) teaches no answer."""
    newest = LearningSample.objects.filter(
        account_id=account_id, erased_at__isnull=True, created_at__gte=database_time.now() - WINDOW
    ).select_related("draft")
    for sample in reversed(newest.order_by("-created_at", "-id")[:MAX_SAMPLES]):
        answer, question = answer_of(sample.final), question_of(sample.question)
        if not answer or not question or sample.final == sample.original:
            continue
        yield Correction(
            id=sample.pk,
            intent=sample.draft.intent,
            kind=kinds_of_change(sample.original, sample.final, sample.reasons),
            question=question,
            answer=answer[: goldens.MAX_ANSWER],
            personal=samples.holds_personal_data(f"{question}\n{answer}"),
        )


def _embed(embedder: Embedder, found: Sequence[Correction]) -> None:
    vectors = embedder.embed([each.question for each in found] + [each.answer for each in found])
    for number, each in enumerate(found):
        each.asked, each.said = vectors[number], vectors[number + len(found)]


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))  # both have length 1


def _propose(account_id: uuid.UUID, group: list[Correction], counts: Counts) -> None:
    """One golden for a group, if there never was one: not for its first sample, and not from any of its samples."""
    key = "corrections:" + hashlib.sha256(str(group[0].id).encode()).hexdigest()[:40]
    before = Golden.objects.filter(origin=Golden.Origin.CORRECTIONS)
    known = before.filter(external_key=key).exists() or any(
        before.filter(samples__contains=[str(each.id)]).exists() for each in group
    )
    # The newest wording is what people arrived at; a pattern's words must be nobody's address or telephone number.
    best = next((each for each in reversed(group) if not each.personal), None)
    if known:
        counts.known += 1
    elif best is None:
        counts.personal += 1
    else:
        golden = goldens.propose(
            account_id=account_id,
            actor=audit.SYSTEM,
            question=best.question,
            answer=best.answer,
            intent=best.intent,
            origin=Golden.Origin.CORRECTIONS,
            external_key=key,
            samples=[each.id for each in group[:500]],
        )
        counts.proposed += 1
        counts.ids = [*counts.ids, str(golden.pk)][:200]


def _export(work: Work, counts: Counts) -> None:
    """The samples since the last run that succeeded, as JSON lines in CORRECTIONS_DIR, if that is set."""
    if not settings.CORRECTIONS_DIR:
        return
    with tenant_context(work.account_id):
        slug = Account.objects.values_list("slug", flat=True).get(pk=work.account_id)
        done = JobRun.objects.filter(type=JobRun.Type.CORRECTIONS_SYNC, status=JobRun.Status.SUCCEEDED)
        last = done.order_by("-finished_at").values_list("metrics__until", flat=True).first()
    until = datetime.fromisoformat(counts.until)
    since = datetime.fromisoformat(last) if last else until - timedelta(days=1)
    folder = Path(settings.CORRECTIONS_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{slug}-{until:%Y%m%dT%H%M%S.%fZ}.jsonl"
    unfinished = file.with_name(f"{file.name}.part")
    with unfinished.open("w", encoding="utf-8") as stream, tenant_context(work.account_id):
        for sample in samples.export(account_id=work.account_id, within=ALL, since=since):
            if since < datetime.fromisoformat(sample["created_at"]) <= until:
                stream.write(json.dumps({"account": slug, **sample}, ensure_ascii=False) + "\n")
                counts.exported += 1
    if counts.exported:
        unfinished.replace(file)  # whoever watches the folder sees whole files only
        counts.file = file.name
    else:
        unfinished.unlink()

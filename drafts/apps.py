from __future__ import annotations

from functools import partial

from django.apps import AppConfig


class DraftsConfig(AppConfig):
    name = "drafts"
    verbose_name = "Drafts"

    def ready(self) -> None:
        from conversations import hooks
        from conversations.trail import texts
        from drafts import retention
        from drafts.answers import golden_files
        from drafts.assistant import bound as proposed
        from drafts.assistant import waiting
        from drafts.desk import bound, quiet, sources, told
        from drafts.flow import reactions
        from drafts.learning import corrections, evaluation
        from drafts.views import cards
        from ingestion import hooks as knowledge
        from ingestion import jobs
        from ingestion.models import JobRun

        hooks.closing_previews.append(partial(quiet.close_quiet, dry_run=True))
        hooks.retention_previews.append(partial(retention.apply, dry_run=True))
        hooks.text_of_draft = told.text_of_draft
        hooks.draw_cards = cards.draw
        hooks.count_signatures = waiting.to_sign
        hooks.on_inbound.append(reactions.customer_wrote)
        hooks.on_delivery.append(reactions.delivery_moved)
        hooks.on_answered_elsewhere.append(reactions.answered_elsewhere)
        hooks.on_status_there.append(reactions.status_there)
        texts.places.extend(bound.PLACES)
        texts.witnesses.extend(bound.WITNESSES)
        texts.checks += [bound.envelopes, proposed.proposals]
        knowledge.on_passages_gone.append(sources.passages_gone)
        jobs.add_runner(JobRun.Type.INGEST_GOLDENS, golden_files.KIND)
        jobs.add_runner(JobRun.Type.CORRECTIONS_SYNC, corrections.KIND)
        jobs.add_runner(JobRun.Type.EVAL, evaluation.KIND)
